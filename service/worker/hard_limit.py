"""What becomes of a task whose process was killed at the hard time limit: the parent writes its failure down.

The killed process cannot, and a message that came again would meet the same end.
"""

import asyncio
import threading

import structlog

from service.domain.tasks import PROCESSING
from service.settings import Settings
from service.store.client import VALKEY_FAULTS
from service.store.tasks import Fence
from service.worker.ending import Ending, end_run
from service.worker.services import Services

log = structlog.get_logger("pinnokio.worker")


def fail_killed_in_background(settings: Settings, task_id: str, run: int, limit_s: float) -> threading.Thread:
    """Ends the run as failed from a thread: the parent's event loop must not wait for Valkey."""
    thread = threading.Thread(
        target=lambda: asyncio.run(_fail_killed(settings, task_id, run, limit_s)), name="hard-limit"
    )
    thread.start()
    return thread


async def _fail_killed(settings: Settings, task_id: str, run: int, limit_s: float) -> None:
    services = Services.open(settings)
    try:
        entry = await services.tasks.read(task_id)
        if entry is None or entry.run != run or entry.status != PROCESSING:
            return
        ending = Ending(entry.current_step, error=f"the task was killed after {limit_s:g} s, its hard time limit")
        await end_run(services, entry, Fence(task_id, run, entry.attempt), ending)
    except VALKEY_FAULTS as fault:
        log.error("task_failure_not_written", task_id=task_id, error=repr(fault))
    finally:
        await services.close()
