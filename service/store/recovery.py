"""Leases of running tasks, and the index of those that have not ended: what maintenance finds lost tasks by.

The index is one sorted set. A task is put there before it is claimed, and dropped when a look at it finds it ended, if
it was not started again meanwhile. So nothing that was claimed is missing there, and what drifts is mended by a look.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
import redis

from contract import keys
from service.domain.tasks import TaskEntry
from service.store.client import Valkey
from service.store.scripts import script
from service.store.tasks import LEASE_S, MAX_LOSSES, MAX_WORKER_LOSSES, Fence, parse_fields

_RENEW: Final = script("task_renew")
_LOST: Final = script("task_lost")
_DROP: Final = script("members_drop")

# Entries of one round trip: some 100 KB.
BATCH: Final = 200
# Messages of one LRANGE, some 1.2 KB each; and how long a queue may be for its messages to be counted as read.
_CHUNK: Final = 1_000
MAX_READ_MESSAGES: Final = 20_000


@dataclass(frozen=True, slots=True)
class Look:
    """A task of the index that is due. `score` is what it stood there with; `entry` None: there is none (any more)."""

    task_id: str
    score: float
    entry: TaskEntry | None


@dataclass(frozen=True, slots=True)
class Lost:
    """What came of taking a run from a worker that is gone.

    `queued`: it may be queued again; `lost`, `cancelled`: the caller is to end it so; `none`: it is not so. `is_new`:
    nobody had found the loss.
    """

    outcome: Literal["queued", "lost", "cancelled", "none"]
    fence: Fence
    is_new: bool = False


class _Headers(msgspec.Struct):
    id: str = ""


class _Message(msgspec.Struct):
    headers: _Headers = msgspec.field(default_factory=_Headers)


class RecoveryStore:
    """Maintenance's side."""

    def __init__(self, valkey: Valkey, broker_prefix: str) -> None:
        self._valkey = valkey
        self._broker_prefix = broker_prefix

    async def read_now_ms(self) -> int:
        """The server's clock, which leases are measured by."""
        seconds, microseconds = await self._valkey.time()
        return int(seconds * 1000 + microseconds // 1000)

    async def read_due(self, now_ms: int) -> AsyncIterator[list[Look]]:
        """The tasks that are due, a batch at a time. What the caller neither drops nor puts off stays due."""
        due: Any = await self._valkey.zrangebyscore(keys.OPEN_TASKS, "-inf", now_ms, withscores=True)
        for start in range(0, len(due), BATCH):
            batch = [(member.decode(), score) for member, score in due[start : start + BATCH]]
            pipeline = self._valkey.pipeline(transaction=False)
            for task_id, _ in batch:
                pipeline.hgetall(keys.task(task_id))
            entries = await pipeline.execute()
            yield [
                Look(task_id, score, parse_fields(task_id, fields))
                for (task_id, score), fields in zip(batch, entries, strict=True)
            ]

    async def put_off(self, until_ms: Mapping[str, int]) -> None:
        """Sets when each task is looked at next."""
        if until_ms:
            await self._valkey.zadd(keys.OPEN_TASKS, dict(until_ms), xx=True)

    async def drop(self, looks: Iterable[Look]) -> None:
        """Takes tasks out of the index, unless they were started again since."""
        words = [word for look in looks for word in (look.task_id, str(round(look.score)))]
        if words:
            await self._valkey.eval(_DROP, 1, keys.OPEN_TASKS, *words)

    async def take_back(self, entry: TaskEntry) -> Lost:
        """Puts a run whose lease ran out back to `queued`, unless that is no longer so."""
        answer = await self._valkey.eval(_LOST, 1, *_lost_words(entry.task_id, entry.run, ""))
        return _parse_lost(answer, entry.task_id, entry.run)

    async def read_messages(self, queue: str) -> frozenset[str] | None:
        """Celery ids of the messages that wait in a queue; None: too many to read."""
        key = f"{self._broker_prefix}{queue}"
        if await self._valkey.llen(key) > MAX_READ_MESSAGES:
            return None
        ids: set[str] = set()
        start = 0
        # New ones come at the head and are taken from the tail: what moves meanwhile is read twice, never missed.
        while chunk := await self._valkey.lrange(key, start, start + _CHUNK - 1):
            ids.update(_message_id(message) for message in chunk)
            start += _CHUNK
        return frozenset(ids)


def renew_lease(valkey: redis.Redis, fence: Fence) -> Literal["ours", "cancel", "lost"]:
    """Renews the lease of a running attempt, from a thread beside it. Raises redis-py's errors."""
    words = (str(fence.run), str(fence.attempt), str(round(LEASE_S * 1000)))
    answer: Any = valkey.eval(_RENEW, 1, keys.task(fence.task_id), *words)
    word: Literal["ours", "cancel", "lost"] = answer.decode()
    return word


def take_from_dead_process(valkey: redis.Redis, task_id: str, run: int, worker: str) -> Lost:
    """Puts the run that a process of `worker` died at back to `queued`. Raises redis-py's errors."""
    answer: Any = valkey.eval(_LOST, 1, *_lost_words(task_id, run, f"{worker}:"))
    return _parse_lost(answer, task_id, run)


def _lost_words(task_id: str, run: int, worker: str) -> tuple[str, ...]:
    most = (str(MAX_LOSSES), worker, str(MAX_WORKER_LOSSES))
    return keys.task(task_id), str(run), str(keys.TASK_QUEUED_TTL_S), *most


def _parse_lost(answer: list[Any], task_id: str, run: int) -> Lost:
    word, attempt, *losses = answer
    return Lost(word.decode(), Fence(task_id, run, int(attempt)), is_new=bool(losses))


def _message_id(message: bytes | str) -> str:
    try:
        return msgspec.json.decode(message, type=_Message).headers.id
    except msgspec.DecodeError:
        # A stranger's: none of ours.
        return ""
