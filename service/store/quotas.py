"""Counts open tasks against a company's quotas: `quota:tasks:{company}:{user}`, a field a task.

Reserved by one script on one key, before the id is claimed. A reservation that is not confirmed, for its process died,
counts for a minute; a confirmed one until its task ends, or for as long as a queued task is kept. Each is one start's
(its `celery_task_id`): the late release of an earlier start of the same id changes nothing.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio.client import Pipeline

from contract import keys
from service.domain import unified as doc
from service.domain.quotas import choose_limit
from service.domain.tasks import NewTask, TaskEntry
from service.store.client import Valkey
from service.store.scripts import script

_RESERVE: Final = script("quota_reserve")
_RELEASE: Final = script("quota_release")
_UNCONFIRMED_MS: Final = 60_000
_KEPT_S: Final = 10.0
_KEPT_COMPANIES: Final = 10_000


class QuotaStore:
    """Reserves and releases; every method raises redis-py's errors."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._limits: OrderedDict[tuple[str, str], tuple[float, str | None]] = OrderedDict()

    async def read_limit(self, quota: str, company_id: str, of_service: Mapping[str, int]) -> int:
        """The limit that holds for a company, at most ten seconds old."""
        until, limit = self._limits.get((company_id, quota), (0.0, None))
        if until < time.monotonic():
            value: Any = await self._valkey.hget(keys.company(company_id), doc.QUOTA + quota)
            limit = value.decode() if value else None
            self._limits[company_id, quota] = (time.monotonic() + _KEPT_S, limit)
            if len(self._limits) > _KEPT_COMPANIES:
                self._limits.popitem(last=False)
        return choose_limit(quota, limit, of_service)

    async def reserve(self, task: NewTask, limit: int) -> bool:
        """Whether the task is within the limit, or counts already; it does from now on."""
        words = (task.task_id, task.celery_task_id, str(limit), str(_UNCONFIRMED_MS))
        return bool(await self._valkey.eval(_RESERVE, 1, keys.task_quota(task.company_id, task.user_id), *words))

    def add_confirm(self, pipeline: Pipeline, task: NewTask) -> None:
        """Adds to `pipeline` that the task's id was claimed: it counts until it is released."""
        key, until_ms = keys.task_quota(task.company_id, task.user_id), (time.time() + keys.TASK_QUEUED_TTL_S) * 1000
        pipeline.hset(key, task.task_id, f"{task.celery_task_id} {round(until_ms)}")
        pipeline.expire(key, keys.TASK_QUEUED_TTL_S)

    async def release(self, *tasks: NewTask | TaskEntry) -> None:
        """Counts them no more, in one round trip; harmless to repeat."""
        pipeline = self._valkey.pipeline(transaction=False)
        for task in tasks:
            key = keys.task_quota(task.company_id, task.user_id)
            pipeline.eval(_RELEASE, 1, key, task.task_id, task.celery_task_id or "")
        await pipeline.execute()
