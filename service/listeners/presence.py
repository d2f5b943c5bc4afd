"""Tells Firestore who is online: at once when a user's first socket opens, again at each heartbeat, and when the last
one closes on any replica or its process died.

Sockets are counted in Valkey. Writes are gathered, so that a crowd costs a few of them, and are repeated until
Firestore takes them; the newest state of a user is what is written.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog
from redis.exceptions import RedisError

from service.domain.presence import HEARTBEAT_AT, OFFLINE, ONLINE, STATUS, TTL_SECONDS
from service.gateways.firestore.companies import path_of
from service.gateways.firestore.model import FirestoreFault, Merge
from service.store.client import VALKEY_FAULTS
from service.store.presence import PresenceStore

log = structlog.get_logger("listeners")

Write = Callable[[Sequence[Merge]], Awaitable[None]]

# Firestore takes 500 writes at once; fewer hold its locks for a shorter time (measured with 500 users on the emulator:
# 400 at once took more than 5 s beside the listeners that they start).
MAX_WRITES: Final = 100
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
FLUSH_S: Final = 3.0
# A user who was told online shows in the listeners' own query well within this.
FIRST_DOUBT_S: Final = 1.5
LONGEST_DOUBT_S: Final = 30.0
# Heartbeats are gathered to so many writes an interval.
GROUPS: Final = 9


class Presence:
    """The users with sockets in this process.

    `is_seen`: whether the listeners see that a user is online; `listen_anew`: what to do if they do not for long.
    """

    def __init__(
        self,
        store: PresenceStore,
        write: Write,
        *,
        is_seen: Callable[[str], bool],
        listen_anew: Callable[[], None],
        ttl_s: int,
        heartbeat_s: int,
    ) -> None:
        self._store = store
        self._write = write
        self._is_seen = is_seen
        self._listen_anew = listen_anew
        self._ttl_s = ttl_s
        self._heartbeat_s = max(1, heartbeat_s)
        self._renew_s = hold_s(ttl_s) / 3
        self._sockets: dict[str, set[str]] = {}
        # What Valkey does not know yet.
        self._opened: dict[str, set[str]] = {}
        self._closed: dict[str, set[str]] = {}
        # What Firestore does not know yet, and when it was told last that a user is online.
        self._online: set[str] = set()
        self._offline: set[str] = set()
        self._told_at: dict[str, float] = {}
        # Of users who were told and are not seen: how long the next telling is waited for.
        self._doubt_s: dict[str, float] = {}
        self._renewed_at = time.monotonic()
        self._beaten_at = time.monotonic()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.fault: str | None = None

    @property
    def sockets(self) -> Mapping[str, set[str]]:
        """The open sockets of this process, by user."""
        return self._sockets

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="presence")

    async def stop(self) -> None:
        """What is not written yet is tried once more: the sockets that closed just now."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._count()
                await self._tell()

    def opened(self, uid: str, socket_id: str) -> None:
        self._sockets.setdefault(uid, set()).add(socket_id)
        self._opened.setdefault(uid, set()).add(socket_id)
        if uid not in self._told_at:
            self._online.add(uid)
        self._wake.set()

    def closed(self, uid: str, socket_id: str) -> None:
        left = self._sockets.get(uid, set())
        left.discard(socket_id)
        if not left:
            self._sockets.pop(uid, None)
            self._told_at.pop(uid, None)
            self._online.discard(uid)
        self._opened.get(uid, set()).discard(socket_id)
        self._closed.setdefault(uid, set()).add(socket_id)
        self._wake.set()

    def contradicted(self, uids: Iterable[str]) -> None:
        """Firestore says that these are not online: another program wrote it, or it lost its data."""
        for uid in uids:
            if uid in self._sockets:
                self._told_at.pop(uid, None)
                self._online.add(uid)
        self._wake.set()

    def ended(self, uids: Iterable[str]) -> None:
        """The process that held their last sockets died."""
        self._offline.update(uids)
        self._wake.set()

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(0.5, self._heartbeat_s / GROUPS)):
                    await self._wake.wait()
            self._wake.clear()
            try:
                self._beat()
                self._doubt()
                is_counted = await self._count()
                is_told = await self._tell()
            except Exception:
                # The edge of the loop: presence of every user here depends on it.
                log.exception("presence_failed")
                is_counted = is_told = False
            if is_counted and is_told:
                pause_s = FIRST_PAUSE_S
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._wake.set()

    def _beat(self) -> None:
        """Marks whose heartbeat is due, in groups."""
        now = time.monotonic()
        if now - self._beaten_at < self._heartbeat_s / GROUPS:
            return
        self._beaten_at = now
        # The next group comes too late for those who are due before it.
        due_at = now - self._heartbeat_s * (1 - 1 / GROUPS)
        self._online.update(uid for uid in self._sockets if self._told_at.get(uid, 0.0) <= due_at)

    def _doubt(self) -> None:
        """Tells those again who were told and are not seen, with growing pauses, and then listens anew.

        A change that comes while a query is being added can stay unseen until the next one (the emulator does that).
        """
        now = time.monotonic()
        is_deaf = False
        self._doubt_s = {uid: pause_s for uid, pause_s in self._doubt_s.items() if uid in self._told_at}
        for uid, told_at in self._told_at.items():
            if self._is_seen(uid):
                self._doubt_s.pop(uid, None)
                continue
            pause_s = self._doubt_s.get(uid, FIRST_DOUBT_S)
            if now - told_at >= pause_s:
                self._doubt_s[uid] = min(2 * pause_s, LONGEST_DOUBT_S)
                self._online.add(uid)
                is_deaf = is_deaf or pause_s > FIRST_DOUBT_S
        if is_deaf:
            self._listen_anew()

    # Valkey

    async def _count(self) -> bool:
        """Notes sockets that opened and closed; whether Valkey knows all of them now."""
        opened, self._opened = {uid: ids for uid, ids in self._opened.items() if ids}, {}
        closed, self._closed = self._closed, {}
        now = time.monotonic()
        is_renewal = now - self._renewed_at >= self._renew_s
        if is_renewal:
            opened |= self._sockets
        try:
            await self._store.hold({uid: tuple(ids) for uid, ids in opened.items()})
            if is_renewal:
                self._renewed_at = now
            left = await self._store.drop({uid: tuple(ids) for uid, ids in closed.items()})
        except (*VALKEY_FAULTS, RedisError) as fault:
            log.warning("presence_not_counted", error=repr(fault), users=len(opened) + len(closed))
            self._count_later(opened, closed)
            return False
        except asyncio.CancelledError:
            self._count_later(opened, closed)
            raise
        self._offline.update(uid for uid, count in left.items() if not count and uid not in self._sockets)
        return True

    def _count_later(self, opened: dict[str, set[str]], closed: dict[str, set[str]]) -> None:
        """What Valkey did not take waits again; of the opened sockets, those that are still open."""
        for uid, ids in opened.items():
            self._opened.setdefault(uid, set()).update(ids & self._sockets.get(uid, set()))
        for uid, ids in closed.items():
            self._closed.setdefault(uid, set()).update(ids)

    # Firestore

    async def _tell(self) -> bool:
        """Writes who is online and who went; whether all of it was taken."""
        while self._online or self._offline:
            # A user with a socket here is online, whatever was counted a moment ago.
            self._offline -= self._sockets.keys()
            states = dict.fromkeys(self._offline, OFFLINE) | dict.fromkeys(self._online, ONLINE)
            batch = dict(list(states.items())[:MAX_WRITES])
            if not batch:
                break
            try:
                await self._write_states(batch)
            except FirestoreFault as fault:
                self.fault = str(fault)
                log.warning("presence_not_written", error=self.fault, users=len(batch))
                return False
            self.fault = None
            await self._written(batch)
        return True

    async def _write_states(self, states: Mapping[str, str]) -> None:
        """All at once; one by one where Firestore refuses one of them for good, which is left out then."""
        try:
            await self._write([self._build_merge(uid, state) for uid, state in states.items()])
        except FirestoreFault as fault:
            if not fault.is_lasting:
                raise
            for uid, state in states.items():
                try:
                    await self._write([self._build_merge(uid, state)])
                except FirestoreFault as refusal:
                    if not refusal.is_lasting:
                        raise
                    log.error("presence_refused", user_id=uid, error=str(refusal))

    async def _written(self, states: Mapping[str, str]) -> None:
        now = time.monotonic()
        for uid, state in states.items():
            if state == ONLINE:
                self._online.discard(uid)
                if uid in self._sockets:
                    self._told_at[uid] = now
        went = [uid for uid, state in states.items() if state == OFFLINE]
        self._offline.difference_update(went)
        if went:
            await self._correct(went)

    async def _correct(self, went: list[str]) -> None:
        """A socket that opened on another replica while `offline` was written may have been overwritten by it."""
        try:
            left = await self._store.drop(dict.fromkeys(went, ()))
        except (*VALKEY_FAULTS, RedisError) as fault:
            log.warning("presence_not_counted", error=repr(fault), users=len(went))
            return
        self._online.update(uid for uid, count in left.items() if count)

    def _build_merge(self, uid: str, state: str) -> Merge:
        if state == OFFLINE:
            return Merge(path_of(uid), {STATUS: OFFLINE})
        return Merge(path_of(uid), {STATUS: ONLINE, TTL_SECONDS: self._ttl_s}, server_times=(HEARTBEAT_AT,))


def hold_s(ttl_s: int) -> float:
    """How long a socket counts that nobody renews: half of a heartbeat's life, so that a dead process shows sooner."""
    return max(1.0, ttl_s / 2)
