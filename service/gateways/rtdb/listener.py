"""Keeps the JSON under one path up to date, and says when it changed; after an outage from the start again."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog

from service.gateways.rtdb.client import RtdbClient, RtdbFault
from service.gateways.rtdb.sse import ServerEvent
from service.gateways.rtdb.tree import apply_patch, apply_put

log = structlog.get_logger("listeners")

FIRST_PAUSE_S: Final = 0.1
# Each user's stream is opened for itself: longer than Firestore's few, and still within 5 s of the database's return.
LONGEST_PAUSE_S: Final = 3.0


class RtdbListener:
    """One path. `on_change(is_resync)` is called when `tree` changed, at the first state, and after an outage."""

    def __init__(self, client: RtdbClient, path: str, on_change: Callable[[bool], None]) -> None:
        self.tree: Any = None
        self.is_known = False
        self._client = client
        self._path = path
        self._on_change = on_change
        self._is_outage = False
        self._is_open = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="rtdb-listen")

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            self._is_open = False
            try:
                async for event in self._client.stream(self._path):
                    self._take(event)
            except RtdbFault as fault:
                level = log.info if self._is_open else log.warning
                level("rtdb_stream_broke", error=str(fault))
            except Exception:
                # The edge of the loop: the next stream begins with the whole state.
                log.exception("rtdb_stream_failed")
            if self._is_open:
                pause_s = FIRST_PAUSE_S
            self._is_outage = self._is_outage or not self._is_open
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _take(self, event: ServerEvent) -> None:
        """Raises RtdbFault where the database ends the stream."""
        if event.name == "keep-alive":
            return
        if event.name in ("cancel", "auth_revoked"):
            self._client.forget_token()
            raise RtdbFault(event.name)
        try:
            told = msgspec.json.decode(event.data)
            path, data = told["path"], told["data"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise RtdbFault(f"an event {event.name!r} that cannot be read") from None
        apply = apply_patch if event.name == "patch" else apply_put
        tree = apply(self.tree, path, data)
        self._is_open = True
        is_news = tree != self.tree or not self.is_known or self._is_outage
        is_resync, self._is_outage = self._is_outage and self.is_known, False
        self.tree, self.is_known = tree, True
        if is_news:
            self._on_change(is_resync)
