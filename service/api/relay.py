"""Relays events from Valkey to the sockets of this process, over one subscription connection.

A user with a socket here is a feed: subscribed to, and remembered with the newest event relayed. After an outage the
connection is made again, every feed subscribed again, and what was published meanwhile is read from the user's stream.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from contract import keys
from service.api.socket import Socket
from service.domain.events import RESYNC_REQUIRED, Event, build_envelope
from service.metrics import EVENT_RESYNCS, EVENTS_REPLAYED
from service.settings import Settings
from service.store.client import VALKEY_FAULTS, Valkey, end_tasks
from service.store.events import START, EventStore, StreamId, parse_stream_id, write_stream_id

log = structlog.get_logger("pinnokio.relay")

# The connection is asked for a sign of life when it was silent so long, and given up when it stays silent once more.
SILENCE_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
SUBSCRIBE_AT_ONCE: Final = 500
# Streams read at once after an outage; the rest of the pool stays for requests.
READERS: Final = 16


class _Feed:
    """A user with sockets here. While `is_behind`, live events wait in `held`.

    `newest`: newest event relayed, or in the stream when it was subscribed; None: not known yet. `opened`: where it
    begins when the connection breaks before that is known.
    """

    __slots__ = ("held", "is_behind", "newest", "opened", "sockets", "subscribed")

    def __init__(self) -> None:
        self.sockets: set[Socket] = set()
        self.opened = _id_before_now()
        self.newest: StreamId | None = None
        self.subscribed = asyncio.Event()
        self.is_behind = True
        self.held: list[tuple[StreamId | None, str]] = []


class Relay:
    """Start it with the process, attach sockets, stop it at the end."""

    def __init__(self, valkey: Valkey, settings: Settings) -> None:
        self._valkey = valkey
        self._events = EventStore(valkey, settings)
        self._feeds: dict[str, _Feed] = {}
        # SUBSCRIBEs under way, by user: one that an UNSUBSCRIBE follows confirms nothing.
        self._unconfirmed: Counter[str] = Counter()
        self._connection: AbstractConnection | None = None
        # Connections that broke: what was asked for one counts no more after it.
        self._broken = 0
        self._task: asyncio.Task[None] | None = None
        self._catching_up: set[asyncio.Task[None]] = set()
        self._readers = asyncio.Semaphore(READERS)

    @property
    def sockets(self) -> int:
        """Open sockets of this process."""
        return sum(len(feed.sockets) for feed in self._feeds.values())

    def open_sockets(self) -> list[Socket]:
        return [socket for feed in self._feeds.values() for socket in feed.sockets]

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """Ends the relay; closing the sockets is the server's."""
        tasks = [*self._catching_up, *([self._task] if self._task else [])]
        await end_tasks(*tasks)
        self._task = None

    async def attach(self, socket: Socket, since: str | None) -> None:
        """From now on the socket gets its user's events; first what came after `since` (a stream id), if it asks.

        It waits for no answer. While Valkey is away, the socket gets what is published once Valkey is back.
        """
        feed = self._feeds.get(socket.uid)
        if since is not None:
            socket.hold()
        if feed is not None:
            feed.sockets.add(socket)
        else:
            feed = self._feeds[socket.uid] = _Feed()
            feed.sockets.add(socket)
            if self._connection is None:
                feed.newest = feed.opened
            else:
                await self._subscribe(socket.uid)
        if since is not None:
            self._start(self._replay(socket, feed, since))

    async def detach(self, socket: Socket) -> None:
        """The socket is gone; its user's feed with the last one."""
        socket.forget()
        feed = self._feeds.get(socket.uid)
        if feed is None:
            return
        feed.sockets.discard(socket)
        if not feed.sockets:
            del self._feeds[socket.uid]
            # Nobody else tells its replays.
            feed.subscribed.set()
            await self._send("UNSUBSCRIBE", keys.relay_channel(socket.uid))

    # The connection

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            connection: Any = self._valkey.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
                pause_s = FIRST_PAUSE_S
                await self._listen(connection)
            except (*VALKEY_FAULTS, RedisError) as fault:
                log.warning("relay_disconnected", error=repr(fault), sockets=self.sockets)
            except Exception:
                # The edge of the loop: events of every user here depend on it.
                log.exception("relay_failed")
            finally:
                self._connection = None
                self._fall_behind()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self, connection: Any) -> None:
        """Reads until the connection breaks."""
        self._connection = connection
        users = list(self._feeds)
        for start in range(0, len(users), SUBSCRIBE_AT_ONCE):
            await self._subscribe(*users[start : start + SUBSCRIBE_AT_ONCE])
        is_asked = False
        while True:
            message = await connection.read_response(timeout=SILENCE_S, push_request=True)
            if message is not None:
                is_asked = False
                self._take(message)
            elif is_asked:
                raise TimeoutError("the subscription connection is silent")
            else:
                is_asked = True
                await connection.send_command("PING", check_health=False)

    async def _subscribe(self, *users: str) -> None:
        for user_id in users:
            self._unconfirmed[user_id] += 1
        if users:
            await self._send("SUBSCRIBE", *(keys.relay_channel(user_id) for user_id in users))

    async def _send(self, *command: str) -> None:
        connection = self._connection
        if connection is None or not connection.is_connected:
            # The next connection subscribes to whatever feeds there are then.
            return
        try:
            await connection.send_command(*command, check_health=False)
        except (*VALKEY_FAULTS, RedisError) as fault:
            log.debug("relay_command_not_sent", error=repr(fault))

    def _take(self, message: Any) -> None:
        """One message of the subscription: an event, or the confirmation of a SUBSCRIBE."""
        if not isinstance(message, list) or len(message) < 3:
            return
        kind, channel, data = message[0], message[1], message[2]
        user_id = channel.decode()[len(keys.relay_channel("")) :] if channel else ""
        feed = self._feeds.get(user_id)
        if kind == b"message" and feed is not None:
            self._relay(feed, _read_id(data), data.decode())
        elif kind == b"subscribe":
            self._unconfirmed[user_id] -= 1
            # Only the last one counts: between an earlier one and it, this process was unsubscribed once.
            if self._unconfirmed[user_id] <= 0:
                del self._unconfirmed[user_id]
                if feed is not None:
                    self._start(self._catch_up(user_id, feed, self._broken))

    # Events

    def _relay(self, feed: _Feed, event_id: StreamId | None, text: str) -> None:
        if feed.is_behind:
            feed.held.append((event_id, text))
            return
        if event_id is not None:
            feed.newest = max(feed.newest or START, event_id)
        for socket in tuple(feed.sockets):
            socket.offer(event_id, text)

    def _fall_behind(self) -> None:
        """The connection is gone: nothing is certain until each feed is subscribed and read again."""
        self._broken += 1
        self._unconfirmed.clear()
        for feed in self._feeds.values():
            feed.newest = feed.newest or feed.opened
            feed.subscribed.clear()
            feed.is_behind = True
            feed.held.clear()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="relay-catch-up")
        self._catching_up.add(task)
        task.add_done_callback(self._catching_up.discard)

    async def _catch_up(self, user_id: str, feed: _Feed, broken: int) -> None:
        """Relays what was published while nobody was subscribed, then what came since. A new feed missed nothing.

        `broken`: connections that had broken when it was subscribed.
        """
        missed, newest = None, feed.newest
        try:
            async with self._readers:
                if newest is None:
                    newest = await self._events.read_last_id(user_id)
                else:
                    missed = await self._events.read_after(user_id, newest)
        except (*VALKEY_FAULTS, RedisError) as fault:
            # The subscription's connection breaks with the server's others, or the next message finds the gap.
            log.warning("relay_not_caught_up", error=repr(fault))
            if broken == self._broken:
                await self._reconnect()
            return
        if broken != self._broken:
            return
        feed.newest = newest
        feed.is_behind = False
        if missed is not None:
            if not missed.is_complete:
                self._tell_gap(user_id, feed)
            for event_id, envelope in missed.events:
                self._relay(feed, event_id, envelope.decode())
        held, feed.held = feed.held, []
        for held_id, text in held:
            self._relay(feed, held_id, text)
        feed.subscribed.set()

    async def _reconnect(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)

    async def _replay(self, socket: Socket, feed: _Feed, since: str) -> None:
        """Sends a socket what it missed; live events wait behind it."""
        await feed.subscribed.wait()
        if socket.is_closed:
            return
        position = parse_stream_id(since)
        try:
            missed = await self._events.read_after(socket.uid, position or START)
        except (*VALKEY_FAULTS, RedisError):
            missed = None
        if missed is None or position is None:
            await socket.send(_resync(socket.uid, since))
        else:
            if not missed.is_complete:
                await socket.send(_resync(socket.uid, since))
            for event_id, envelope in missed.events:
                await socket.send(envelope.decode(), event_id)
            EVENTS_REPLAYED.inc(len(missed.events))
        socket.release()

    def _tell_gap(self, user_id: str, feed: _Feed) -> None:
        """Only to those who asked for replays: Reflex knows no such event."""
        for socket in feed.sockets:
            if socket.wants_replay:
                socket.push(_resync(user_id, write_stream_id(feed.newest or START)))


def _resync(user_id: str, since: str) -> str:
    """The text for one socket, which counts as told."""
    EVENT_RESYNCS.inc()
    return build_envelope(Event(RESYNC_REQUIRED, user_id, {"since": since}, datetime.now(UTC))).decode()


def _read_id(envelope: bytes) -> StreamId | None:
    """The id that Valkey put in front: `{"id":"1700000000000-0",…`; None: the event is not kept, and has none."""
    if not envelope.startswith(b'{"id":'):
        return None
    milliseconds, _, sequence = envelope[7 : envelope.index(b'"', 7)].partition(b"-")
    return int(milliseconds), int(sequence)


def _id_before_now() -> StreamId:
    """A second ago, by this machine's clock: what a user misses who connects while Valkey is away begins there."""
    return int(time.time() * 1000) - 1000, 0
