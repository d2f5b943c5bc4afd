"""The task registry: `registry:task:{task_id}`, one hash, a field per value, each change one script on that key.

Every write of a worker carries its run and attempt and is refused when either is no longer the newest (fencing), so
that a late redelivery or a worker that was thought dead changes nothing. Results lie in `result:{task_id}`, fenced
alike. Arguments are `service.store.payloads`'; leases and what becomes of a run whose worker is gone are
`service.store.recovery`'s.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from redis.asyncio.client import Pipeline

from contract import keys
from service.domain.recovery import LOOK_EVERY_S
from service.domain.tasks import COMPLETED, FAILED, QUEUED, NewTask, TaskEntry, parse_entry
from service.store.client import LARGE_BYTES, Valkey
from service.store.scripts import script

_CLAIM = script("task_claim")
_RELEASE = script("task_release")
_CANCEL = script("task_cancel")
_BEGIN = script("task_begin")
_WRITE = script("task_write")
_ANNOUNCED = script("task_announced")
_RESULT = script("result_write")
_RESULT_LOST = script("task_result_lost")
_MEAN = script("mean_add")

# An attempt whose lease ran out is taken for dead. Above what a library computes without letting another thread run;
# with maintenance's interval well under the minute after which a lost task is to run again.
LEASE_S = 25.0
# After so many processes that died at a task, the task is what kills them.
MAX_LOSSES = 3
# After so many whole workers that went with a task; its neighbours were in them too, and are mostly innocent.
MAX_WORKER_LOSSES = 10

_READ_TOGETHER = 500

# A new run weighs a tenth, so that the estimate follows a change of load within some ten runs.
NEW_RUN_WEIGHT = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of asking for a task id. `run` holds for `claimed`, `celery_task_id` and `status` for `running`."""

    outcome: Literal["claimed", "running", "taken"]
    run: int = 0
    celery_task_id: str = ""
    status: str = QUEUED


@dataclass(frozen=True, slots=True)
class Released:
    """What came of giving a claim back. `begun`: a worker has it, or it has ended; `none`: there was no such claim."""

    outcome: Literal["released", "begun", "none"]
    run: int


@dataclass(frozen=True, slots=True)
class Fence:
    """Who writes: a task's run, and the attempt at it."""

    task_id: str
    run: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Begun:
    """What came of taking a run up.

    `stale`: the entry is another run's or gone; `ended`: this run has ended; `leased`: another attempt is at it;
    `lost`, `cancelled`: it is to be ended as failed, as cancelled. `is_loss`: the attempt before went with its worker,
    which was found here first.
    """

    outcome: Literal["begun", "ended", "stale", "leased", "lost", "cancelled"]
    fence: Fence
    is_loss: bool = False


