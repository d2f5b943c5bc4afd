"""Counts what a company's collections take up in Chroma against its storage quota: `quota:storage:{company}`.

Whoever writes reserves first (one script on that key), says what each write really added, and releases the rest. A
reservation whose process died counts until its time is over; maintenance then measures the collection anew, as it does
with one that nobody has measured yet. A collection counts for the company that wrote to it first.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from contract import keys
from service.domain.quotas import STORAGE_LIMIT_MB, Refusal, choose_storage_retry_ms
from service.domain.storage import MB
from service.domain.tasks import NewTask, TaskEntry
from service.store.client import Valkey
from service.store.lane import Command
from service.store.limits import Limits
from service.store.scripts import script

_RESERVE: Final = script("storage_reserve")
_SPEND: Final = script("storage_spend")
_CORRECT: Final = script("storage_correct")
_EXPIRE: Final = script("storage_expire")
_FORGET: Final = script("storage_forget")
_DELETE_VALUE: Final = script("delete_value_if_equal")
_HELD: Final = "held:"
_COLLECTION: Final = "collection:"
_DAY_MS: Final = keys.DAY_S * 1000
# A task holds for as long as it may run; whoever else reserves writes at once.
HELD_S: Final = 300


@dataclass(frozen=True, slots=True)
class Check:
    """A collection that maintenance looks at. `measured_ms` 0: never; `held_until_ms`: of what is reserved for it."""

    company_id: str
    collection_name: str
    counted_bytes: int
    measured_ms: int
    held_until_ms: tuple[int, ...]
    now_ms: int

    @property
    def is_counted_right(self) -> bool:
        """Measured within a day, and whoever reserved something for it lives or has said what it wrote."""
        return self.measured_ms + _DAY_MS > self.now_ms and all(until > self.now_ms for until in self.held_until_ms)

    @property
    def is_written_to(self) -> bool:
        return any(until > self.now_ms for until in self.held_until_ms)

    @property
    def was_empty(self) -> bool:
        """It held nothing when it was measured last."""
        return self.measured_ms > 0 and self.counted_bytes == 0

    @property
    def next_look_ms(self) -> int:
        """When it may be wrong next."""
        return min((self.measured_ms + _DAY_MS, *(until for until in self.held_until_ms if until > self.now_ms)))


def task_holder(task: NewTask | TaskEntry) -> str:
    """Who holds what a task reserved, whichever attempt it is at; another start of the same id is another holder."""
    return f"task:{task.celery_task_id}"


class Reservation:
    """Bytes that are kept for a collection. As a context manager it releases what is left at the end."""

    def __init__(self, store: "StorageStore", company_id: str, collection_name: str, holder: str) -> None:
        self._store = store
        self.company_id = company_id
        self.collection_name = collection_name
        self.holder = holder
        self._spendings = 0

    async def spend(self, added_bytes: int) -> None:
        """Counts what a write really added to the collection (negative: it got smaller)."""
        self._spendings += 1
        await self._store.spend(
            self.company_id, self.collection_name, added_bytes, holder=self.holder, number=self._spendings
        )

    async def release(self) -> None:
        """What is left counts no more; harmless to repeat."""
        await self._store.release(self.company_id, self.holder)

    async def __aenter__(self) -> "Reservation":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()


class StorageStore:
    """Reserves, counts and releases; every method raises redis-py's errors."""

    def __init__(self, valkey: Valkey, limits: Limits) -> None:
        self._valkey = valkey
        self._limits = limits

    async def owner_of(self, collection_name: str, company_id: str | None) -> str | None:
        """The company that a collection counts for: its first writer's, else `company_id`, which it is from now on.

        None: nobody's, and none is given.
        """
        key = keys.collection_owner(collection_name)
        owner: Any = None
        if company_id is None:
            owner = await self._valkey.get(key)
        else:
            owner = await self._valkey.set(key, company_id, nx=True, get=True)
        return owner.decode() if owner else company_id

    async def claim(self, collection_name: str, company_id: str) -> None:
        """Lets a collection count for a company, unless it counts for one already."""
        if await self._valkey.set(keys.collection_owner(collection_name), company_id, nx=True):
            await self.look_at(company_id, collection_name, round(time.time() * 1000))

    async def reserve(
        self, company_id: str, collection_name: str, size_bytes: int, *, holder: str, held_s: int = HELD_S
    ) -> Reservation:
        """Keeps bytes for `held_s` at most; `holder` names who does, and its second reservation replaces the first.

        Raises QuotaExceeded.
        """
        owner = await self.owner_of(collection_name, company_id) or company_id
        limit = await self._limits.read(STORAGE_LIMIT_MB, owner)
        words = (holder, collection_name, str(size_bytes), str(limit * MB), str(held_s * 1000))
        is_reserved, held, *rest = await self._valkey.eval(_RESERVE, 1, keys.storage_quota(owner), *words)
        if not is_reserved:
            retry_ms = choose_storage_retry_ms(rest[0] if rest[0] >= 0 else None)
            raise Refusal(STORAGE_LIMIT_MB, limit, retry_ms, held=held, needed=size_bytes).error()
        until_ms, is_to_be_measured = rest
        look_ms = round(time.time() * 1000) if is_to_be_measured else until_ms
        await self.look_at(owner, collection_name, look_ms)
        return Reservation(self, owner, collection_name, holder)

    async def spend(
        self, company_id: str, collection_name: str, added_bytes: int, *, holder: str = "", number: int = 0
    ) -> int:
        """Counts what a collection gained, or lost by a deletion; the bytes that it holds now."""
        words = (holder, collection_name, str(added_bytes), str(number))
        return int(await self._valkey.eval(_SPEND, 1, keys.storage_quota(company_id), *words))

    async def release(self, company_id: str, holder: str) -> None:
        await self._valkey.hdel(keys.storage_quota(company_id), _HELD + holder)

    def build_expire(self, task: NewTask | TaskEntry) -> Command:
        """The command that says that a task has ended, whose process may have died before it released what it held."""
        return ("EVAL", _EXPIRE, 1, keys.storage_quota(task.company_id), task_holder(task))

    async def read_changes(self, company_id: str, collection_name: str) -> int:
        """How often something was counted for a collection; `correct` compares it."""
        value: Any = await self._valkey.hget(keys.storage_quota(company_id), _COLLECTION + collection_name)
        return int(value.split()[1]) if value else 0

    async def correct(self, company_id: str, collection_name: str, size_bytes: int, changes: int) -> bool:
        """Counts what a collection was measured to hold. False: it changed while it was, or is about to."""
        words = (collection_name, str(size_bytes), str(changes))
        return bool(await self._valkey.eval(_CORRECT, 1, keys.storage_quota(company_id), *words))

    async def look_at(self, company_id: str, collection_name: str, at_ms: int) -> None:
        """Lets maintenance look at a collection then, or sooner if it means to already."""
        await self._valkey.zadd(keys.STORAGE_CHECKS, {f"{company_id}:{collection_name}": at_ms}, lt=True)

    async def read_due(self, count: int) -> list[Check]:
        """Collections that maintenance is to look at now, those that have waited longest first."""
        now_ms = round(time.time() * 1000)
        members: Any = await self._valkey.zrangebyscore(keys.STORAGE_CHECKS, "-inf", now_ms, start=0, num=count)
        pairs = [member.decode().split(":", 1) for member in members]
        pipeline = self._valkey.pipeline(transaction=False)
        for company_id, _ in pairs:
            pipeline.hgetall(keys.storage_quota(company_id))
        held = await pipeline.execute()
        return [_parse_check(owner, name, fields, now_ms) for (owner, name), fields in zip(pairs, held, strict=True)]

    async def put_off(self, check: Check, until_ms: int) -> None:
        """Sets when maintenance looks at it next."""
        member = f"{check.company_id}:{check.collection_name}"
        await self._valkey.zadd(keys.STORAGE_CHECKS, {member: until_ms}, xx=True)

    async def put_off_for_a_day(self, check: Check) -> None:
        """It was measured just now."""
        await self.put_off(check, round(time.time() * 1000) + _DAY_MS)

    async def forget(self, check: Check) -> bool:
        """Lets a collection that is gone count for nobody, until somebody writes to it again.

        False: it counts, or somebody is about to write to it; it is looked at again.
        """
        owner, name = check.company_id, check.collection_name
        # First: whoever reserves from now on puts it there again.
        await self._valkey.zrem(keys.STORAGE_CHECKS, f"{owner}:{name}")
        if not await self._valkey.eval(_FORGET, 1, keys.storage_quota(owner), name):
            await self.look_at(owner, name, round(time.time() * 1000))
            return False
        await self._valkey.eval(_DELETE_VALUE, 1, keys.collection_owner(name), owner)
        return True

    async def read_held(self, company_id: str) -> int:
        """Bytes that count for a company now: what its collections take up, and what is reserved."""
        fields: dict[Any, Any] = await self._valkey.hgetall(keys.storage_quota(company_id))
        return sum_held(fields.items())

    async def read_collections(self, company_id: str) -> list[str]:
        """The collections that count for a company."""
        names: list[Any] = await self._valkey.hkeys(keys.storage_quota(company_id))
        fields = sorted(name.decode() for name in names)
        return [name.removeprefix(_COLLECTION) for name in fields if name.startswith(_COLLECTION)]

    async def find_full(self, company_id: str, limit_mb: int) -> Refusal | None:
        """A refusal where nothing more can be kept: whoever starts a task is told before it waits in a queue."""
        held = await self.read_held(company_id)
        if held < limit_mb * MB:
            return None
        return Refusal(STORAGE_LIMIT_MB, limit_mb, choose_storage_retry_ms(None), held=held)


def sum_held(fields: Iterable[tuple[bytes, bytes]]) -> int:
    """Bytes that a company's hash holds now: collections, and what is reserved until later."""
    now_ms = time.time() * 1000
    held = 0
    for name, value in fields:
        size, until_ms, *_ = value.split()
        if not name.startswith(_HELD.encode()) or int(until_ms) > now_ms:
            held += int(size)
    return held


def _parse_check(company_id: str, collection_name: str, fields: Mapping[bytes, bytes], now_ms: int) -> Check:
    counted_bytes = measured_ms = 0
    until_ms: list[int] = []
    for field, value in fields.items():
        name = field.decode()
        if name == _COLLECTION + collection_name:
            counted_bytes, _, measured_ms = (int(word) for word in value.split())
        elif name.startswith(_HELD) and value.decode().split(" ", 3)[3] == collection_name:
            until_ms.append(int(value.split()[1]))
    return Check(company_id, collection_name, counted_bytes, measured_ms, tuple(until_ms), now_ms)
