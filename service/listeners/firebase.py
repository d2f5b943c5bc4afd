"""Everything that talks to Firebase in one API process, put together. Importing it imports grpc and aiohttp."""

from collections.abc import Mapping
from typing import Any

from service.gateways.firestore.access import FirestoreAccess
from service.gateways.firestore.client import FirestoreClient
from service.gateways.firestore.companies import AuthorizedCompanies
from service.gateways.firestore.quotas import CompanyQuotas
from service.gateways.firestore.watch import Watch
from service.gateways.rtdb.client import GoogleTokens, RtdbClient
from service.listeners.chats import ChatListeners
from service.listeners.directory import Directory
from service.listeners.greeter import Greeter
from service.listeners.keeper import LeaseKeeper
from service.listeners.outbox import Outbox
from service.listeners.presence import Presence, hold_s
from service.listeners.user import Sources
from service.listeners.users import UserListeners
from service.settings import Settings
from service.store.chat_positions import ChatPositions
from service.store.events import EventStore
from service.store.lane import Lane
from service.store.leases import Leases
from service.store.presence import PresenceStore


class Firebase:
    """Made and started inside a running event loop. Without Firestore there are only chats, without a database none."""

    def __init__(
        self,
        settings: Settings,
        access: FirestoreAccess | None,
        account: Mapping[str, Any] | None,
        lane: Lane,
        events: EventStore,
        holder: str,
    ) -> None:
        self._keeper = LeaseKeeper(Leases(lane, holder))
        self._outbox = Outbox(events, lambda: self._keeper.is_confirmed, is_debug=settings.listeners_debug)
        url = settings.firebase.database_url
        self._database = RtdbClient(url, GoogleTokens(account) if account else None) if url else None
        self.chats: ChatListeners | None = None
        if self._database is not None:
            self.chats = ChatListeners(self._keeper, self._database, self._outbox, ChatPositions(lane))
        self.users: FirestoreSide | None = None
        if access is not None:
            self.users = FirestoreSide(settings, access, self._database, self._keeper, self._outbox, lane, events)

    def start(self) -> None:
        users = self.users.listeners if self.users is not None else None
        self._keeper.start(*(group for group in (users, self.chats) if group is not None))
        self._outbox.start()
        if self.users is not None:
            self.users.start()
        if self.chats is not None:
            self.chats.start()

    async def stop(self) -> None:
        if self.chats is not None:
            await self.chats.stop()
        if self.users is not None:
            await self.users.stop()
        await self._keeper.stop()
        await self._outbox.stop()
        if self._database is not None:
            await self._database.close()


class FirestoreSide:
    """Presence, the listeners of users, and what else of Firestore this service needs."""

    def __init__(
        self,
        settings: Settings,
        access: FirestoreAccess,
        database: RtdbClient | None,
        keeper: LeaseKeeper,
        outbox: Outbox,
        lane: Lane,
        events: EventStore,
    ) -> None:
        ttl_s = settings.presence_ttl_s
        store = PresenceStore(lane, hold_s(ttl_s))
        self.client = FirestoreClient(access)
        self.companies = AuthorizedCompanies(self.client)
        self.quotas = CompanyQuotas(self.client)
        self.watch = Watch(self.client)
        self.directory = Directory(self.watch, self._documents_changed)
        self.presence = Presence(
            store,
            self.client.write,
            is_seen=lambda uid: self.directory.says_online(uid) or not self.directory.is_connected,
            listen_anew=self.directory.listen_anew,
            ttl_s=ttl_s,
            heartbeat_s=settings.presence_heartbeat_s,
        )
        sources = Sources(self.watch, database, outbox, self.directory.companies_of, settings.workflow_listener)
        self.listeners = UserListeners(keeper, sources, self.directory, self.presence, store, ttl_s=ttl_s)
        self.greeter = Greeter(self.client, database, self.directory, self.companies, self.listeners, events)

    def start(self) -> None:
        self.directory.start()
        self.presence.start()
        self.listeners.start()

    def _documents_changed(self, uids: set[str]) -> None:
        self.presence.contradicted(uid for uid in uids if not self.directory.says_online(uid))
        self.listeners.changed(uids)

    async def stop(self) -> None:
        await self.listeners.stop()
        await self.presence.stop()
        await self.watch.close()
        await self.client.close()
