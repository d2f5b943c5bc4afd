"""Which limits hold for a company, at most ten seconds old: its entry's, else Firestore's, else the service's.

What Firestore told is kept in Valkey, for workers, which have no Firestore, and for when it is away: the last that was
known holds then, and the service's where nothing ever was. Nobody waits for Firestore but who first asks for a company.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import structlog
from redis.asyncio.client import Pipeline

from contract import flag, keys
from service.domain import unified as doc
from service.domain.quotas import choose_limit, parse_limits
from service.store.client import VALKEY_FAULTS, Valkey

log = structlog.get_logger("pinnokio.quotas")

KEPT_S: Final = 10.0
KEPT_COMPANIES: Final = 10_000
# Firestore is asked again for what is older than this.
FRESH_S: Final = 60.0
FIRST_ANSWER_S: Final = 1.0
_READ_AT: Final = "read_at"
# Companies of one round trip.
_READ_TOGETHER: Final = 200

OfService = Callable[[], Mapping[str, int]]


class LimitSource(Protocol):
    """Firestore, as far as limits go. None: it does not tell now."""

    async def read(self, company_id: str) -> Mapping[str, int] | None: ...


@dataclass(frozen=True, slots=True)
class _Known:
    until: float
    of_company: Mapping[str, int]
    in_firestore: Mapping[str, int]
    of_service: Mapping[str, int]


class Limits:
    """Reads them. `of_service`: the service's own as this process knows them; None: they are read from Valkey too.
    `source`: Firestore, where this process has it by now."""

    def __init__(
        self,
        valkey: Valkey,
        of_service: OfService | None = None,
        source: Callable[[], LimitSource | None] = lambda: None,
    ) -> None:
        self._valkey = valkey
        self._of_service = of_service
        self._source = source
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._reading: dict[str, asyncio.Task[_Known]] = {}
        self._refreshing: dict[str, asyncio.Task[Mapping[str, int] | None]] = {}

    async def read(self, quota: str, company_id: str) -> int:
        """Raises redis-py's errors."""
        known = self._known.get(company_id)
        if known is None or known.until < time.monotonic():
            known = await self._read_once(company_id)
        of_service = self._of_service() if self._of_service else known.of_service
        return choose_limit(quota, known.of_company, known.in_firestore, of_service)

    async def read_many(self, company_ids: Iterable[str]) -> dict[str, dict[str, int]]:
        """All limits of each, in few round trips, as Valkey has them: neither kept here nor asked of Firestore."""
        names = sorted(company_ids)
        document = None if self._of_service else await self._valkey.get(keys.FLAG)
        of_service = self._of_service() if self._of_service else _parse_quotas(document)
        found: dict[str, dict[str, int]] = {}
        for start in range(0, len(names), _READ_TOGETHER):
            batch = names[start : start + _READ_TOGETHER]
            pipeline = self._valkey.pipeline(transaction=False)
            for company_id in batch:
                _add_read(pipeline, company_id)
            answers = await pipeline.execute()
            for company_id, values, copy in zip(batch, answers[::2], answers[1::2], strict=True):
                of_company, in_firestore = _parse_of_company(values), parse_limits(_texts(_decoded(copy)))
                found[company_id] = {
                    quota: choose_limit(quota, of_company, in_firestore, of_service) for quota in doc.QUOTAS
                }
        return found

    def forget(self) -> None:
        """The next reading asks Valkey."""
        self._known.clear()

    async def close(self) -> None:
        """Ends what is under way."""
        tasks: list[asyncio.Task[Any]] = [*self._reading.values(), *self._refreshing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_once(self, company_id: str) -> _Known:
        """A crowd of one company asks once."""
        reading = self._reading.get(company_id)
        if reading is None:
            reading = self._reading[company_id] = asyncio.create_task(self._read(company_id), name="limits")
            reading.add_done_callback(lambda _: self._reading.pop(company_id, None))
        known = self._known[company_id] = await asyncio.shield(reading)
        self._known.move_to_end(company_id)
        if len(self._known) > KEPT_COMPANIES:
            self._known.popitem(last=False)
        return known

    async def _read(self, company_id: str) -> _Known:
        pipeline = self._valkey.pipeline(transaction=False)
        _add_read(pipeline, company_id)
        if self._of_service is None:
            pipeline.get(keys.FLAG)
        values, copy, *documents = await pipeline.execute()
        of_company = _parse_of_company(values)
        in_firestore: Mapping[str, int] = {}
        if of_company.keys() < doc.QUOTAS.keys():
            in_firestore = await self._read_firestore(company_id, _texts(_decoded(copy)))
        of_service = _parse_quotas(documents[0]) if documents else {}
        return _Known(time.monotonic() + KEPT_S, of_company, in_firestore, of_service)

    async def _read_firestore(self, company_id: str, copy: Mapping[str, str]) -> Mapping[str, int]:
        """What was told last; asked anew in the background where that is old, and waited for where it never was."""
        source, last = self._source(), parse_limits(copy)
        if source is None or time.time() - float(copy.get(_READ_AT, "0")) < FRESH_S:
            return last
        refreshing = self._refreshing.get(company_id)
        if refreshing is None:
            refreshing = asyncio.create_task(self._refresh(source, company_id, _READ_AT in copy), name="company-limits")
            self._refreshing[company_id] = refreshing
            refreshing.add_done_callback(lambda _: self._refreshing.pop(company_id, None))
        if _READ_AT in copy:
            return last
        try:
            async with asyncio.timeout(FIRST_ANSWER_S):
                return await asyncio.shield(refreshing) or {}
        except TimeoutError:
            return {}

    async def _refresh(self, source: LimitSource, company_id: str, is_known: bool) -> Mapping[str, int] | None:
        """What Firestore tells now, kept for a day; None: it does not, and what was told last holds."""
        told = await source.read(company_id)
        if told is None:
            using = "what Firestore told last" if is_known else "the service's own"
            log.warning("company_quotas_fallback", company_id=company_id, using=using)
            return None
        key = keys.company_limits(company_id)
        values: dict[Any, Any] = {
            **{quota: str(limit) for quota, limit in told.items()},
            _READ_AT: f"{time.time():.0f}",
        }
        pipeline = self._valkey.pipeline(transaction=True)
        pipeline.delete(key)
        pipeline.hset(key, mapping=values)
        pipeline.expire(key, keys.DAY_S)
        try:
            await pipeline.execute()
        except VALKEY_FAULTS as fault:
            log.warning("company_quotas_not_kept", company_id=company_id, error=repr(fault))
        return told


def _add_read(pipeline: Pipeline, company_id: str) -> None:
    """Adds two reads: of the limits in a company's entry, and of those that Firestore told."""
    pipeline.hmget(keys.company(company_id), [doc.QUOTA + quota for quota in doc.QUOTAS])
    pipeline.hgetall(keys.company_limits(company_id))


def _parse_of_company(values: list[Any]) -> dict[str, int]:
    return parse_limits(_texts(dict(zip(doc.QUOTAS, values, strict=True))))


def _decoded(copy: Mapping[bytes, Any]) -> dict[str, Any]:
    return {name.decode(): copy[name] for name in copy}


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: value.decode() for name, value in values.items() if value is not None}


def _parse_quotas(document: Any) -> Mapping[str, int]:
    try:
        return flag.decode(document).quotas if document else {}
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        log.error("flag_document_unreadable", error=repr(fault))
        return {}
