"""What stands in a PinnokioService's Valkey about its queues: messages that wait, messages handed out, heartbeats.

Two round trips a look at most. How many workers follow from it is `controller.plan.scaling`'s.
"""

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from contract import keys
from controller.cluster.resp import Command
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.model.errors import ValkeyUnavailable
from controller.model.service import ServiceKey

# Workers write every two seconds; a heartbeat that did not change for this long is of one that stopped.
STALE_AFTER_S: Final = 10.0
# Keys that a look searches for lists: a third of a millisecond of Valkey's time, a million keys within the hour.
SEARCHED: Final = 1_000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """`waiting`: messages in the lists of every priority; `unacked`: messages handed out and not acknowledged;
    `active`: running tasks by worker (its pod's name), of workers whose heartbeat is fresh; `peaks`: the most that
    ran at once on each between its last two heartbeats."""

    waiting: int
    unacked: int
    active: dict[str, int]
    peaks: dict[str, int] = field(default_factory=dict)


class _Beat(msgspec.Struct):
    """`peak`: 0 in those of workers older than it."""

    active: int
    seen_at: float
    peak: int = 0


@dataclass(slots=True)
class _Memory:
    """What was read of one service: queue of each message handed out, and since when each heartbeat stands as it is;
    how far the search for lists came, what this pass found, and what the last whole one did.

    Fresh means that it changed: the clocks of a worker's node and of ours need not agree.
    """

    endpoint: Endpoint
    # None: a message that cannot be read.
    queue_by_tag: dict[bytes, str | None] = field(default_factory=dict)
    beats: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    cursor: bytes = b"0"
    finding: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)


class QueueReader:
    """Reads queues. Remembers what it decoded: a message's queue never changes while it is handed out."""

    def __init__(self, connections: ValkeyConnections, clock: Callable[[], float] = time.monotonic) -> None:
        self._connections = connections
        self._clock = clock
        self._memories: dict[ServiceKey, _Memory] = {}

    async def read(
        self, key: ServiceKey, endpoint: Endpoint, prefix: str, queues: Sequence[str]
    ) -> dict[str, QueueFigures]:
        """Figures of `queues`, and of every other queue of which messages are handed out or a list was found (`waiting`
        0 for those: ask for them by name). Raises ValkeyUnavailable."""
        memory = self._memories.get(key)
        if memory is None or memory.endpoint != endpoint:
            memory = self._memories[key] = _Memory(endpoint)
        commands = [*_commands(prefix, queues), _search(prefix, memory.cursor)]
        answers = await self._connections.call_all(key, endpoint, commands)
        unacked = await self._count_unacked(key, memory, prefix, answers[0])
        _note_lists(memory, prefix, answers[-1])
        steps = len(keys.PRIORITY_STEPS)
        figures = {}
        for index, queue in enumerate(queues):
            start = 1 + index * (steps + 1)
            waiting = sum(_int(answer) for answer in answers[start : start + steps])
            beats = self._read_beats(memory, queue, answers[start + steps])
            active = {worker: beat.active for worker, beat in beats.items()}
            peaks = {worker: max(beat.active, beat.peak) for worker, beat in beats.items()}
            figures[queue] = QueueFigures(waiting, unacked.pop(queue, 0), active, peaks)
        others = {*unacked, *memory.found, *memory.finding} - figures.keys()
        return figures | {queue: QueueFigures(0, unacked[queue], {}) for queue in sorted(others)}

    def forget(self, key: ServiceKey) -> None:
        self._memories.pop(key, None)
        self._connections.forget(key)

    def close(self) -> None:
        self._connections.close()

    async def _count_unacked(self, key: ServiceKey, memory: _Memory, prefix: str, tags: object) -> Counter[str]:
        found = [tag for tag in _list(tags) if isinstance(tag, bytes)]
        new = [tag for tag in found if tag not in memory.queue_by_tag]
        known = {tag: memory.queue_by_tag[tag] for tag in found if tag in memory.queue_by_tag}
        if new:
            wanted: Command = ("HMGET", prefix + keys.UNACKED, *new)
            messages = _list(await self._connections.call(key, memory.endpoint, *wanted))
            known |= {tag: _queue_of(raw) for tag, raw in zip(new, messages, strict=True) if isinstance(raw, bytes)}
        memory.queue_by_tag = known
        return Counter(queue for queue in known.values() if queue is not None)

    def _read_beats(self, memory: _Memory, queue: str, raw: object) -> dict[str, _Beat]:
        """The fresh ones, by worker."""
        now = self._clock()
        fields = _list(raw)
        fresh, seen = {}, set()
        for name, text in zip(fields[::2], fields[1::2], strict=True):
            worker, beat = _text(name), _decode_beat(text)
            if beat is None:
                continue
            seen.add((queue, worker))
            known = memory.beats.get((queue, worker))
            if known is None or known[0] != beat.seen_at:
                known = memory.beats[queue, worker] = (beat.seen_at, now)
            if now - known[1] < STALE_AFTER_S:
                fresh[worker] = beat
        for gone in [each for each in memory.beats if each[0] == queue and each not in seen]:
            del memory.beats[gone]
        return fresh


def _commands(prefix: str, queues: Sequence[str]) -> list[Command]:
    commands: list[Command] = [("HKEYS", prefix + keys.UNACKED)]
    for queue in queues:
        commands += [("LLEN", prefix + name) for name in keys.backlog_lists(queue)]
        commands.append(("HGETALL", keys.worker_heartbeats(queue)))
    return commands


def _search(prefix: str, cursor: bytes) -> Command:
    """A step of the search for lists below the prefix; kombu makes one for each queue that has messages."""
    pattern = re.sub(r"([][*?\\])", r"\\\1", prefix) + "*"
    return ("SCAN", cursor, "MATCH", pattern, "COUNT", SEARCHED, "TYPE", "list")


def _note_lists(memory: _Memory, prefix: str, answer: object) -> None:
    cursor, names = _list(answer)
    memory.cursor = cursor if isinstance(cursor, bytes) else b"0"
    found = (_text(name).removeprefix(prefix) for name in _list(names))
    memory.finding |= {name.partition(keys.PRIORITY_SEPARATOR)[0] for name in found}
    if memory.cursor == b"0":
        memory.found, memory.finding = memory.finding, set()


def _queue_of(raw: bytes) -> str | None:
    """The queue of a message that was handed out: kombu keeps [message, exchange, routing key], and the routing key
    of a direct exchange is the queue's name. None: no message of kombu's; it is nobody's."""
    try:
        _, _, routing_key = msgspec.json.decode(raw, type=tuple[msgspec.Raw, str, str])
    except msgspec.MsgspecError as error:
        log.warning("a message in %s cannot be read and is not counted: %s", keys.UNACKED, error)
        return None
    return routing_key


def _decode_beat(raw: object) -> _Beat | None:
    """None: no heartbeat."""
    try:
        return msgspec.json.decode(raw, type=_Beat) if isinstance(raw, bytes) else None
    except msgspec.MsgspecError:
        return None


def _int(answer: object) -> int:
    if not isinstance(answer, int):
        raise ValkeyUnavailable(f"a number was expected, not {answer!r}")
    return answer


def _list(answer: object) -> list[object]:
    if not isinstance(answer, list):
        raise ValkeyUnavailable(f"a list was expected, not {type(answer).__name__}")
    return answer


def _text(answer: object) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else str(answer)
