"""Counts what is started against a company's quotas, each by one script on one key, before the id is claimed.

Tasks: `quota:tasks:{company}:{user}`, a field a task. A reservation that is not confirmed, for its process died, counts
for a minute; a confirmed one until its task ends, or for as long as a queued task is kept.
LLM requests: `quota:requests:{company}`, those of the last hour, from any moment of it.
Each is one start's (its `celery_task_id`): the late release of an earlier start of the same id changes nothing.
"""

import time
from collections.abc import Iterable
from typing import Final

from redis.asyncio.client import Pipeline

from contract import keys
from service.domain.quotas import Refusal, choose_retry_ms
from service.domain.tasks import NewTask, TaskEntry
from service.store.client import Valkey
from service.store.limits import Limits
from service.store.scripts import script
from service.store.storage import StorageStore

_RESERVE: Final = script("quota_reserve")
_RELEASE: Final = script("quota_release")
_RESERVE_REQUEST: Final = script("request_reserve")
_UNCONFIRMED_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000


class QuotaStore:
    """Reserves and releases; every method raises redis-py's errors."""

    def __init__(self, valkey: Valkey, limits: Limits, storage: StorageStore) -> None:
        self._valkey = valkey
        self._limits = limits
        self._storage = storage

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
                return None if await self.reserve(task, limit) else Refusal(quota, limit, await self._retry_ms(task))
            case "max_llm_requests_per_hour":
                retry_ms = await self.reserve_request(task, limit)
                return None if retry_ms is None else Refusal(quota, limit, retry_ms)
            case "storage_limit_mb":
                return await self._storage.find_full(task.company_id, limit)
        raise ValueError(f"there is no quota {quota}")

    async def reserve(self, task: NewTask, limit: int) -> bool:
        """Whether the task is within the limit, or counts already; it does from now on."""
        words = (task.task_id, task.celery_task_id, str(limit), str(_UNCONFIRMED_MS))
        return bool(await self._valkey.eval(_RESERVE, 1, keys.task_quota(task.company_id, task.user_id), *words))

    async def reserve_request(self, task: NewTask, limit: int) -> int | None:
        """None: it is within the limit, and counts for an hour from now on; else ms until one is."""
        words = (task.celery_task_id, str(limit), str(_HOUR_MS))
        is_reserved, retry_ms = await self._valkey.eval(
            _RESERVE_REQUEST, 1, keys.request_quota(task.company_id), *words
        )
        return None if is_reserved else int(retry_ms)

    def add_confirm(self, pipeline: Pipeline, task: NewTask) -> None:
        """Adds to `pipeline` that the task's id was claimed: it counts until it is released."""
        key, until_ms = keys.task_quota(task.company_id, task.user_id), (time.time() + keys.TASK_QUEUED_TTL_S) * 1000
        pipeline.hset(key, task.task_id, f"{task.celery_task_id} {round(until_ms)}")
        pipeline.expire(key, keys.TASK_QUEUED_TTL_S)

    async def release(self, *tasks: NewTask | TaskEntry) -> None:
        """Counts tasks that have ended no more, in one round trip; harmless to repeat."""
        await self._release(tasks, have_run=True)

    async def take_back(self, *tasks: NewTask | TaskEntry) -> None:
        """Counts starts that came to nothing no more, their LLM requests neither; harmless to repeat."""
        await self._release(tasks, have_run=False)

    async def _release(self, tasks: Iterable[NewTask | TaskEntry], *, have_run: bool) -> None:
        pipeline = self._valkey.pipeline(transaction=False)
        for task in tasks:
            start = task.celery_task_id or ""
            pipeline.eval(_RELEASE, 1, keys.task_quota(task.company_id, task.user_id), task.task_id, start)
            self._storage.add_expire(pipeline, task.company_id, task.task_id)
            if not have_run:
                pipeline.zrem(keys.request_quota(task.company_id), start)
        await pipeline.execute()

    async def _retry_ms(self, task: NewTask) -> int:
        mean = await self._valkey.get(keys.task_duration(task.task_type))
        return choose_retry_ms(float(mean) if mean else None)
