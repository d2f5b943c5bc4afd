"""Firestore gone, Valkey gone, a process killed: what goes on, and how soon all is well again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.firestore.emulator import PROJECT, FirestoreEmulator, running_emulator
from tests.service.application import behind_uvicorn
from tests.service.conftest import MakeSettings
from tests.service.listeners.conftest import SLOW_S, open_tab, status_of, until_status
from tests.service.valkey_server import RunningValkey, free_port, settings_for
from tests.service.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
NOTIFICATION = {"read": False, "file_name": "a.pdf"}


async def test_firestore_gone_and_back(make_settings: MakeSettings) -> None:
    """Requests are answered meanwhile; all is well again within 5 s of its return."""
    with running_emulator() as emulator:
        settings = make_settings(FIRESTORE_EMULATOR_HOST=emulator.host, GOOGLE_PROJECT_ID=PROJECT)
        async with behind_uvicorn(settings) as api, open_tab(api.websocket_url) as tab:
            await tab.next("notif.sync")
            emulator.stop()

            async def is_reported() -> bool:
                return bool((await api.http.get("/debug")).json()["firestore"]["status"] == "error")

            await eventually(is_reported, deadline_s=SLOW_S)
            assert (await api.http.get("/healthz")).json()["status"] == "ok"
            assert await api.data("REGISTRY.register_user", "u1", "s1")
            # A user who comes while it is away is online when it is back.
            async with open_tab(api.websocket_url, uid="u2") as late:
                await asyncio.to_thread(emulator.start)
                back_at = asyncio.get_running_loop().time()
                await late.next("notif.sync")
                took_s = asyncio.get_running_loop().time() - back_at
                await until_status(emulator, "online", "u2")
                # The emulator forgot who was online: the first user is made known to it again.
                await until_status(emulator, "online", "u1")
                for uid, each in (("u1", tab), ("u2", late)):
                    await asyncio.to_thread(emulator.write, f"clients/{uid}/notifications/n1", NOTIFICATION)
                    await eventually(lambda each=each: each.of("notif.sync")[-1]["payload"]["count"], deadline_s=SLOW_S)  # type: ignore[misc]
                told_s = asyncio.get_running_loop().time() - back_at
            assert took_s < 5
            assert told_s < 5


async def test_valkey_gone_and_back(
    own_valkey: RunningValkey, firestore: FirestoreEmulator, environ: dict[str, str]
) -> None:
    """It comes back without its data: leases, sockets and events are made anew."""
    async with behind_uvicorn(settings_for(own_valkey.settings, **environ)) as api, open_tab(api.websocket_url) as tab:
        await tab.next("notif.sync")
        own_valkey.stop()
        await asyncio.to_thread(firestore.write, "clients/u1/notifications/n1", NOTIFICATION)
        assert (await api.http.get("/healthz")).json()["redis"] == "error"
        await asyncio.to_thread(own_valkey.start)
        await eventually(lambda: tab.of("notif.sync")[-1]["payload"]["count"] == 1, deadline_s=SLOW_S)
        assert await status_of(firestore) == "online"
    await until_status(firestore, "offline")


@contextmanager
def process(valkey: RunningValkey, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An API process of its own, and its port."""
    port = free_port()
    variables = {
        **os.environ,
        **environ,
        "PORT": str(port),
        "LISTENERS_REDIS_HOST": valkey.settings.host,
        "LISTENERS_REDIS_PORT": str(valkey.settings.port),
        "FLAG_FILE": "/nonexistent/flag.json",
        "LOG_LEVEL": "WARNING",
    }
    started = subprocess.Popen([sys.executable, "-m", "service"], env=variables, cwd=ROOT)
    try:
        yield started, port
    finally:
        started.kill()
        started.wait()


@asynccontextmanager
async def http(port: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a process that answers."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

        async def answers() -> bool:
            try:
                return (await client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(answers, deadline_s=SLOW_S)
        yield client


async def test_a_killed_process_is_replaced_within_15_s(
    valkey_server: RunningValkey, firestore: FirestoreEmulator, make_settings: MakeSettings, environ: dict[str, str]
) -> None:
    """Its listeners are taken over, and users whose last socket it held go offline."""
    short = {**environ, "LISTENERS_TTL_SECONDS": "30", "LISTENERS_HEARTBEAT_INTERVAL": "5"}
    with process(valkey_server, short) as (killed, port):
        url = f"ws://127.0.0.1:{port}/ws"
        async with http(port), open_tab(url, "stays") as tab, open_tab(url, "goes") as lost:
            await tab.next("notif.sync")
            await lost.next("notif.sync")
            async with behind_uvicorn(make_settings(**short)) as api, open_tab(api.websocket_url, "stays") as other:
                await other.next("notif.sync")
                assert (await api.http.get("/healthz")).json()["listeners_count"] == 0
                killed.kill()
                killed_at = asyncio.get_running_loop().time()
                path = "clients/stays/notifications/n1"
                await asyncio.to_thread(firestore.write, path, NOTIFICATION)
                await eventually(lambda: other.of("notif.sync")[-1]["payload"]["count"] == 1, deadline_s=SLOW_S)
                assert asyncio.get_running_loop().time() - killed_at < 15
                await until_status(firestore, "offline", "goes")
                assert await status_of(firestore, "stays") == "online"


@pytest.mark.parametrize("users", [500])
async def test_a_crowd_needs_no_threads(
    valkey_server: RunningValkey, environ: dict[str, str], firestore: FirestoreEmulator, users: int
) -> None:
    """500 users on at most 20 threads; how fast is measured by `benchmarks.listeners`."""
    with process(valkey_server, environ) as (started, port):
        async with http(port) as client:
            tabs = [open_tab(f"ws://127.0.0.1:{port}/ws", f"u{number}") for number in range(users)]
            opened = await asyncio.gather(*(tab.__aenter__() for tab in tabs))
            try:
                assert (await client.get("/healthz")).status_code == 200
                await eventually(lambda: all(tab.of("notif.sync") for tab in opened), deadline_s=4 * SLOW_S)
                assert threads_of(started.pid) <= 20

                async def all_are_listened_for() -> bool:
                    health = (await client.get("/healthz")).json()
                    counts = health["listeners_count"], health["workflow_listeners_count"]
                    return bool(counts == (users, users))

                await eventually(all_are_listened_for, deadline_s=4 * SLOW_S)
                assert threads_of(started.pid) <= 20
            finally:
                await asyncio.gather(*(tab.__aexit__(None, None, None) for tab in tabs))
            await until_status(firestore, "offline", f"u{users - 1}")


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
