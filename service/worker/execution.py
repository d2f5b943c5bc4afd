"""One run of a task, from taking it up to its end: handler, a write and an event a step, result or failure.

Each write is fenced; when one is refused another attempt has taken over, and this one stops without a trace.
`service.tasks.ending` owns the end.
"""

import asyncio
import os
import resource
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
import structlog

from contract import keys
from contract.metrics import LOST_WORKER
from service.domain.conversation import LlmUse
from service.domain.errors import QuotaExceeded
from service.domain.events import Event
from service.domain.progress import Report, estimate_completion
from service.domain.tasks import PROCESSING, STARTED, TaskEntry
from service.logs import log_unexpected
from service.store.client import VALKEY_FAULTS
from service.store.payloads import parse as parse_payload
from service.store.storage import Reservation, task_holder
from service.store.task_counts import count
from service.store.tasks import Begun, Fence, parse_begun, parse_fields
from service.tasks.declaring import Arguments, TaskFailure, TaskKind
from service.tasks.ending import Ending, end_run, ending_of_lost, patiently, tell_late
from service.tasks.services import Services
from service.worker.bridge import Bridge, Cancelled, Superseded, TimeIsUp
from service.worker.report import RunReport

log = structlog.get_logger("pinnokio.worker")

# The API sends arguments and message in one write, and a proxy before several shards may let the message overtake them.
ARGUMENTS_LATE_S: Final = 1.0
# A step that cannot be told is skipped after this long: the work goes on, and the next step says more.
STEP_PATIENCE_S: Final = 10.0
PAGE_MB: Final = resource.getpagesize() / (1024 * 1024)

