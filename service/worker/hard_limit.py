"""Ends a run from its worker's parent process, for a child that was killed or died cannot, nor one that never began.

A message that came again would meet the same end.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from service.domain.tasks import PROCESSING, TaskEntry, log_fields
from service.settings import Settings
from service.store.client import VALKEY_FAULTS
from service.store.recovery import Lost
from service.store.tasks import Fence
from service.tasks.cancelling import TaskCanceller
from service.tasks.ending import Ending, end_run, ending_of_killed, ending_of_lost
from service.tasks.services import Services
from service.worker.forking import no_fork_meanwhile

log = structlog.get_logger("pinnokio.worker")

End = Callable[[Services, TaskEntry], Coroutine[Any, Any, None]]


def fail_killed_in_background(settings: Settings, task_id: str, run: int, limit_s: float) -> threading.Thread:
    """Ends a run that was killed at its hard limit as failed."""
    return _end_in_background(settings, task_id, run, lambda entry: ending_of_killed(entry, limit_s))


def end_lost_in_background(settings: Settings, lost: Lost) -> threading.Thread:
    """Ends a run that its worker's process died at, and that is not to be tried again."""
    task_id, run, is_cancelled = lost.fence.task_id, lost.fence.run, lost.outcome == "cancelled"
    return _end_in_background(settings, task_id, run, lambda entry: ending_of_lost(entry, is_cancelled=is_cancelled))


def cancel_revoked_in_background(
    settings: Settings, task_id: str, run: int, *, is_terminated: bool
) -> threading.Thread:
    """Ends a run as cancelled that an operator revoked (`celery control revoke`, Flower).

    `is_terminated`: its process here was ended, too; else its message was dropped, and whoever else is at it is told.
    """

    async def cancel(services: Services, entry: TaskEntry) -> None:
        if is_terminated and entry.status == PROCESSING:
            await end_run(services, entry, _fence_of(entry), Ending(entry.current_step, is_cancelled=True))
        elif not entry.is_ended:
            await TaskCanceller(services).cancel(task_id, None)

    return _in_background(settings, task_id, run, cancel)


def _end_in_background(
    settings: Settings, task_id: str, run: int, ending_of: Callable[[TaskEntry], Ending]
) -> threading.Thread:
    async def end(services: Services, entry: TaskEntry) -> None:
        if entry.status == PROCESSING:
            await end_run(services, entry, _fence_of(entry), ending_of(entry))

    return _in_background(settings, task_id, run, end)


def _in_background(settings: Settings, task_id: str, run: int, end: End) -> threading.Thread:
    """From a thread: the parent's event loop must not wait for Valkey."""
    thread = threading.Thread(target=lambda: asyncio.run(_end(settings, task_id, run, end)), name="end-run")
    thread.start()
    return thread


def _fence_of(entry: TaskEntry) -> Fence:
    return Fence(entry.task_id, entry.run, entry.attempt)


async def _end(settings: Settings, task_id: str, run: int, end: End) -> None:
    services = Services.open(settings)
    try:
        # The handshake comes with it, just when the child's successor is forked.
        with no_fork_meanwhile():
            entry = await services.tasks.read(task_id)
        if entry is None or entry.run != run:
            return
        with bound_contextvars(**log_fields(entry)):
            await end(services, entry)
    except VALKEY_FAULTS as fault:
        log.error("task_failure_not_written", task_id=task_id, error=repr(fault))
    finally:
        await services.close()
