"""`pinnokio:figures`: the summary that maintenance writes each minute, and what a scrape reads beside it.

A scrape asks for single keys only, all in one round trip, whatever Valkey holds.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from redis.exceptions import RedisError

from contract import keys
from service.domain.figures import Figures
from service.domain.health import HealthCheck
from service.store.health import parse_health
from service.store.lane import Command, Lane
from service.store.task_counts import parse_counts

log = structlog.get_logger("pinnokio.maintenance")

# Maintenance looks at an open task when it is due, every ten seconds; one that is due for so long is not looked at.
STUCK_AFTER_S: Final = 60.0
_SECTIONS: Final = ("memory", "clients", "stats")


@dataclass(frozen=True, slots=True)
class ValkeyFigures:
    """What Valkey says of itself; None: it does not. `memory_max_bytes` None: also where there is no limit."""

    memory_used_bytes: int | None = None
    memory_max_bytes: int | None = None
    clients: int | None = None
    evicted: int | None = None


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one round trip told. None, and a queue that is missing: not known."""

    health: HealthCheck | None = None
    figures: Figures | None = None
    stuck: int | None = None
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    valkey: ValkeyFigures = field(default_factory=ValkeyFigures)
    # (task type, how it ended or was lost) → how many.
    task_counts: Mapping[tuple[str, str], int] | None = None


class FiguresStore:
    """Both methods raise redis-py's errors."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def write(self, figures: Figures) -> None:
        await self._lane.ask("SET", keys.FIGURES, msgspec.json.encode(figures), "EX", keys.FIGURES_TTL_S)

    async def scrape(self, queues: Iterable[str], broker_prefix: str) -> Scrape:
        """`queues`: whose oldest message is looked at. What Valkey refuses (INFO, by some providers) is not known."""
        names, now = sorted(queues), time.time()
        commands: list[Command] = [
            ("GET", keys.HEALTH),
            ("GET", keys.FIGURES),
            ("ZCOUNT", keys.OPEN_TASKS, "-inf", round((now - STUCK_AFTER_S) * 1000)),
            ("HGETALL", keys.TASK_COUNTS),
            *(("INFO", section) for section in _SECTIONS),
            # The tail: messages come at the head.
            *(("LINDEX", f"{broker_prefix}{queue}", -1) for queue in names),
        ]
        answers = await self._lane.run(*commands)
        first = len(commands) - len(names)
        known = (None if isinstance(each, RedisError) else each for each in answers[:first])
        health, figures, stuck, counts, *info = known
        ages = {queue: _age_s(tail, now) for queue, tail in zip(names, answers[first:], strict=True)}
        return Scrape(
            parse_health(health),
            _parse_figures(figures),
            stuck,
            {queue: age for queue, age in ages.items() if age is not None},
            _parse_info(info),
            parse_counts(counts),
        )


class _Headers(msgspec.Struct):
    sent_at: float | None = None


class _Message(msgspec.Struct):
    headers: _Headers


def _age_s(message: bytes | RedisError | None, now: float) -> float | None:
    """0: no message; None: one that does not say when it was sent. Clocks of two machines may differ."""
    if message is None:
        return 0.0
    if isinstance(message, RedisError):
        return None
    try:
        sent_at = msgspec.json.decode(message, type=_Message).headers.sent_at
    except msgspec.DecodeError:
        return None
    return None if sent_at is None else max(0.0, now - sent_at)


def _parse_figures(raw: bytes | None) -> Figures | None:
    try:
        return msgspec.json.decode(raw, type=Figures) if raw else None
    except msgspec.DecodeError as fault:
        # An older or newer version's, during an update.
        log.warning("figures_unreadable", error=repr(fault))
        return None


def _parse_info(sections: list[Any]) -> ValkeyFigures:
    lines = [line for section in sections if section for line in section.decode().splitlines()]
    said = dict(line.split(":", 1) for line in lines if ":" in line)

    def number(name: str) -> int | None:
        return int(said[name]) if said.get(name, "").isdigit() else None

    return ValkeyFigures(
        number("used_memory"), number("maxmemory") or None, number("connected_clients"), number("evicted_keys")
    )
