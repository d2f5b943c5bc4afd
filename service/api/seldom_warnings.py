"""Warns of what can come with every call, such as a wrong token or an outage: seldom, and with how often it came."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

log = structlog.get_logger("rpc")

EVERY_S: Final = 10.0


@dataclass(slots=True)
class _Told:
    at: float
    more: int = 0


class SeldomWarnings:
    """A line a key within EVERY_S; the next says how many came meanwhile. Keys are few: the caller bounds them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[str, ...], _Told] = {}

    def warn(self, event: str, *key: str, **fields: Any) -> None:
        now, told = self._clock(), self._told.get((event, *key))
        if told is not None and now - told.at < EVERY_S:
            told.more += 1
            return
        more = {"more_since_last": told.more} if told is not None and told.more else {}
        self._told[event, *key] = _Told(now)
        log.warning(event, **fields, **more)
