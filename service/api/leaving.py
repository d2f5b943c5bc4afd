"""What the API does when its process is about to end: it says that it is not ready, and closes its sockets a few at a
time, each told when to come back. Requests, and the end itself, are `service.api.serve`'s.
"""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from service.api.socket import Socket
from service.domain.events import RECONNECT, Event, build_envelope

log = structlog.get_logger("pinnokio.leaving")

SERVICE_RESTART: Final = 1012
# Ten thousand sockets that all come back within a second would be a storm for who serves them next.
SPREAD_S: Final = 4.0
STEP_S: Final = 0.1
LEAST_AT_ONCE: Final = 50
LONGEST_PAUSE_MS: Final = 1000


class Sockets(Protocol):
    """Who knows the open sockets."""

    def open_sockets(self) -> Sequence[Socket]: ...


class Leaving:
    """`is_begun` stays true once `close_sockets` was called: new sockets are sent away at once."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self.is_begun = False

    async def close_sockets(self) -> None:
        """Returns when all are closed, within SPREAD_S and a bit; one that opens meanwhile is closed by its route."""
        self.is_begun = True
        leaving = list(self._sockets.open_sockets())
        log.info("api_leaving", sockets=len(leaving))
        at_once = max(LEAST_AT_ONCE, round(len(leaving) * STEP_S / SPREAD_S))
        for start in range(0, len(leaving), at_once):
            await _send_away(leaving[start : start + at_once])


async def _send_away(sockets: Sequence[Socket]) -> None:
    """The hint as an event goes to those alone who ask for replays: Reflex knows no such event. All get the reason."""
    pauses = [build_pause_ms() for _ in sockets]
    for socket, after_ms in zip(sockets, pauses, strict=True):
        if socket.wants_replay:
            hint = Event(RECONNECT, socket.uid, {"after_ms": after_ms}, datetime.now(UTC))
            socket.push(build_envelope(hint).decode())
    # Queued events and the hint go out before the close does; a client that reads too slowly replays them.
    await asyncio.sleep(STEP_S)
    for socket, after_ms in zip(sockets, pauses, strict=True):
        socket.close(SERVICE_RESTART, build_reason(after_ms))


def build_pause_ms() -> int:
    return random.randint(0, LONGEST_PAUSE_MS)  # noqa: S311 - spreads reconnects, no secret


def build_reason(after_ms: int) -> str:
    """The reason of the close frame."""
    return f"service restart: reconnect in {after_ms} ms"
