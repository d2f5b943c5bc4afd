"""Counts what is started against a company's quotas, each by one script on one key, before the id is claimed.

Tasks: `quota:tasks:{company}:{user}`, a field a task. A reservation that is not confirmed, for its process died, counts
for a minute; a confirmed one until its task ends, or for as long as a queued task is kept.
LLM requests: `quota:requests:{company}`, those of the last hour, from any moment of it.
Each is one start's (its `celery_task_id`): the late release of an earlier start of the same id changes nothing.
"""

import time
from collections.abc import Iterable
from typing import Final

import structlog

from contract import keys
from service.domain.quotas import MAX_TASKS_PER_USER, Refusal, choose_retry_ms
from service.domain.tasks import ENDED, NewTask, TaskEntry
from service.store.batches import run_batches
from service.store.lane import Command, Lane
from service.store.limits import Limits
from service.store.scripts import script
from service.store.storage import StorageStore

log = structlog.get_logger("pinnokio.quotas")

_RESERVE: Final = script("quota_reserve")
_RELEASE: Final = script("quota_release")
_RESERVE_REQUEST: Final = script("request_reserve")
_UNCONFIRMED_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
_REPAIR_EVERY_S: Final = 5.0


class QuotaStore:
    """Reserves and releases; every method raises redis-py's errors."""

    def __init__(self, lane: Lane, limits: Limits, storage: StorageStore) -> None:
        self._lane = lane
        self._limits = limits
        self._storage = storage
        self._repaired: dict[str, float] = {}

    async def reserve_all(self, task: NewTask, quotas: Iterable[str]) -> Refusal | None:
        """Counts a start against each; where one of them is used up it counts against none."""
        for quota in quotas:
            refusal = await self._reserve(task, quota, await self._limits.read(quota, task.company_id))
            if refusal is not None:
                await self.take_back(task)
                return refusal
        return None

    async def _reserve(self, task: NewTask, quota: str, limit: int) -> Refusal | None:
        match quota:
            case "max_tasks_per_user":
                is_within = await self.reserve(task, limit)
                if not is_within and await self.repair(task):
                    is_within = await self.reserve(task, limit)
                return None if is_within else Refusal(quota, limit, await self._retry_ms(task))
            case "max_llm_requests_per_hour":
                retry_ms = await self.reserve_request(task, limit)
                return None if retry_ms is None else Refusal(quota, limit, retry_ms)
            case "storage_limit_mb":
                return await self._storage.find_full(task.company_id, limit)
        raise ValueError(f"there is no quota {quota}")

    async def reserve(self, task: NewTask, limit: int) -> bool:
        """Whether the task is within the limit, or counts already; it does from now on."""
        words = (task.task_id, task.celery_task_id, str(limit), str(_UNCONFIRMED_MS))
        key = keys.task_quota(task.company_id, task.user_id)
        return bool(await self._lane.ask("EVAL", _RESERVE, 1, key, *words))

    async def repair(self, task: NewTask) -> int:
        """Counts tasks no more that have ended, or are gone, and were not released; how many.

        Asked where a user is refused, which is when it matters, and at most every few seconds for each.
        """
        key = keys.task_quota(task.company_id, task.user_id)
        if self._repaired.get(key, 0.0) > time.monotonic():
            return 0
        self._repaired = {name: until for name, until in self._repaired.items() if until > time.monotonic()}
        self._repaired[key] = time.monotonic() + _REPAIR_EVERY_S
        words: list[bytes] = await self._lane.ask("HGETALL", key)
        counted = list(zip(words[::2], words[1::2], strict=True))
        entries = await run_batches(
            self._lane, [("HMGET", keys.task(task_id.decode()), "status", "celery_task_id") for task_id, _ in counted]
        )
        leaked = [
            (task_id, held.split()[0])
            for (task_id, held), entry in zip(counted, entries, strict=True)
            if _is_leaked(held, *entry)
        ]
        await run_batches(self._lane, [("EVAL", _RELEASE, 1, key, task_id, start) for task_id, start in leaked])
        if leaked:
            log.warning("quota_repaired", user_id=task.user_id, company_id=task.company_id, released=len(leaked))
        return len(leaked)

    def repair_again(self) -> None:
        """The next refusal looks for leaks, however short ago the last one did."""
        self._repaired.clear()

    async def find_running(self, task: NewTask) -> tuple[str, str] | None:
        """Celery's id and the status of the user's task of that id which is queued or running; None: there is none."""
        fields = await self._lane.ask("HMGET", keys.task(task.task_id), "user_id", "status", "celery_task_id")
        user_id, status, celery_task_id = ((field or b"").decode() for field in fields)
        is_running = user_id == task.user_id and status and status not in ENDED
        return (celery_task_id, status) if is_running else None

    async def reserve_request(self, task: NewTask, limit: int) -> int | None:
        """None: it is within the limit, and counts for an hour from now on; else ms until one is."""
        words = (task.celery_task_id, str(limit), str(HOUR_MS))
        key = keys.request_quota(task.company_id)
        is_reserved, retry_ms = await self._lane.ask("EVAL", _RESERVE_REQUEST, 1, key, *words)
        return None if is_reserved else int(retry_ms)

    async def count_requests(self, company_id: str) -> int:
        """A company's LLM requests that count now."""
        since_ms = round(time.time() * 1000) - HOUR_MS
        return int(await self._lane.ask("ZCOUNT", keys.request_quota(company_id), since_ms, "+inf"))

    def build_confirm(self, task: NewTask, quotas: Iterable[str]) -> tuple[Command, ...]:
        """That the task's id was claimed: it counts until it is released, where its type counts as a task at all."""
        if MAX_TASKS_PER_USER not in quotas:
            return ()
        key, until_ms = keys.task_quota(task.company_id, task.user_id), (time.time() + keys.TASK_QUEUED_TTL_S) * 1000
        return (
            ("HSET", key, task.task_id, f"{task.celery_task_id} {round(until_ms)}"),
            ("EXPIRE", key, keys.TASK_QUEUED_TTL_S),
        )

    async def release(self, *tasks: NewTask | TaskEntry) -> None:
        """Counts tasks that have ended no more, in one round trip; harmless to repeat."""
        await self._release(tasks, have_run=True)

    async def take_back(self, *tasks: NewTask | TaskEntry) -> None:
        """Counts starts that came to nothing no more, their LLM requests neither; harmless to repeat."""
        await self._release(tasks, have_run=False)

    async def _release(self, tasks: Iterable[NewTask | TaskEntry], *, have_run: bool) -> None:
        commands: list[Command] = []
        for task in tasks:
            commands += self.build_release(task)
            if not have_run:
                commands.append(("ZREM", keys.request_quota(task.company_id), task.celery_task_id or ""))
        await run_batches(self._lane, commands)

    def build_release(self, task: NewTask | TaskEntry) -> tuple[Command, ...]:
        """What `release` sends, for who sends it with more."""
        key, start = keys.task_quota(task.company_id, task.user_id), task.celery_task_id or ""
        return (
            ("EVAL", _RELEASE, 1, key, task.task_id, start),
            self._storage.build_expire(task),
        )

    async def _retry_ms(self, task: NewTask) -> int:
        mean = await self._lane.ask("GET", keys.task_duration(task.task_type))
        return choose_retry_ms(float(mean) if mean else None)


def _is_leaked(held: bytes, status: bytes | None, celery_task_id: bytes | None) -> bool:
    """`held`: start and until when it counts. One that is not confirmed yet has no entry, and ends by itself."""
    start, until_ms = held.split()
    if int(until_ms) - time.time() * 1000 <= _UNCONFIRMED_MS:
        return False
    return status is None or status.decode() in ENDED or celery_task_id != start