@dataclass(frozen=True, slots=True)
class Cancelling:
    """What came of asking a task to stop. `cancelled`: it has ended, for none has it; `asked`: its worker ends it."""

    outcome: Literal["unknown", "ended", "cancelled", "asked"]
    fence: Fence


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task stands, and its result once it completed (else None)."""

    entry: TaskEntry
    result: Any


class TaskStore:
    """Reads and writes tasks' entries and results."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def claim(self, task: NewTask) -> Claim:
        """Takes the id for the task's user, unless a task of that id is queued or running.

        Without a `celery_task_id` somebody else runs it: maintenance does not look at it.
        """
        fields = {
            "task_type": task.task_type,
            "user_id": task.user_id,
            "company_id": task.company_id,
            "celery_task_id": task.celery_task_id,
            "created_at": task.created_at,
            "max_duration": str(task.max_duration_s),
            "priority": task.priority,
            "status": QUEUED,
            "progress_percent": "0",
            "queue": task.queue,
            **({"trace_id": task.trace_id} if task.trace_id else {}),
        }
        arguments = (task.user_id, str(keys.TASK_QUEUED_TTL_S), *_flat(fields))
        pipeline = self._valkey.pipeline(transaction=False)
        if task.celery_task_id:
            # First, so that no claimed task is missing there; one that is refused here is open anyway.
            pipeline.zadd(keys.OPEN_TASKS, {task.task_id: round((time.time() + LOOK_EVERY_S) * 1000)})
        _add_to_company(pipeline, task)
        pipeline.eval(_CLAIM, 1, keys.task(task.task_id), *arguments)
        words = [word.decode() for word in (await pipeline.execute())[-1]]
        match words:
            case ["claimed", run]:
                return Claim("claimed", run=int(run))
            case ["running", celery_task_id, status]:
                return Claim("running", celery_task_id=celery_task_id, status=status)
        return Claim("taken")

    async def release(self, task: NewTask) -> Released:
        """Gives a claim back that was not queued after all; also where nobody heard whether it was made."""
        word, run = await self._valkey.eval(_RELEASE, 1, keys.task(task.task_id), task.celery_task_id)
        return Released(word.decode(), int(run))

    async def cancel(self, task_id: str, user_id: str | None, ended_at: str) -> Cancelling:
        """Asks a task to stop. `user_id` None: whosever it is; else another user's is unknown."""
        arguments = (user_id or "", ended_at, str(keys.TASK_ENDED_TTL_S))
        answer = await self._valkey.eval(_CANCEL, 1, keys.task(task_id), *arguments)
        word, run, attempt = (part.decode() for part in answer)
        return Cancelling(word, Fence(task_id, int(run), int(attempt)))

    def add_begin(
        self,
        pipeline: Pipeline,
        task_id: str,
        run: int,
        max_duration_s: int,
        fields: Mapping[str, str],
        *,
        holder: str,
    ) -> None:
        """Adds taking a run up to `pipeline`; `parse_begun` takes its answer.

        `holder` names this taking up: asked again after a broken connection, it gets the same attempt.
        """
        lease_ms, ttl_s = str(round(LEASE_S * 1000)), str(max_duration_s + keys.TASK_GRACE_S)
        words = (str(run), ttl_s, lease_ms, holder, str(MAX_LOSSES), str(MAX_WORKER_LOSSES), *_flat(fields))
        pipeline.eval(_BEGIN, 1, keys.task(task_id), *words)

    def add_write(self, pipeline: Pipeline, fence: Fence, fields: Mapping[str, str]) -> None:
        """Adds a write of a running task's fields; its answer is 0 where it was refused."""
        pipeline.eval(_WRITE, 1, keys.task(fence.task_id), str(fence.run), str(fence.attempt), "0", *_flat(fields))

    async def finish(self, fence: Fence, fields: Mapping[str, str], result: Any = None) -> bool:
        """Ends a run, its result first; whether it was this attempt's to end.

        `fields` hold `status`. Result and end go in one round trip; a large result in one before, and the end only once
        it stands: who sees `completed` finds the result.
        """
        ttl_s = str(keys.TASK_ENDED_TTL_S)
        who = (str(fence.run), str(fence.attempt))
        pipeline = self._valkey.pipeline(transaction=False)
        if result is not None:
            body = msgspec.json.encode(result)
            pipeline.eval(_RESULT, 1, keys.task_result(fence.task_id), *who, str(keys.RESULT_TTL_S), body)
            if len(body) > LARGE_BYTES:
                await pipeline.execute()
        pipeline.eval(_WRITE, 1, keys.task(fence.task_id), *who, ttl_s, *_flat(fields))
        answers = await pipeline.execute()
        return bool(answers[-1])

    async def note_lost_result(self, entry: TaskEntry, fields: Mapping[str, str]) -> bool:
        """Turns a completed run, whose result is missing and which was not told of, into what `fields` say.

        False where it is no longer so. Whoever may still be at its end finds it ended by another.
        """
        words = (str(entry.run), entry.ended_at or "", *_flat(fields))
        return bool(await self._valkey.eval(_RESULT_LOST, 1, keys.task(entry.task_id), *words))

    def add_announced(self, pipeline: Pipeline, fence: Fence) -> None:
        """Adds the note that the event of the run's end was published."""
        pipeline.eval(_ANNOUNCED, 1, keys.task(fence.task_id), str(fence.run))

    def add_duration(self, pipeline: Pipeline, task_type: str, duration_s: float) -> None:
        """Adds a run's duration to its type's running mean."""
        pipeline.eval(_MEAN, 1, keys.task_duration(task_type), f"{duration_s:.3f}", str(NEW_RUN_WEIGHT))

    async def read_mean_duration(self, task_type: str) -> float | None:
        """Seconds; None: none of this type has completed yet."""
        mean: Any = await self._valkey.get(keys.task_duration(task_type))
        return float(mean) if mean else None

    def add_read(self, pipeline: Pipeline, task_id: str) -> None:
        """Adds the read of an entry to `pipeline`; `parse_fields` takes its answer."""
        pipeline.hgetall(keys.task(task_id))

    def add_read_mean_duration(self, pipeline: Pipeline, task_type: str) -> None:
        """Adds the read of a type's mean duration (bytes of seconds, or None)."""
        pipeline.get(keys.task_duration(task_type))

    async def read(self, task_id: str) -> TaskEntry | None:
        fields: dict[Any, Any] = await self._valkey.hgetall(keys.task(task_id))
        return parse_fields(task_id, fields)

    async def read_of_company(self, company_id: str) -> tuple[list[TaskEntry], bool]:
        """A company's tasks that are kept, the newest first; whether these are all that there are."""
        key = keys.company_tasks(company_id)
        names: list[Any] = await self._valkey.zrange(key, 0, -1, desc=True)
        found: list[TaskEntry] = []
        for start in range(0, len(names), _READ_TOGETHER):
            window = [name.decode() for name in names[start : start + _READ_TOGETHER]]
            pipeline = self._valkey.pipeline(transaction=False)
            for task_id in window:
                self.add_read(pipeline, task_id)
            entries = map(parse_fields, window, await pipeline.execute())
            found += [entry for entry in entries if entry is not None and entry.company_id == company_id]
        return found, len(names) < keys.COMPANY_TASKS_MAX

    async def read_document(self, task_id: str) -> dict[str, Any] | None:
        """The contract's task document; None for an unknown task."""
        entry = await self.read(task_id)
        return entry.document() if entry else None

    async def read_outcome(self, task_id: str) -> Outcome | None:
        """A task and its result; None for an unknown task. A result of another run or attempt is none."""
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.hgetall(keys.task(task_id))
        pipeline.hmget(keys.task_result(task_id), "run", "attempt", "body")
        fields, (run, attempt, body) = await pipeline.execute()
        entry = parse_fields(task_id, fields)
        if entry is None:
            return None
        is_its = body is not None and (int(run), int(attempt)) == (entry.run, entry.attempt)
        return Outcome(entry, msgspec.json.decode(body) if is_its and entry.status == COMPLETED else None)


