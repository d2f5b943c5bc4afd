"""Valkey gone, back again, and silent: clear answers in time, and all well soon after."""

import asyncio
import time

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from service.store.client import connect
from tests.service.application import Api, behind_uvicorn, in_process
from tests.service.valkey_server import RunningValkey, free_port, settings_for
from tests.service.waiting import eventually

HEALS_S = 5.0
UNAVAILABLE = {"code": "UNAVAILABLE", "message": "Valkey does not answer"}


async def registers(api: Api) -> bool:
    return bool((await api.call("REGISTRY.register_user", "u", "s"))["ok"])


async def test_valkey_stopped_and_started(own_valkey: RunningValkey) -> None:
    async with behind_uvicorn(settings_for(own_valkey.settings)) as api:
        assert await registers(api)
        own_valkey.stop()
        started = time.monotonic()
        answers = await asyncio.gather(*(api.call("REGISTRY.register_user", f"u{i}", "s") for i in range(30)))
        assert all(answer["error"] == UNAVAILABLE for answer in answers)
        assert time.monotonic() - started < 3
        assert (await api.http.get("/healthz")).json()["redis"] == "error"
        ready = await api.http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"detail": {"ok": False, "error": "redis_unavailable"}}
        assert (await api.http.get("/debug")).json()["redis"]["status"] == "error"
        own_valkey.start()
        await eventually(lambda: registers(api), deadline_s=HEALS_S)
        assert (await api.http.get("/readyz")).status_code == 200


async def test_a_call_that_needs_no_valkey_runs_without_it(own_valkey: RunningValkey) -> None:
    settings = settings_for(own_valkey.settings, RPC_NAMESPACES="PROBE=tests.service.api.test_rpc:make_probe")
    async with in_process(settings) as api:
        own_valkey.stop()
        assert await api.data("PROBE.echo", 7, reply_to="replies") == 7
        assert (await api.call("PROBE.nothing"))["error"]["code"] == "METHOD_NOT_FOUND"


async def test_started_before_valkey() -> None:
    server = RunningValkey(cluster=False)
    async with in_process(settings_for(server.settings)) as api:
        assert (await api.http.get("/healthz")).status_code == 200
        assert (await api.call("REGISTRY.register_user", "u", "s"))["error"] == UNAVAILABLE
        server.start()
        try:
            await eventually(lambda: registers(api), deadline_s=HEALS_S)
        finally:
            server.stop()


async def test_the_flag_follows_valkey_through_a_restart(own_valkey: RunningValkey) -> None:
    async with in_process(settings_for(own_valkey.settings)) as api:
        own_valkey.stop()
        own_valkey.start()
        client = connect(own_valkey.settings)
        await client.set(keys.FLAG, encode(FlagDocument(revision=4, enabled=True)))

        async def is_known() -> bool:
            return bool((await api.http.get("/healthz")).json()["flag_revision"] == 4)

        await eventually(is_known, deadline_s=HEALS_S)
        await client.aclose()


@pytest.mark.parametrize("timeout_ms", [200, None])
async def test_a_silent_valkey_hangs_nobody(timeout_ms: int | None) -> None:
    """A host that takes connections and never answers, as behind a broken proxy."""
    release = asyncio.Event()

    async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()
        await writer.wait_closed()

    port = free_port()
    server = RunningValkey(cluster=False)
    server.port = port
    listener = await asyncio.start_server(swallow, "127.0.0.1", port)
    async with in_process(settings_for(server.settings)) as api:
        started = time.monotonic()
        answer = await api.call("REGISTRY.register_user", "u", "s", timeout_ms=timeout_ms)
        took_s = time.monotonic() - started
        assert answer["error"]["code"] in ({"TIMEOUT", "UNAVAILABLE"} if timeout_ms else {"UNAVAILABLE"})
        # Asking for the key alone may take a second where the caller gives it.
        assert took_s < (0.9 if timeout_ms else 5)
        started = time.monotonic()
        assert (await api.http.get("/healthz")).json()["redis"] == "error"
        assert time.monotonic() - started < 1
        release.set()
    listener.close()
    await listener.wait_closed()
