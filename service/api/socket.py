"""The sending half of one open WebSocket: a bounded queue, drained by a task only while there is something in it.

An idle socket costs no task of ours; a slow one is closed (1013) and holds nobody else up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from service.api.websocket_protocol import CLOSE_NOW
from service.metrics import EVENT_DELIVERY, EVENTS_DELIVERED, EVENTS_DROPPED
from service.store.events import START, StreamId

# A client that reads takes an event in well under a millisecond: so many waiting mean that it does not.
MAX_QUEUED: Final = 512
MAX_QUEUED_BYTES: Final = 2 * 1024 * 1024
TOO_SLOW: Final = 1013


class Socket:
    """An accepted WebSocket of a user. `wants_replay`: it asked for what it missed, so it is told of gaps too."""

    __slots__ = ("_drain", "_held", "_queue", "_queued_bytes", "_websocket", "is_closed", "sent", "uid", "wants_replay")

    def __init__(self, uid: str, websocket: WebSocket, *, wants_replay: bool) -> None:
        self.uid = uid
        self.wants_replay = wants_replay
        self.is_closed = False
        # Newest event that was queued or sent; older ones are dropped as seen.
        self.sent: StreamId = START
        self._websocket = websocket
        self._queue: deque[str] = deque()
        self._queued_bytes = 0
        self._drain: asyncio.Task[None] | None = None
        # Live events that wait until a replay is through; None: no replay.
        self._held: list[tuple[StreamId | None, str]] | None = None

    def offer(self, event_id: StreamId | None, text: str) -> None:
        """Queues a live event; one that was sent already is dropped. `event_id` None: it is not kept."""
        if self._held is not None:
            self._held.append((event_id, text))
            if len(self._held) > MAX_QUEUED:
                self.close(TOO_SLOW, "reads too slowly")
        elif event_id is None:
            self.push(text)
        elif event_id > self.sent:
            self.sent = event_id
            # Clocks of two machines: an event from the future took no time.
            EVENT_DELIVERY.observe(max(0.0, time.time() - event_id[0] / 1000))
            self.push(text)

    def push(self, text: str) -> None:
        """Queues a text."""
        if self.is_closed:
            return
        self._queue.append(text)
        self._queued_bytes += len(text)
        if len(self._queue) > MAX_QUEUED or self._queued_bytes > MAX_QUEUED_BYTES:
            self.close(TOO_SLOW, "reads too slowly")
        elif self._drain is None:
            self._drain = asyncio.get_running_loop().create_task(self._send_queued(), name="ws-drain")

    def hold(self) -> None:
        """Live events wait from now on, until `release`."""
        self._held = []

    async def send(self, text: str, event_id: StreamId = START) -> None:
        """Sends at the pace at which the client reads; only while live events are held."""
        if not self.is_closed:
            self.sent = max(self.sent, event_id)
            await self._send(text)

    def release(self) -> None:
        """Live events that waited follow, and those to come."""
        held, self._held = self._held or [], None
        for event_id, text in held:
            self.offer(event_id, text)

    def close(self, code: int, reason: str) -> None:
        """Closes without waiting for the client to read."""
        if self.is_closed:
            return
        EVENTS_DROPPED.inc(len(self._queue) + len(self._held or ()))
        self.forget()
        close_now: Callable[[int, str], None] = self._websocket.scope["extensions"][CLOSE_NOW]["close"]
        close_now(code, reason)

    def forget(self) -> None:
        """Drops what is queued: the connection is gone or going."""
        self.is_closed = True
        self._queue.clear()
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None

    async def _send_queued(self) -> None:
        while self._queue and not self.is_closed:
            text = self._queue.popleft()
            self._queued_bytes -= len(text)
            await self._send(text)
        self._drain = None

    async def _send(self, text: str) -> None:
        try:
            await self._websocket.send_text(text)
            EVENTS_DELIVERED.inc()
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The client has gone: the route's own read says so and cleans up.
            self.is_closed = True
            self._queue.clear()