UNEXPECTED: Final = "the task failed unexpectedly; the error is in the worker's log"
LOST_ARGUMENTS: Final = "the task's arguments are no longer there; start it again"
# What Celery calls them: no exception of ours tells of a process that died, and ours for the limit is ours alone.
SET_ASIDE: Final = "WorkerLostError"
OVER_LIMIT: Final = "SoftTimeLimitExceeded"
OUT_OF_MEMORY: Final = "the task needed more memory than its worker has"


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a run is taken up with. `arguments` None: they are gone; `mean_s` None: none of this type has ended yet."""

    begun: Begun
    entry: TaskEntry | None
    arguments: Arguments | None
    mean_s: float | None


async def execute(kind: TaskKind, task_id: str, run: int, bridge: Bridge) -> RunReport:
    """Runs a task once; how it ended here. Without a status: the message had no effect, for its run has ended, is
    another attempt's or not the registry's.

    Raises one of VALKEY_FAULTS where Valkey stayed away: the message then goes back to its queue.
    """
    services = bridge.services
    holder = uuid.uuid4().hex
    taken = await patiently(lambda: _take_up(kind, task_id, run, services, holder))
    entry, fence, outcome = taken.entry, taken.begun.fence, taken.begun.outcome
    if taken.begun.is_loss:
        await patiently(lambda: count(services.quick, kind.name, LOST_WORKER))
    if outcome == "stale" or entry is None:
        log.warning("task_message_ignored", reason="its run is not the registry's")
    elif outcome == "leased":
        log.warning("task_message_ignored", reason="another attempt is at it")
    elif outcome == "ended":
        await tell_late(services, entry, fence)
    elif outcome in ("lost", "cancelled"):
        ending = ending_of_lost(entry, is_cancelled=outcome == "cancelled")
        has_ended = await end_run(services, entry, fence, ending)
        return RunReport(ending.status if has_ended else None, fence.attempt, SET_ASIDE)
    else:
        work = Run(kind, entry, fence, services, taken.mean_s)
        try:
            await _work(work, taken.arguments, bridge)
        except Superseded:
            log.warning("task_superseded", attempt=fence.attempt)
        return RunReport(work.ended, fence.attempt, work.exception, work.llm)
    return RunReport(None, fence.attempt)


async def _take_up(kind: TaskKind, task_id: str, run: int, services: Services, holder: str) -> _Taken:
    """Takes the run up and reads what it needs, in one round trip."""
    pipeline = services.quick.pipeline(transaction=False)
    fields = {"worker_id": services.worker_id, "started_at": datetime.now(UTC).isoformat()}
    services.tasks.add_begin(pipeline, task_id, run, kind.max_duration_s, fields, holder=holder)
    services.tasks.add_read(pipeline, task_id)
    services.payloads.add_read(pipeline, task_id)
    services.tasks.add_read_mean_duration(pipeline, kind.name)
    begun, entry, payload, mean = await pipeline.execute()
    return _Taken(
        parse_begun(begun, task_id, run),
        parse_fields(task_id, entry),
        parse_payload(payload, run),
        float(mean) if mean else None,
    )


async def _work(run: "Run", arguments: Arguments | None, bridge: Bridge) -> None:
    """Cases of a failure in order: arguments gone; the handler's own word or a quota's; the soft limit; cancelled;
    anything unexpected."""
    if arguments is None:
        arguments = await run.wait_for_arguments()
    if arguments is None:
        await run.fail(LOST_ARGUMENTS, "LostArguments")
        return
    try:
        result = await bridge.with_lease(_call(run, arguments), run.fence, run.kind.max_duration_s + keys.TASK_GRACE_S)
    except TaskFailure as failure:
        await run.fail(str(failure), type(failure).__name__, failure.logged)
    except QuotaExceeded as refusal:
        await run.fail(str(refusal), type(refusal).__name__)
    except TimeIsUp:
        log.warning("task_over_its_limit", duration_s=run.duration_s)
        await run.fail(f"the task was stopped after {round(run.duration_s)} s, its time limit", OVER_LIMIT)
    except Cancelled:
        await run.cancel()
    except MemoryError:
        await run.fail(OUT_OF_MEMORY, MemoryError.__name__)
    except Exception as fault:
        log_unexpected("pinnokio.worker", "task_failed_unexpectedly", fault)
        await run.fail(UNEXPECTED, type(fault).__name__)
    else:
        await run.complete(result)


async def _call(run: "Run", arguments: Arguments) -> dict[str, Any]:
    result = await run.kind.handler(run, arguments)
    # A result that is no JSON is the handler's error, found here where it is still told as one.
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(result))
    return decoded


class Run:
    """A run that this process has taken up; the handler's TaskContext."""

    def __init__(
        self, kind: TaskKind, entry: TaskEntry, fence: Fence, services: Services, mean_s: float | None
    ) -> None:
        self.kind = kind
        self._entry = entry
        self.fence = fence
        # The status that it ended with; None: it has not, or another attempt has.
        self.ended: str | None = None
        # What ended a failed run, and what a model was asked for: for the worker's figures.
        self.exception: str | None = None
        self.llm: LlmUse | None = None
        self._services = services
        self._step: str | None = None
        self._wall, self._cpu = time.monotonic(), time.process_time()
        expected = estimate_completion(datetime.now(UTC), mean_s)
        self._expected = expected.isoformat() if expected else None

    @property
    def task_id(self) -> str:
        return self.fence.task_id

    @property
    def user_id(self) -> str:
        return self._entry.user_id

    @property
    def company_id(self) -> str:
        return self._entry.company_id

    @property
    def namespace(self) -> str:
        return self._entry.namespace

    @property
    def services(self) -> Services:
        return self._services

    @property
    def duration_s(self) -> float:
        return round(time.monotonic() - self._wall, 3)

    async def wait_for_arguments(self) -> Arguments | None:
        """None: they are gone."""
        until = time.monotonic() + ARGUMENTS_LATE_S
        while True:
            found = await patiently(lambda: self._services.payloads.read(self.task_id, self.fence.run))
            if found is not None or time.monotonic() > until:
                return found
            await asyncio.sleep(0.05)

    async def step_done(self, name: str, percent: int, data: dict[str, Any] | None = None) -> None:
        """Writes the step down and publishes it, in one round trip. Raises Superseded."""
        status = PROCESSING if self._step else STARTED
        self._step = name
        notices = self.kind.notices(Report(self.task_id, status, name, percent, data or {}))
        now = datetime.now(UTC)
        events = [
            Event(event_type, self.user_id, payload, now, trace_id=self._entry.trace_id)
            for event_type, payload in notices
        ]
        fields = {"current_step": name, "progress_percent": str(percent), **self._resources()}

        async def tell() -> bool:
            return await self._write_and_publish(fields, *events)

        try:
            is_ours = await patiently(tell, STEP_PATIENCE_S)
        except VALKEY_FAULTS as fault:
            log.warning("task_step_not_told", step=name, error=repr(fault))
            return
        if not is_ours:
            raise Superseded
        log.debug("task_step_done", step=name, percent=percent)

    async def publish_passing(self, event_type: str, payload: Mapping[str, Any]) -> None:
        """As TaskContext says it; once, for whoever misses a piece gets the whole. Raises Superseded."""
        now = datetime.now(UTC)
        event = Event(event_type, self.user_id, payload, now, is_kept=False, trace_id=self._entry.trace_id)
        try:
            is_ours = await self._write_and_publish(self._resources(), event)
        except VALKEY_FAULTS as fault:
            log.warning("task_text_not_told", error=repr(fault))
            return
        if not is_ours:
            raise Superseded

    async def _write_and_publish(self, fields: Mapping[str, str], *events: Event) -> bool:
        """In one round trip; whether the run is still this attempt's."""
        pipeline = self._services.quick.pipeline(transaction=False)
        self._services.tasks.add_write(pipeline, self.fence, fields)
        for event in events:
            self._services.events.add_publish(pipeline, event)
        return bool((await pipeline.execute())[0])

    def note_llm_use(self, use: LlmUse) -> None:
        """As TaskContext says it."""
        self.llm = use

    async def reserve_storage(self, collection_name: str, size_bytes: int) -> Reservation:
        """As TaskContext says it. A task holds it under its start, so that its next attempt takes it over."""
        held_s = self.kind.max_duration_s + keys.TASK_GRACE_S
        try:
            return await patiently(
                lambda: self._services.storage.reserve(
                    self.company_id, collection_name, size_bytes, holder=task_holder(self._entry), held_s=held_s
                )
            )
        except QuotaExceeded as refusal:
            raise TaskFailure(str(refusal)) from None

    async def recall(self) -> dict[str, Any]:
        """As TaskContext says it. Raises Superseded."""
        ttl_s = self.kind.max_duration_s + keys.TASK_GRACE_S
        notes = await patiently(lambda: self._services.checkpoints.open(self.fence, ttl_s))
        if notes is None:
            raise Superseded
        return notes

    async def remember(self, name: str, value: Any) -> None:
        """As TaskContext says it. Raises Superseded."""
        if not await patiently(lambda: self._services.checkpoints.write(self.fence, name, value)):
            raise Superseded

    async def complete(self, result: dict[str, Any]) -> None:
        await self._end(Ending(self._step, result=result, duration_s=self.duration_s, resources=self._resources()))

    async def fail(self, error: str, exception: str, logged: str | None = None) -> None:
        """`error`: for the user; `logged`: what the log says in its place; `exception`: the class of what ended it."""
        self.exception = exception
        resources = self._resources()
        await self._end(Ending(self._step, error=error, duration_s=self.duration_s, resources=resources, logged=logged))

    async def cancel(self) -> None:
        await self._end(Ending(self._step, duration_s=self.duration_s, resources=self._resources(), is_cancelled=True))

    async def _end(self, ending: Ending) -> None:
        if not await end_run(self._services, self._entry, self.fence, ending):
            raise Superseded
        self.ended = ending.status

    def _resources(self) -> dict[str, str]:
        cpu = (time.process_time() - self._cpu) / max(time.monotonic() - self._wall, 0.001)
        fields = {"memory_usage": f"{_resident_mb()}MB", "cpu_usage": f"{round(100 * cpu)}%"}
        return fields | ({"estimated_completion": self._expected} if self._expected else {})


def _resident_mb() -> int:
    return round(int(os.pread(_open_statm(os.getpid()), 64, 0).split()[1]) * PAGE_MB)


@lru_cache(maxsize=1)
def _open_statm(_pid: int) -> int:
    """Stays open, for opening it takes most of a reading's time; each process has one of its own."""
    return os.open("/proc/self/statm", os.O_RDONLY)