def _add_to_company(pipeline: Pipeline, task: NewTask) -> None:
    """Notes the task for its company's reports: the newest ones, as long as a queued one is kept."""
    key, now_ms = keys.company_tasks(task.company_id), round(time.time() * 1000)
    pipeline.zadd(key, {task.task_id: now_ms})
    pipeline.zremrangebyscore(key, "-inf", now_ms - keys.TASK_QUEUED_TTL_S * 1000)
    pipeline.zremrangebyrank(key, 0, -keys.COMPANY_TASKS_MAX - 1)
    pipeline.expire(key, keys.TASK_QUEUED_TTL_S)


def parse_begun(answer: list[Any], task_id: str, run: int) -> Begun:
    """Reads the answer of `TaskStore.add_begin`."""
    word, attempt, *losses = answer
    return Begun(word.decode(), Fence(task_id, run, int(attempt)), is_loss=bool(losses))


def ended_fields(
    status: str, percent: int, ended_at: str, error: str | None = None, logged: str | None = None
) -> dict[str, str]:
    """Fields of a task that ended; `error` and `logged`, what is said in its place, belong to FAILED."""
    fields = {"status": status, "progress_percent": str(percent), "ended_at": ended_at}
    if status == FAILED and error:
        fields |= {"error": error} | ({"logged": logged} if logged else {})
    return fields


def parse_fields(task_id: str, fields: Mapping[bytes, bytes]) -> TaskEntry | None:
    """Reads the answer of HGETALL on a task's key; None where there is no task."""
    return parse_entry(task_id, {name.decode(): value.decode() for name, value in fields.items()})


def _flat(fields: Mapping[str, str]) -> list[str]:
    return [word for pair in fields.items() for word in pair]
