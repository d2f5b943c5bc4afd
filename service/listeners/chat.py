"""Listens to one thread of the Realtime Database: messages that appear are published, then marked read.

What is there when the thread is opened is its history, and no event; after a takeover only what its last listener did
not know any more is new.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from redis.exceptions import RedisError

from service.domain.messages import CHAT_MODES, READ, Chat, build_chat_message, messages_in, plan_chat_parts
from service.gateways.rtdb.client import RtdbClient, RtdbFault
from service.gateways.rtdb.listener import RtdbListener
from service.listeners.outbox import Outbox
from service.store.chat_positions import ChatPositions
from service.store.client import VALKEY_FAULTS, end_tasks

log = structlog.get_logger("listeners")

# Far more often than positions run out (`ChatPositions.write`).
NOTE_AGAIN_S: Final = 3_600.0
RETRY_S: Final = 1.0
MARK_ATTEMPTS: Final = 5


class ChatListener:
    """One thread of one user."""

    def __init__(self, chat: Chat, database: RtdbClient, outbox: Outbox, positions: ChatPositions) -> None:
        self._chat = chat
        self._database = database
        self._outbox = outbox
        self._positions = positions
        self._streams: dict[str, RtdbListener] = {}
        # Per mode the messages that are known; a mode that is missing has not been read yet.
        self._known: dict[str, set[str]] = {}
        self._noted: str | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="chat-listen")

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for stream in self._streams.values():
            stream.cancel()

    async def stop(self) -> None:
        self.cancel()
        if self._task is not None:
            # It waits for the outbox to publish.
            await end_tasks(self._task)

    async def _run(self) -> None:
        for mode in await self._modes():
            stream = RtdbListener(self._database, self._path(mode), lambda _: self._wake.set())
            self._streams[mode] = stream
            stream.start()
        while True:
            await self._pause()
            for mode, stream in list(self._streams.items()):
                try:
                    await self._take(mode, messages_in(stream.tree) if stream.is_known else None)
                except Exception:
                    # The edge of the loop: later messages must come through.
                    log.exception("chat_failed", user_id=self._chat.uid)

    async def _pause(self) -> None:
        """Until something changed, or the position has to be noted again."""
        try:
            async with asyncio.timeout(NOTE_AGAIN_S):
                await self._wake.wait()
        except TimeoutError:
            self._noted = None
        self._wake.clear()

    async def _modes(self) -> tuple[str, ...]:
        """The mode to listen to: the one that was asked for, else the first in which the thread exists, else both until
        one of them has a message."""
        if self._chat.mode is not None:
            return (self._chat.mode,)
        while True:
            try:
                for mode in CHAT_MODES:
                    if await self._database.read(self._path(mode).rpartition("/")[0], shallow=True) is not None:
                        return (mode,)
            except RtdbFault as fault:
                log.warning("chat_mode_unknown", error=str(fault), user_id=self._chat.uid)
                await asyncio.sleep(RETRY_S)
            else:
                return CHAT_MODES

    async def _take(self, mode: str, messages: Mapping[str, Mapping[str, Any]] | None) -> None:
        """Publishes what appeared."""
        if messages is None:
            return
        if mode not in self._known:
            self._known[mode] = await self._history(messages)
        new = {key: message for key, message in messages.items() if key not in self._known[mode]}
        if new:
            self._choose(mode)
        for part in plan_chat_parts(self._chat, new):
            await self._outbox.publish(build_chat_message(self._chat, part, datetime.now(UTC)))
            self._known[mode].update(part)
            await self._mark_read(mode, part)
        # What was deleted may come again.
        self._known[mode] &= messages.keys()
        position = max(self._known[mode], default="")
        if position != self._noted:
            self._noted = position
            await self._ask(partial(self._positions.write, self._chat.name, position))

    async def _history(self, messages: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """The messages that are no news: all, or those that the last listener knew or somebody read."""
        position = await self._ask(partial(self._positions.read, self._chat.name))
        if position is None:
            return set(messages)
        return {key for key, message in messages.items() if key <= position or message.get(READ) is True}

    def _choose(self, mode: str) -> None:
        """The thread exists in this mode: the other one is not its."""
        for other in [each for each in self._streams if each != mode]:
            self._streams.pop(other).cancel()

    async def _mark_read(self, mode: str, messages: Mapping[str, Mapping[str, Any]]) -> None:
        unread = {f"{key}/{READ}": True for key, message in messages.items() if message.get(READ) is not True}
        for _ in range(MARK_ATTEMPTS if unread else 0):
            try:
                await self._database.patch(self._path(mode), unread)
            except RtdbFault as fault:
                log.warning("chat_not_marked_read", error=str(fault), user_id=self._chat.uid, messages=len(unread))
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _ask(self, question: Any) -> Any:
        """None where Valkey is away: then nothing is known of an earlier listener."""
        try:
            return await question()
        except (*VALKEY_FAULTS, RedisError) as fault:
            log.warning("chat_position_unknown", error=repr(fault), user_id=self._chat.uid)
            return None

    def _path(self, mode: str) -> str:
        return f"{self._chat.space_code}/{mode}/{self._chat.thread_key}/messages"
