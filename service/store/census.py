"""Counts what the whole service holds, for the summary that /metrics tells: one SCAN of all keys, then what they say.

Maintenance's alone, each minute: a SCAN's step is a fraction of a millisecond of Valkey's time, so requests hardly
notice. Which companies are named is `service.domain.figures`'.
"""

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from contract import keys
from service.domain import unified as doc
from service.domain.figures import QuotaUse
from service.domain.quotas import MAX_LLM_REQUESTS_PER_HOUR, MAX_TASKS_PER_USER, STORAGE_LIMIT_MB
from service.domain.storage import MB
from service.store.batches import run_batches
from service.store.lane import Command, Lane
from service.store.limits import Limits
from service.store.quotas import HOUR_MS
from service.store.sampling import Drawing, Sample, scan_keys
from service.store.storage import sum_held

_SESSION: Final = keys.session("")
_COMPANY: Final = keys.company("")
_REQUESTS: Final = keys.request_quota("")
_STORAGE: Final = keys.storage_quota("")
# `{company}:{user}` comes behind it.
_TASKS: Final = keys.task_quota("", "").removesuffix(":")


class Census:
    """One count. `scan` first; the rest asks for the keys that it found."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self.sessions = 0
        self._companies: set[str] = set()
        self._with_requests: set[str] = set()
        self._with_storage: set[str] = set()
        self._with_tasks: set[tuple[str, str]] = set()

    async def scan(self, sample_size: int) -> Sample:
        """Looks at every key; a sample of users is drawn on the way."""
        drawing = Drawing(sample_size, random.Random())  # noqa: S311 - a sample, no secret
        async for _, found in scan_keys(self._lane):
            for key in found:
                drawing.offer(key)
                self._note(key)
        return drawing.sample()

    def _note(self, key: str) -> None:
        if key.startswith(_SESSION):
            self.sessions += 1
        elif key.startswith(_COMPANY):
            self._companies.add(key.removeprefix(_COMPANY))
        elif key.startswith(_REQUESTS):
            self._with_requests.add(key.removeprefix(_REQUESTS))
        elif key.startswith(_STORAGE):
            self._with_storage.add(key.removeprefix(_STORAGE))
        elif key.startswith(_TASKS):
            company_id, _, user_id = key.removeprefix(_TASKS).partition(":")
            self._with_tasks.add((company_id, user_id))

    async def count_active_users(self) -> dict[str, int]:
        """By company; one without any is left out."""
        names = sorted(self._companies)
        fields = await run_batches(self._lane, [("HKEYS", keys.company(name)) for name in names], if_other_type=())
        prefix = doc.USER.encode()
        counts = {name: sum(field.startswith(prefix) for field in its) for name, its in zip(names, fields, strict=True)}
        return {name: count for name, count in counts.items() if count}

    async def read_uses(self, limits: Limits) -> dict[str, dict[str, QuotaUse]]:
        """Quota → company → what counts against it now; a company that uses nothing of a quota is left out."""
        used: dict[str, Mapping[str, float]] = {
            MAX_TASKS_PER_USER: await self._count_tasks(),
            MAX_LLM_REQUESTS_PER_HOUR: await self._count_requests(),
            STORAGE_LIMIT_MB: await self._sum_storage(),
        }
        of_company = await limits.read_many({company for uses in used.values() for company in uses})
        return {
            quota: {company: QuotaUse(use, of_company[company][quota]) for company, use in uses.items() if use}
            for quota, uses in used.items()
        }

    async def _count_tasks(self) -> dict[str, int]:
        """Of each company's users the one with most open tasks: the limit is a user's."""
        names = sorted(self._with_tasks)
        values = await run_batches(self._lane, [("HVALS", keys.task_quota(*name)) for name in names], if_other_type=())
        now_ms = time.time() * 1000
        most: Counter[str] = Counter()
        for (company_id, _), held in zip(names, values, strict=True):
            most[company_id] = max(most[company_id], sum(int(value.split()[-1]) > now_ms for value in held))
        return most

    async def _count_requests(self) -> dict[str, int]:
        since_ms = round(time.time() * 1000) - HOUR_MS
        names = sorted(self._with_requests)
        ask: list[Command] = [("ZCOUNT", keys.request_quota(name), since_ms, "+inf") for name in names]
        return dict(zip(names, await run_batches(self._lane, ask, if_other_type=0), strict=True))

    async def _sum_storage(self) -> dict[str, float]:
        """In MB."""
        names = sorted(self._with_storage)
        answers = await run_batches(
            self._lane, [("HGETALL", keys.storage_quota(name)) for name in names], if_other_type=()
        )
        return {name: sum_held(_pairs(words)) / MB for name, words in zip(names, answers, strict=True)}


def _pairs(words: list[Any]) -> Iterable[tuple[bytes, bytes]]:
    return zip(words[::2], words[1::2], strict=True)
