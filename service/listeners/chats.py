"""Listens to the threads that users have open: one process a thread, by lease, among those with a socket on it."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Final

import structlog
from redis.exceptions import RedisError

from service.domain.messages import Chat
from service.gateways.rtdb.client import RtdbClient
from service.listeners.chat import ChatListener
from service.listeners.keeper import LeaseKeeper
from service.listeners.outbox import Outbox
from service.store.chat_positions import ChatPositions
from service.store.client import VALKEY_FAULTS

log = structlog.get_logger("listeners")

# Threads that another process listened to are looked at again: its last socket may have closed, or it died.
LOOK_S: Final = 2.0


class ChatListeners:
    """The threads of this process's sockets."""

    def __init__(self, keeper: LeaseKeeper, database: RtdbClient, outbox: Outbox, positions: ChatPositions) -> None:
        self._keeper = keeper
        self._database = database
        self._outbox = outbox
        self._positions = positions
        self._open: dict[str, tuple[Chat, int]] = {}
        self._held: dict[str, ChatListener] = {}
        self._look_at: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """Threads that this process listens to."""
        return len(self._held)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="chat-listeners")

    async def stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        names = self.names()
        await asyncio.gather(*(self._held.pop(name).stop() for name in names))
        try:
            # Positions stay: whoever takes over goes on from them.
            await self._keeper.leases.release(names)
        except (*VALKEY_FAULTS, RedisError) as fault:
            log.warning("chat_leases_left", error=repr(fault), chats=len(names))

    def opened(self, chat: Chat) -> None:
        _, sockets = self._open.get(chat.name, (chat, 0))
        self._open[chat.name] = (chat, sockets + 1)
        self._wake.set()

    def closed(self, chat: Chat) -> None:
        _, sockets = self._open.get(chat.name, (chat, 0))
        if sockets > 1:
            self._open[chat.name] = (chat, sockets - 1)
        else:
            self._open.pop(chat.name, None)
        self._wake.set()

    # Leases

    def names(self) -> list[str]:
        """What it holds."""
        return list(self._held)

    def lost(self, names: Iterable[str]) -> None:
        """This process does not hold these any more, if it still thinks so."""
        for name in names:
            if name in self._held:
                self._held.pop(name).cancel()

    def kept(self) -> None:
        """What is held is surely held again. Nothing is lost meanwhile: messages wait to be published."""

    async def _run(self) -> None:
        while True:
            try:
                if self._keeper.is_confirmed:
                    await self._reconcile()
            except (*VALKEY_FAULTS, RedisError) as fault:
                log.warning("chat_leases_unknown", error=repr(fault), chats=len(self._held))
            except Exception:
                # The edge of the loop: every thread's listener depends on it.
                log.exception("chat_listeners_failed", chats=len(self._held))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if self._keeper.is_confirmed else 0.1):
                    await self._wake.wait()
            self._wake.clear()

    async def _reconcile(self) -> None:
        await self._release([name for name in self._held if name not in self._open])
        now = time.monotonic()
        self._look_at = {name: at for name, at in self._look_at.items() if name in self._open}
        wanted = [name for name in self._open if name not in self._held and now >= self._look_at.get(name, 0.0)]
        if not wanted:
            return
        holders = await self._keeper.leases.claim(wanted)
        for name, holder in holders.items():
            if name not in self._open or holder != self._keeper.leases.holder:
                self._look_at[name] = now + LOOK_S * 0.9
                continue
            chat, _ = self._open[name]
            self._held[name] = listener = ChatListener(chat, self._database, self._outbox, self._positions)
            listener.start()

    async def _release(self, names: list[str]) -> None:
        """The last socket here closed. Whoever else has the thread open, or opens it again soon, goes on from here.

        Messages that come while nobody has it open are its history.
        """
        if not names:
            return
        self.lost(names)
        await self._positions.let_go(names)
        await self._keeper.leases.release(names)
