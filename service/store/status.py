"""Reads what GET /status shows: single keys of bounded size, in one round trip, whatever Valkey holds."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from redis.exceptions import RedisError

from contract import keys
from contract.flag import FlagAck, FlagDocument
from service.domain.failures import Failure
from service.domain.status import Beat, QueueSeen, Seen
from service.store.failures import parse_failure
from service.store.figures import FiguresStore
from service.store.lane import Command, Lane

T = TypeVar("T")
# Fields of one hash that a look reads: some hundred workers of a queue, some hundred API processes.
FIELDS: Final = 500


class StatusStore:
    def __init__(self, lane: Lane, broker_prefix: str) -> None:
        self._lane = lane
        self._prefix = broker_prefix
        self._figures = FiguresStore(lane)

    async def read(self, queues: Iterable[str], flag: FlagDocument, latency_ms: float) -> Seen:
        """Raises redis-py's errors where Valkey does not answer; what it refuses is not known."""
        names = tuple(queues)
        commands: list[Command] = [
            ("ZRANGE", keys.FAILURES, 0, keys.FAILURES_MAX - 1, "REV", "WITHSCORES"),
            ("HSCAN", keys.FLAG_ACKS, 0, "COUNT", FIELDS),
        ]
        for queue in names:
            commands += [("LLEN", self._prefix + name) for name in keys.backlog_lists(queue)]
            commands.append(("HSCAN", keys.worker_heartbeats(queue), 0, "COUNT", FIELDS))
        # What leaves in one turn of the event loop leaves in one write.
        answers, scrape = await asyncio.gather(self._lane.run(*commands), self._figures.scrape(names, self._prefix))
        failures, acks, *rest = answers
        step = len(keys.PRIORITY_STEPS) + 1
        return Seen(
            valkey_latency_ms=latency_ms,
            flag=flag,
            queues={
                queue: _read_queue(rest[place * step : (place + 1) * step], scrape.oldest_s.get(queue))
                for place, queue in enumerate(names)
            },
            acknowledged=_read_acknowledged(acks),
            failures=_read_failures(failures),
            health=scrape.health,
            stuck=scrape.stuck,
            memory_used_bytes=scrape.valkey.memory_used_bytes,
            memory_max_bytes=scrape.valkey.memory_max_bytes,
        )


def _read_queue(answers: Sequence[Any], oldest_s: float | None) -> QueueSeen:
    *lengths, beats = answers
    waiting = None if any(isinstance(each, RedisError) for each in lengths) else sum(lengths)
    fields = _fields(beats, Beat)
    return QueueSeen(waiting, oldest_s, None if fields is None else dict(fields))


def _read_acknowledged(answer: Any) -> tuple[tuple[int, float], ...] | None:
    fields = _fields(answer, FlagAck)
    return None if fields is None else tuple((ack.revision, ack.seen_at) for _, ack in fields)


def _read_failures(answer: Any) -> tuple[tuple[Failure, float], ...] | None:
    if isinstance(answer, RedisError):
        return None
    pairs = ((parse_failure(raw), float(score)) for raw, score in zip(answer[::2], answer[1::2], strict=True))
    return tuple((failure, at_ms) for failure, at_ms in pairs if failure is not None)


def _fields(answer: Any, kind: type[T]) -> list[tuple[str, T]] | None:
    """Name and value of each field that can be read; None: the hash could not be."""
    if isinstance(answer, RedisError):
        return None
    _, flat = answer
    found = []
    for name, raw in zip(flat[::2], flat[1::2], strict=True):
        try:
            found.append((name.decode(errors="replace"), msgspec.json.decode(raw, type=kind)))
        except msgspec.DecodeError:
            # An older or newer version's, during an update.
            continue
    return found
