"""How a run ends: its result, its status, then the event that says so, then what is no longer needed goes.

Whoever dies in between is followed by a redelivery of the message, or by maintenance: each finds the run ended and
tells of it late.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from service.domain.events import Event
from service.domain.failures import Failure
from service.domain.progress import Report
from service.domain.tasks import CANCELLED, COMPLETED, FAILED, TaskEntry
from service.store.client import LARGE_BYTES, VALKEY_FAULTS
from service.store.failures import add_failure
from service.store.task_counts import add_count
from service.store.tasks import MAX_LOSSES, Fence, ended_fields
from service.tasks.declaring import TASKS, notices_of
from service.tasks.services import Services

log = structlog.get_logger("pinnokio.worker")
T = TypeVar("T")

# A result is worth waiting for: Valkey restarts, fails over, or is full for a while.
END_PATIENCE_S: Final = 120.0
RETRY_EVERY_S: Final = 0.25
RESULT_LOST: Final = "the task was done, but its result could not be kept: Valkey was full; start it again"
TOLD_LATE: Final = "its worker died before it told of its end; TASK.get_task_status has it"


async def patiently(operation: Callable[[], Awaitable[T]], patience_s: float = END_PATIENCE_S) -> T:
    """`operation`'s answer, tried again while Valkey is away, for `patience_s` at most; then its fault."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return await operation()
        except VALKEY_FAULTS:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(RETRY_EVERY_S)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: with a result, an error for its user, or cancelled. `step`: the last that was done, or None.

    `duration_s` None: not known, and not taken into the type's mean; `resources`: fields of what was used; `logged`:
    what logs and reports say in place of `error`.
    """

    step: str | None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    duration_s: float | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    is_cancelled: bool = False
    logged: str | None = None

    @property
    def status(self) -> str:
        if self.is_cancelled:
            return CANCELLED
        return COMPLETED if self.error is None else FAILED

    @property
    def percent(self) -> int:
        """0 for what did not complete, in the event and so in the registry too: that is the contract's word."""
        return 100 if self.status == COMPLETED else 0

    @property
    def data(self) -> Mapping[str, Any]:
        return {"error": self.error} if self.error is not None else self.result or {}


def ending_of_killed(entry: TaskEntry, limit_s: float) -> Ending:
    """Of a run that was killed at its hard limit."""
    return Ending(entry.current_step, error=f"the task was killed after {limit_s:g} s, its hard time limit")


def ending_of_lost(entry: TaskEntry, *, is_cancelled: bool) -> Ending:
    """Of a run whose attempts took their workers down too often, or that was to stop when its worker went."""
    if is_cancelled:
        return Ending(entry.current_step, is_cancelled=True)
    why = f"{entry.losses} times its process died at it, out of memory or killed"
    if entry.losses < MAX_LOSSES:
        why = f"{entry.worker_losses} times the worker that it ran in was lost, with all that ran there"
    return Ending(entry.current_step, error=f"the task was set aside: {why}")


def ending_of_stuck(entry: TaskEntry) -> Ending:
    """Of a run without a sign of life for longer than it may take."""
    limit_s = entry.max_duration_s
    return Ending(entry.current_step, error=f"the task gave no sign of life for {limit_s} s, its time limit")


async def end_run(services: Services, entry: TaskEntry, fence: Fence, ending: Ending) -> bool:
    """Ends a run and tells of it; False where it was no longer this attempt's to end."""
    now = datetime.now(UTC).isoformat()
    fields = ended_fields(ending.status, ending.percent, now, ending.error, ending.logged) | dict(ending.resources)
    if not await patiently(lambda: services.tasks.finish(fence, fields, ending.result)):
        return False
    await _tell(services, entry, fence, ending)
    log.info("task_ended", status=ending.status, error=ending.logged or ending.error, duration_s=ending.duration_s)
    return True


async def tell_late(services: Services, entry: TaskEntry, fence: Fence) -> None:
    """Tells of the end of a run whose worker died before it did; where it was told, does nothing."""
    if entry.is_announced:
        log.info("task_message_ignored", reason="its run has ended")
        return
    outcome = await patiently(lambda: services.tasks.read_outcome(entry.task_id))
    result = outcome.result if outcome else None
    ending = Ending(
        entry.current_step, result=result, error=entry.error, is_cancelled=entry.status == CANCELLED, logged=TOLD_LATE
    )
    if entry.status == COMPLETED and result is None:
        ending = Ending(entry.current_step, error=RESULT_LOST)
        if not await _note_lost_result(services, entry, ending):
            return
    await _tell(services, entry, fence, ending, is_late=True)
    log.info("task_end_told_late", status=ending.status)


async def _note_lost_result(services: Services, entry: TaskEntry, ending: Ending) -> bool:
    """False: its worker may still be about to write the result, or the end is no longer so."""
    now = datetime.now(UTC)
    if (now - datetime.fromisoformat(entry.ended_at or now.isoformat())).total_seconds() < END_PATIENCE_S:
        log.warning("task_result_awaited")
        return False
    fields = ended_fields(ending.status, ending.percent, now.isoformat(), ending.error)
    return await patiently(lambda: services.tasks.note_lost_result(entry, fields))


async def _tell(services: Services, entry: TaskEntry, fence: Fence, ending: Ending, *, is_late: bool = False) -> None:
    """`is_late`: somebody may have told of it in part."""
    tries = itertools.count()

    async def announce() -> None:
        is_first = next(tries) == 0
        await _announce(services, entry, fence, ending, is_again=is_late or not is_first, is_counted=not is_first)

    await patiently(announce)


async def _announce(
    services: Services, entry: TaskEntry, fence: Fence, ending: Ending, *, is_again: bool, is_counted: bool
) -> None:
    """Publishes the events, notes that they were, and drops what is no longer needed, in one round trip; large events
    in one before, and the note only once they are out.

    `is_again`: publishes those that were not already; `is_counted`: the end may be.
    """
    report = Report(entry.task_id, ending.status, ending.step, ending.percent, ending.data)
    now = datetime.now(UTC)
    pipeline = services.quick.pipeline(transaction=False)
    size_bytes = 0
    for number, (event_type, payload) in enumerate(notices_of(entry.task_type)(report)):
        name = f"end:{entry.task_id}:{fence.run}:{number}"
        event = Event(event_type, entry.user_id, payload, now, trace_id=entry.trace_id)
        size_bytes += services.events.add_publish(pipeline, event, name, is_again=is_again)
    if size_bytes > LARGE_BYTES:
        await pipeline.execute()
    services.tasks.add_announced(pipeline, fence)
    # Types of what others run are callers' words.
    if entry.task_type in TASKS and not is_counted:
        add_count(pipeline, entry.task_type, ending.status)
    if ending.status == COMPLETED and ending.duration_s is not None:
        services.tasks.add_duration(pipeline, entry.task_type, ending.duration_s)
    if ending.status == FAILED:
        # As the log has it, without what the user sent.
        error = ending.logged or ending.error or ""
        add_failure(pipeline, Failure(entry.task_id, entry.task_type, fence.run, error, entry.trace_id), now)
    services.payloads.add_delete(pipeline, fence.task_id, fence.run)
    for command in (
        *services.quotas.build_release(entry),
        *services.unified.build_remove_active_task(entry.user_id, entry.company_id, entry.task_id, has_ended=True),
    ):
        pipeline.execute_command(*command)
    await pipeline.execute()
