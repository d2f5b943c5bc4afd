"""The reconcile queue: once at a time, many marks one run, failures back off, waits are kept."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from controller.handlers import queue as queues
from controller.handlers.queue import ReconcileQueue
from controller.model.errors import ApiConflict, OperatorError
from controller.model.service import ServiceKey

ONE, TWO = ServiceKey("place", "one"), ServiceKey("place", "two")
AT_ONCE = timedelta()


@contextlib.asynccontextmanager
async def _running(queue: ReconcileQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for is any condition
            await asyncio.sleep(0.005)


async def test_many_marks_become_one_run() -> None:
    runs: list[ServiceKey] = []

    async def reconcile(key: ServiceKey) -> None:
        runs.append(key)

    queue = ReconcileQueue(reconcile)
    for _ in range(20):
        queue.mark(ONE)
    queue.mark(TWO, AT_ONCE)
    async with _running(queue):
        await _until(lambda: len(runs) == 2)
    assert sorted(runs) == [ONE, TWO]


async def test_a_mark_during_a_run_makes_one_more_and_never_two_at_a_time() -> None:
    running, most, runs = 0, 0, 0
    go_on = asyncio.Event()

    async def reconcile(_: ServiceKey) -> None:
        nonlocal running, most, runs
        running, runs = running + 1, runs + 1
        most = max(most, running)
        await go_on.wait()
        running -= 1

    queue = ReconcileQueue(reconcile)
    async with _running(queue):
        queue.mark(ONE, AT_ONCE)
        await _until(lambda: runs == 1)
        queue.mark(ONE, AT_ONCE)
        queue.mark(ONE, AT_ONCE)
        go_on.set()
        await _until(lambda: runs == 2 and running == 0)
    assert (runs, most) == (2, 1)


async def test_no_more_than_so_many_run_at_a_time() -> None:
    running = 0
    go_on = asyncio.Event()
    done: list[ServiceKey] = []

    async def reconcile(key: ServiceKey) -> None:
        nonlocal running
        running += 1
        assert running <= 2
        await go_on.wait()
        running -= 1
        done.append(key)

    queue = ReconcileQueue(reconcile, parallel=2)
    async with _running(queue):
        for number in range(6):
            queue.mark(ServiceKey("place", str(number)), AT_ONCE)
        await _until(lambda: running == 2)
        go_on.set()
        await _until(lambda: len(done) == 6)


@pytest.mark.parametrize("error", [OperatorError("away"), ApiConflict("changed"), ValueError("a bug")])
async def test_a_failure_is_tried_again_and_stops_nobody(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "BACKOFF_FIRST", timedelta(milliseconds=5))
    runs: list[ServiceKey] = []

    async def reconcile(key: ServiceKey) -> None:
        runs.append(key)
        if key is ONE and runs.count(ONE) < 3:
            raise error

    queue = ReconcileQueue(reconcile)
    async with _running(queue):
        queue.mark(ONE, AT_ONCE)
        queue.mark(TWO, AT_ONCE)
        await _until(lambda: runs.count(ONE) == 3)
    assert TWO in runs


async def test_it_is_looked_at_again_when_it_asked_for() -> None:
    runs = 0

    async def reconcile(_: ServiceKey) -> timedelta:
        nonlocal runs
        runs += 1
        return timedelta(milliseconds=5) if runs < 3 else timedelta(hours=1)

    queue = ReconcileQueue(reconcile)
    async with _running(queue):
        queue.mark(ONE, AT_ONCE)
        await _until(lambda: runs == 3)


async def test_an_earlier_mark_stays() -> None:
    runs: list[ServiceKey] = []

    async def reconcile(key: ServiceKey) -> None:
        runs.append(key)

    queue = ReconcileQueue(reconcile)
    async with _running(queue):
        queue.mark(ONE, timedelta(hours=1))
        queue.mark(ONE, AT_ONCE)
        queue.mark(ONE, timedelta(hours=1))
        await _until(lambda: bool(runs))
    assert runs == [ONE]


@pytest.mark.parametrize("turns", range(5))
async def test_it_ends_when_told_to_just_as_it_wakes(turns: int) -> None:
    """However many turns of the event loop lie between: an end that is overheard would be waited for for ever."""

    async def reconcile(_: ServiceKey) -> None:
        await asyncio.Event().wait()

    queue = ReconcileQueue(reconcile)
    queue.mark(ONE, timedelta(hours=1))
    running = asyncio.create_task(queue.run())
    await asyncio.sleep(0.01)
    queue.mark(TWO)
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait((running,), timeout=2)
    assert running.cancelled()
