"""Ends a run from its worker's parent process, for a child that was killed or died cannot.

A message that came again would meet the same end.
"""

import asyncio
import threading
from collections.abc import Callable

import structlog
from structlog.contextvars import bound_contextvars

from service.domain.tasks import PROCESSING, TaskEntry, log_fields
from service.settings import Settings
from service.store.client import VALKEY_FAULTS
from service.store.recovery import Lost
from service.store.tasks import Fence
from service.tasks.ending import Ending, end_run, ending_of_killed, ending_of_lost
from service.tasks.services import Services
from service.worker.forking import no_fork_meanwhile

log = structlog.get_logger("pinnokio.worker")


def fail_killed_in_background(settings: Settings, task_id: str, run: int, limit_s: float) -> threading.Thread:
    """Ends a run that was killed at its hard limit as failed."""
    return _in_background(settings, task_id, run, lambda entry: ending_of_killed(entry, limit_s))


def end_lost_in_background(settings: Settings, lost: Lost) -> threading.Thread:
    """Ends a run that its worker's process died at, and that is not to be tried again."""
    task_id, run, is_cancelled = lost.fence.task_id, lost.fence.run, lost.outcome == "cancelled"
    return _in_background(settings, task_id, run, lambda entry: ending_of_lost(entry, is_cancelled=is_cancelled))


def _in_background(
    settings: Settings, task_id: str, run: int, ending_of: Callable[[TaskEntry], Ending]
) -> threading.Thread:
    """From a thread: the parent's event loop must not wait for Valkey."""
    thread = threading.Thread(target=lambda: asyncio.run(_end(settings, task_id, run, ending_of)), name="end-run")
    thread.start()
    return thread


async def _end(settings: Settings, task_id: str, run: int, ending_of: Callable[[TaskEntry], Ending]) -> None:
    services = Services.open(settings)
    try:
        # The handshake comes with it, just when the child's successor is forked.
        with no_fork_meanwhile():
            entry = await services.tasks.read(task_id)
        if entry is None or entry.run != run or entry.status != PROCESSING:
            return
        with bound_contextvars(**log_fields(entry)):
            await end_run(services, entry, Fence(task_id, run, entry.attempt), ending_of(entry))
    except VALKEY_FAULTS as fault:
        log.error("task_failure_not_written", task_id=task_id, error=repr(fault))
    finally:
        await services.close()
