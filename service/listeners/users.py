"""Which users this process listens for: those who are to be listened for and whose lease it holds.

A process with a socket of the user claims first, any other a little later. Who cannot claim looks again when the holder
died, and now and then in any case.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Collection, Iterable
from typing import Final

import structlog
from redis.exceptions import RedisError

from service.domain.events import Event
from service.domain.presence import is_document_id
from service.listeners.directory import Directory
from service.listeners.keeper import LeaseKeeper
from service.listeners.presence import Presence, hold_s
from service.listeners.user import Sources, UserListener
from service.store.client import VALKEY_FAULTS
from service.store.presence import PresenceStore

log = structlog.get_logger("listeners")

# Who has no socket of the user leaves this much time to who has.
YIELD_S: Final = 1.0
# Leases that somebody else held are looked at again after this, whatever is known of the holder.
AUDIT_S: Final = 30.0
REAP_S: Final = 5.0
# Heartbeats run out, and holders die, without a message.
LOOK_S: Final = 0.5
# Changes that come within this are dealt with together.
GATHER_S: Final = 0.02


class UserListeners:
    """Start it, tell it what changed, stop it."""

    def __init__(
        self,
        keeper: LeaseKeeper,
        sources: Sources,
        directory: Directory,
        presence: Presence,
        store: PresenceStore,
        *,
        ttl_s: int,
    ) -> None:
        self._keeper = keeper
        self._leases = keeper.leases
        self._sources = sources
        self._directory = directory
        self._presence = presence
        self._store = store
        self._held: dict[str, UserListener] = {}
        # Of users whom another listens for: who, and when to look again.
        self._others: dict[str, tuple[str, float]] = {}
        self._seen_at: dict[str, float] = {}
        # A socket that was not renewed while Valkey was away is no closed one.
        self._hold_s = hold_s(ttl_s)
        self._reap_at = time.monotonic() + self._hold_s
        # Silent users who were told to be offline.
        self._ended: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def count(self) -> int:
        """Users whom this process listens for."""
        return len(self._held)

    @property
    def listeners(self) -> Collection[UserListener]:
        return self._held.values()

    def states_of(self, uid: str) -> dict[str, Event]:
        """What is known of a user whom this process listens for."""
        listener = self._held.get(uid)
        return listener.states() if listener is not None and self._keeper.is_confirmed else {}

    def is_preparing(self, uid: str) -> bool:
        """Whether this process began to listen for the user, and does not know all yet."""
        listener = self._held.get(uid)
        return listener is not None and not listener.is_ready

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="user-listeners")

    async def stop(self) -> None:
        """Gives the leases back, so that another process goes on at once."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        names = list(self._held)
        self.lost(names)
        try:
            await self._leases.release(names)
        except (*VALKEY_FAULTS, RedisError) as fault:
            log.warning("listener_leases_left", error=repr(fault), users=len(names))

    def changed(self, uids: Iterable[str]) -> None:
        """These users' documents changed: who is online, or which companies are theirs."""
        for uid in uids:
            listener = self._held.get(uid)
            if listener is not None and listener.companies_changed():
                listener.sync()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                if self._keeper.is_confirmed:
                    await self._reconcile()
                    await self._reap()
            except (*VALKEY_FAULTS, RedisError) as fault:
                log.warning("listener_leases_unknown", error=repr(fault), users=len(self._held))
            except Exception:
                # The edge of the loop: every user's listeners depend on it.
                log.exception("user_listeners_failed", users=len(self._held))
            await self._pause()

    async def _pause(self) -> None:
        await asyncio.sleep(GATHER_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        self._wake.clear()

    # Leases

    def names(self) -> list[str]:
        """What it holds."""
        return list(self._held)

    def lost(self, names: Iterable[str]) -> None:
        """This process does not hold these any more, if it still thinks so."""
        for uid in names:
            if uid in self._held:
                self._held.pop(uid).stop()

    def kept(self) -> None:
        """What is held is surely held again; what was published meanwhile may not have arrived."""
        self._reap_at = time.monotonic() + self._hold_s
        for listener in self._held.values():
            listener.sync()

    async def _reconcile(self) -> None:
        wanted = {uid for uid in self._directory.listened_for() if is_document_id(uid)}
        ended = [uid for uid in self._held if uid not in wanted]
        if ended:
            self.lost(ended)
            await self._leases.release(ended)
        self._others = {uid: known for uid, known in self._others.items() if uid in wanted}
        now = time.monotonic()
        self._seen_at = {uid: self._seen_at.get(uid, now) for uid in wanted}
        await self._claim([uid for uid in wanted if uid not in self._held and self._is_due(uid, now)])

    def _is_due(self, uid: str, now: float) -> bool:
        """Whether to try for a user's lease now.

        Cases in order: somebody else's → when that one died, or it is time to look again; a socket here → at once; else
        after leaving time to who has a socket.
        """
        holder, look_at = self._others.get(uid, ("", 0.0))
        if holder:
            return self._leases.is_dead(holder) or now >= look_at
        return uid in self._presence.sockets or now >= self._seen_at[uid] + YIELD_S

    async def _claim(self, uids: list[str]) -> None:
        if not uids:
            return
        holders = await self._leases.claim(uids)
        look_at = time.monotonic() + AUDIT_S * random.uniform(0.8, 1.2)  # noqa: S311 - spreads attempts, no secret
        for uid, holder in holders.items():
            if holder == self._leases.holder:
                self._others.pop(uid, None)
                self._held[uid] = listener = UserListener(uid, self._sources)
                listener.start()
            else:
                self._others[uid] = (holder, look_at)

    # Sockets of processes that died

    async def _reap(self) -> None:
        now = time.monotonic()
        if now < self._reap_at:
            return
        self._reap_at = now + REAP_S
        silent = self._directory.silent()
        uids = [uid for uid in {*self._held, *silent} if uid not in self._presence.sockets]
        self._presence.ended(await self._store.reap(uids))
        await self._end_silent([uid for uid in uids if uid in silent and uid not in self._ended])
        self._ended &= silent

    async def _end_silent(self, uids: list[str]) -> None:
        """Those who have no socket anywhere: the process that knew it died, and nobody held them then.

        Each is written once: Firestore may refuse it.
        """
        left = await self._store.drop(dict.fromkeys(uids, ()))
        ended = [uid for uid, count in left.items() if not count]
        self._ended.update(ended)
        self._presence.ended(ended)
