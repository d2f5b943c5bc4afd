"""The fault matrix (`make test-faults`): each fault, with the flag off and on, under calls that never stop.

While it lasts every call is answered in its time, with a clear error or the contract's degraded answer; within 5 s of
its end all is well, in the same process. `make test` has one case of each class: `tests/service/api/test_faults.py`
and `tests/service/listeners/test_outages.py`.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from service.domain.events import Event
from service.settings import Settings
from service.store.client import connect
from service.store.events import EventStore
from tests.firestore.emulator import PROJECT, running_emulator
from tests.service.application import Api, behind_uvicorn
from tests.service.listeners.conftest import Tab, open_tab
from tests.service.valkey_server import RunningValkey, settings_for
from tests.service.waiting import eventually

pytestmark = pytest.mark.faults

GONE_S: Final = 30.0
HEALS_S: Final = 5.0
TIMEOUT_MS: Final = 2_000
# What a call may take beside its own limit: the claim of its key and the way there and back, on a busy machine.
ALLOWANCE_S: Final = 2.0
CALLERS: Final = 8
CLEAR: Final = {"UNAVAILABLE", "TIMEOUT"}


@dataclass
class Calls:
    """What became of the calls so far."""

    answered: int = 0
    refused: int = 0
    unclear: list[dict[str, Any]] = field(default_factory=list)
    slowest_s: float = 0.0


@asynccontextmanager
async def callers(api: Api) -> AsyncIterator[Calls]:
    """Clients that register, read and leave, one call after the other, until the block ends."""
    calls = Calls()
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        while True:
            for method, args in (
                ("REGISTRY.register_user", [f"u{number}", f"s{number}"]),
                ("CHROMA_VECTOR.register_collection_user", [f"u{number}", "c", f"s{number}"]),
                ("UNIFIED_REGISTRY.get_user_registry", [f"u{number}"]),
                ("TASK.get_task_status", ["no-task"]),
                ("REGISTRY.unregister_session", [f"s{number}"]),
            ):
                started = loop.time()
                answer = await api.call(method, *args, timeout_ms=TIMEOUT_MS)
                calls.slowest_s = max(calls.slowest_s, loop.time() - started)
                if answer["ok"]:
                    calls.answered += 1
                elif answer["error"]["code"] in CLEAR:
                    calls.refused += 1
                else:
                    calls.unclear.append(answer)
            await asyncio.sleep(0.02)

    running = [asyncio.create_task(one(number)) for number in range(CALLERS)]
    try:
        yield calls
    finally:
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        failed = [fault for fault in ended if not isinstance(fault, asyncio.CancelledError)]
        assert failed == []


@contextmanager
def stopped(valkey: RunningValkey) -> Iterator[None]:
    valkey.stop()
    try:
        yield
    finally:
        valkey.start()


@contextmanager
def silent(valkey: RunningValkey) -> Iterator[None]:
    """It keeps its connections and answers nothing."""
    with valkey.client() as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("on", ["false", "true"], ids=["flag off", "flag on"])
@pytest.mark.parametrize(
    ("fault", "lasts_s"),
    [
        pytest.param(stopped, 0.0, id="restarted"),
        pytest.param(stopped, GONE_S, id="gone for 30 s"),
        pytest.param(silent, GONE_S, id="silent for 30 s"),
    ],
)
async def test_valkey(
    own_valkey: RunningValkey, fault: Callable[[RunningValkey], Any], lasts_s: float, on: str
) -> None:
    settings = settings_for(own_valkey.settings, UNIFIED_REGISTRY_ENABLED=on)
    async with (
        behind_uvicorn(settings) as api,
        open_tab(api.websocket_url) as tab,
        callers(api) as calls,
    ):
        await eventually(lambda: calls.answered > 50)
        assert calls.refused == 0
        with fault(own_valkey):
            await _answers_meanwhile(api, lasts_s)
        await _well_again(api, calls, lambda: _hears(settings, tab))
    assert calls.unclear == []
    assert calls.slowest_s < TIMEOUT_MS / 1000 + ALLOWANCE_S


@pytest.mark.parametrize("on", ["false", "true"], ids=["flag off", "flag on"])
async def test_firestore(own_valkey: RunningValkey, on: str) -> None:
    """Gone for 30 s: no call of the registry notices, and the user's notifications come after it is back."""
    with running_emulator() as emulator:
        settings = settings_for(
            own_valkey.settings,
            UNIFIED_REGISTRY_ENABLED=on,
            FIRESTORE_EMULATOR_HOST=emulator.host,
            GOOGLE_PROJECT_ID=PROJECT,
        )
        async with behind_uvicorn(settings) as api, open_tab(api.websocket_url) as tab, callers(api) as calls:
            await tab.next("notif.sync")
            emulator.stop()
            await _answers_meanwhile(api, GONE_S)
            await asyncio.to_thread(emulator.start)
            told = len(tab.of("notif.sync"))
            back_at = asyncio.get_running_loop().time()
            await tab.next("notif.sync", told + 1)
            assert asyncio.get_running_loop().time() - back_at < HEALS_S
        assert calls.refused == 0
        assert calls.unclear == []
        assert calls.slowest_s < TIMEOUT_MS / 1000 + ALLOWANCE_S


async def _answers_meanwhile(api: Api, lasts_s: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + lasts_s
    while True:
        started = loop.time()
        assert (await api.http.get("/healthz")).json()["status"] == "ok"
        assert loop.time() - started < ALLOWANCE_S
        if loop.time() >= until:
            return
        await asyncio.sleep(0.5)


async def _well_again(api: Api, calls: Calls, hears: Callable[[], Awaitable[bool]]) -> None:
    """Registering, readiness, events: all within 5 s, and from then on no call is refused."""
    started = asyncio.get_running_loop().time()

    async def is_well() -> bool:
        ready = (await api.http.get("/readyz")).status_code == 200
        return ready and bool((await api.call("REGISTRY.register_user", "u", "s"))["ok"]) and await hears()

    await eventually(is_well, deadline_s=HEALS_S)
    assert asyncio.get_running_loop().time() - started < HEALS_S
    refused, answered = calls.refused, calls.answered
    await eventually(lambda: calls.answered > answered + 200, deadline_s=30)
    # Those that were under way when it came back.
    assert calls.refused - refused <= CALLERS


async def _hears(settings: Settings, tab: Tab) -> bool:
    """Whether an event published now reaches the socket."""
    valkey = connect(settings.valkey)
    try:
        before = len(tab.of("task.progress_update"))
        event = Event("task.progress_update", "u1", {"task_id": "t"}, datetime.now(UTC))
        await EventStore(valkey, settings).publish(event)
        await eventually(lambda: len(tab.of("task.progress_update")) > before, deadline_s=1)
    except TimeoutError:
        return False
    finally:
        await valkey.aclose()
    return True
