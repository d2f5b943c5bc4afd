"""TERM under load: no request fails, sockets are told when to come back, what is under way ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.service.application import envelope
from tests.service.valkey_server import RunningValkey, free_port
from tests.service.waiting import eventually

START_S, END_S = 30.0, 30.0
CLIENTS = 8
SLOW_S = 2.0


class SlowNamespace:
    """Mounted in the process under test."""

    def nap(self) -> str:
        time.sleep(SLOW_S)
        return "rested"


@dataclass
class Running:
    """The API as a process of its own."""

    process: "subprocess.Popen[bytes]"
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@pytest.fixture
def api(valkey_server: RunningValkey) -> Iterator[Running]:
    with _running(valkey_server) as running:
        yield running


@contextmanager
def _running(valkey: RunningValkey) -> Iterator[Running]:
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "PORT": str(port),
        "LISTENERS_REDIS_PORT": str(valkey.port),
        "FLAG_FILE": "/nonexistent/flag.json",
        "LOG_LEVEL": "ERROR",
        "RPC_NAMESPACES": "SLOW=tests.service.api.test_leaving:SlowNamespace",
    }
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environ, stdout=subprocess.DEVNULL)
    running = Running(process, f"127.0.0.1:{port}")
    try:
        _until_ready(running)
        yield running
    finally:
        process.kill()
        process.wait()


def _until_ready(running: Running) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if httpx.get(f"{running.url}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


@dataclass
class Load:
    """Clients that keep their connections, as Reflex's do, until an answer closes it: then they go elsewhere."""

    running: Running
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    sent_away: int = 0

    async def run(self) -> None:
        await asyncio.gather(*(self._call() for _ in range(CLIENTS)))

    async def _call(self) -> None:
        async with httpx.AsyncClient(base_url=self.running.url, timeout=END_S) as client:
            while True:
                try:
                    response = await client.post("/rpc", json=envelope("REGISTRY.unregister_session", "nobody"))
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                    return
                if response.status_code != 200 or not response.json()["ok"]:
                    self.failures.append(response.text)
                self.answered += 1
                if response.headers.get("connection") == "close":
                    self.sent_away += 1
                    return


async def test_no_request_fails_and_what_is_under_way_ends(api: Running) -> None:
    load = Load(api)
    async with httpx.AsyncClient(base_url=api.url, timeout=END_S) as client, asyncio.timeout(END_S):
        calling = asyncio.create_task(load.run())
        slow = asyncio.create_task(client.post("/rpc", json=envelope("SLOW.nap")))
        await eventually(lambda: load.answered > 50, deadline_s=END_S)
        api.process.send_signal(signal.SIGTERM)
        await calling
        # Whoever has not heard yet is still served, and told.
        late = await client.get("/readyz")
        assert (late.status_code, late.json()["detail"]["error"]) == (503, "shutting_down")
        assert (await client.get("/healthz")).status_code == 200
        answer = (await slow).json()
    assert load.failures == []
    assert load.sent_away == CLIENTS
    assert answer["data"] == "rested"
    assert await asyncio.to_thread(api.process.wait, END_S) == 0


async def test_sockets_are_told_when_to_come_back(api: Running) -> None:
    url = f"ws://{api.address}/ws?uid=u1"
    async with connect(f"{url}&since=0-0") as asking, connect(url) as plain, asyncio.timeout(END_S):
        api.process.send_signal(signal.SIGTERM)
        (heard, code, reason), (nothing, _, _) = await asyncio.gather(_read_to_end(asking), _read_to_end(plain))
        assert code == 1012
        after_ms = int(reason.removeprefix("service restart: reconnect in ").removesuffix(" ms"))
        assert heard[-1]["type"] == "reconnect"
        assert heard[-1]["payload"] == {"after_ms": after_ms}
        assert 0 <= after_ms <= 1000
        # Reflex's client knows no such event.
        assert "reconnect" not in {each["type"] for each in nothing}
        assert plain.close_code == 1012
        async with connect(url) as late:
            assert (await _read_to_end(late))[1] == 1012
    assert await asyncio.to_thread(api.process.wait, END_S) == 0


def test_an_idle_process_ends_soon_and_a_second_term_ends_it_at_once(api: Running) -> None:
    api.process.send_signal(signal.SIGTERM)
    again = threading.Timer(0.3, api.process.send_signal, (signal.SIGTERM,))
    again.start()
    assert api.process.wait(END_S) == 0
    again.join()


async def _read_to_end(socket: ClientConnection) -> tuple[list[dict[str, object]], int | None, str]:
    """Events, code and reason."""
    events: list[dict[str, object]] = []
    try:
        async for text in socket:
            events.append(json.loads(text))  # noqa: PERF401 - what came before an error is wanted
    except ConnectionClosed:
        pass
    return events, socket.close_code, socket.close_reason or ""
