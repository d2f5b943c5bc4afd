"""Gives each new socket its own `notif.sync` and `msg.sync` (contract.md, "WebSocket"), also a second tab's.

A user who comes online is told by whoever begins to listen, and the first socket with it; one who was online already is
not told again, so that a new socket is given the state: from this process's listener, else read for it.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog
from redis.exceptions import RedisError

from service.domain.events import Event, build_envelope
from service.domain.messages import MSG_SYNC, build_messages, build_msg_sync, is_key
from service.domain.notifications import NOTIF_SYNC, build_notif_sync, choose_visible
from service.gateways.firestore.client import FirestoreClient
from service.gateways.firestore.companies import AuthorizedCompanies
from service.gateways.firestore.model import FirestoreFault
from service.gateways.rtdb.client import RtdbClient, RtdbFault
from service.listeners.directory import Directory
from service.listeners.user import messages_path, notifications_of, read_item
from service.listeners.users import UserListeners
from service.store.client import VALKEY_FAULTS
from service.store.events import EventStore, StreamId

log = structlog.get_logger("listeners")

# A user who comes online is told by the listener within this, or the state is read for the socket.
PATIENCE_S: Final = 2.5
MAX_WAITS: Final = 8
# Sockets that are greeted by reading at once; the others wait, and requests go on.
READERS: Final = 16

Deliver = Callable[[str], None]


class Greeter:
    """`database` None: no Realtime Database."""

    def __init__(
        self,
        client: FirestoreClient,
        database: RtdbClient | None,
        directory: Directory,
        companies: AuthorizedCompanies,
        users: UserListeners,
        events: EventStore,
    ) -> None:
        self._client = client
        self._database = database
        self._directory = directory
        self._companies = companies
        self._users = users
        self._events = events
        self._readers = asyncio.Semaphore(READERS)

    async def greet(self, uid: str, deliver: Deliver) -> None:
        """Hands the socket its states, unless it gets them as the user's events anyway."""
        wanted = {NOTIF_SYNC, MSG_SYNC} if self._database is not None and is_key(uid) else {NOTIF_SYNC}
        # Before anything is awaited: whether somebody listened for the user already when this socket came.
        was_online = self._directory.is_listened_for(uid)
        try:
            began_at = await self._events.read_last_id(uid)
            if not was_online:
                wanted = await self._wait(uid, wanted, began_at)
            known = self._users.states_of(uid)
            # One that was published while another was read is newer than it.
            own = [known.get(kind) or await self._read(kind, uid) for kind in sorted(wanted, reverse=True)]
            told = await self._told_since(uid, began_at) if own else set()
            for event in own:
                if event.type not in told:
                    deliver(build_envelope(event).decode())
        except (*VALKEY_FAULTS, RedisError, FirestoreFault, RtdbFault) as fault:
            # Once it is back, whoever listens for the user tells every socket the whole state.
            log.warning("socket_not_greeted", user_id=uid, error=str(fault))

    async def _wait(self, uid: str, wanted: set[str], began_at: StreamId) -> set[str]:
        """Waits for who begins to listen; what is still wanted then.

        A listener of this process that has no state yet is waited for: reading beside it would only slow it down.
        """
        for _ in range(MAX_WAITS):
            await asyncio.sleep(PATIENCE_S)
            wanted = wanted - await self._told_since(uid, began_at)
            if not wanted or not self._users.is_preparing(uid):
                break
        return wanted

    async def _told_since(self, uid: str, began_at: StreamId) -> set[str]:
        """Which states were published for the user since: the socket has them, and newer ones."""
        told = await self._events.read_after(uid, began_at)
        return {msgspec.json.decode(envelope, type=_Envelope).type for _, envelope in told.events}

    async def _read(self, kind: str, uid: str) -> Event:
        now = datetime.now(UTC)
        async with self._readers:
            if kind == MSG_SYNC and self._database is not None:
                return build_msg_sync(uid, build_messages(await self._database.read(messages_path(uid))), now)
            documents = await self._client.query(notifications_of(uid))
            companies = await self._companies_of(uid)
        visible = choose_visible(map(read_item, documents), companies)
        return build_notif_sync(uid, visible, now)

    async def _companies_of(self, uid: str) -> tuple[str, ...]:
        """Of a user who is not seen online yet they are read: none would mean all."""
        if self._directory.says_online(uid):
            return self._directory.companies_of(uid)
        return await self._companies.read(uid)


class _Envelope(msgspec.Struct):
    type: str
