"""What the API knows of Firebase: sockets that open and close go in, figures and a report come out.

Where nothing is configured it does nothing, and grpc is never imported; else that is done beside the start-up, and
sockets that open meanwhile are told afterwards.
"""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import structlog

from service.domain.messages import Chat
from service.domain.presence import is_document_id
from service.gateways.firestore.access import FirebaseMisconfigured, read_access, read_account
from service.gateways.firestore.companies import AuthorizedCompanies
from service.gateways.firestore.quotas import CompanyQuotas
from service.settings import Settings
from service.store.events import EventStore
from service.store.lane import Lane

if TYPE_CHECKING:
    from service.listeners.firebase import Firebase

log = structlog.get_logger("listeners")

MAX_USERS_REPORTED: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class OpenSocket:
    """A socket of a user, from `Listeners.opened` to `closed`. `deliver` queues a text frame for it alone."""

    uid: str
    chat: Chat | None
    deliver: Callable[[str], None]
    socket_id: str = field(default_factory=lambda: uuid.uuid4().hex)


class Listeners:
    """One an API process."""

    def __init__(self, settings: Settings, lane: Lane, events: EventStore) -> None:
        self._settings = settings
        self._lane = lane
        self._events = events
        self._holder = f"{settings.pod_name}:{uuid.uuid4().hex}"
        self._sockets: set[OpenSocket] = set()
        self._greetings: dict[OpenSocket, asyncio.Task[None]] = {}
        self._firebase: Firebase | None = None
        self._fault: str | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def is_configured(self) -> bool:
        firebase = self._settings.firebase
        return firebase.has_firestore or firebase.database_url is not None

    @property
    def users_count(self) -> int:
        """Users whom this process listens for."""
        users = self._firebase.users if self._firebase is not None else None
        return users.listeners.count if users is not None else 0

    @property
    def workflow_count(self) -> int:
        """Users whose workflow this process listens to."""
        return self.users_count if self._settings.workflow_listener else 0

    @property
    def chats_count(self) -> int:
        """Threads that this process listens to."""
        chats = self._firebase.chats if self._firebase is not None else None
        return chats.count if chats is not None else 0

    def count_by_kind(self) -> dict[str, int]:
        """Listeners that this process holds; empty where Firebase is not configured."""
        if not self.is_configured:
            return {}
        return {"user": self.users_count, "workflow": self.workflow_count, "chat": self.chats_count}

    @property
    def companies(self) -> "AuthorizedCompanies | None":
        """The users' authorised companies; None: Firestore is not configured, or not started yet."""
        users = self._firebase.users if self._firebase is not None else None
        return users.companies if users is not None else None

    @property
    def quotas(self) -> "CompanyQuotas | None":
        """The companies' limits in Firestore; None: it is not configured, or not started yet."""
        users = self._firebase.users if self._firebase is not None else None
        return users.quotas if users is not None else None

    async def start(self) -> None:
        """Waits for nothing: Firebase and Valkey may come later."""
        if self.is_configured:
            self._starting = asyncio.create_task(self._start(), name="listeners-start")

    async def stop(self) -> None:
        tasks = [*self._greetings.values(), *([self._starting] if self._starting else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._firebase is not None:
            await self._firebase.stop()

    def opened(self, socket: OpenSocket) -> None:
        self._sockets.add(socket)
        if self._firebase is not None:
            self._tell(self._firebase, socket)

    def closed(self, socket: OpenSocket) -> None:
        """Also for a socket that was never opened."""
        if socket not in self._sockets:
            return
        self._sockets.remove(socket)
        greeting = self._greetings.pop(socket, None)
        if greeting is not None:
            greeting.cancel()
        if self._firebase is None:
            return
        if self._firebase.users is not None and is_document_id(socket.uid):
            self._firebase.users.presence.closed(socket.uid, socket.socket_id)
        if self._firebase.chats is not None and socket.chat is not None:
            self._firebase.chats.closed(socket.chat)

    def report(self) -> dict[str, Any]:
        """The parts `firestore` and `workflow_listeners` of /debug. No secret."""
        users = self._firebase.users if self._firebase is not None else None
        if users is None:
            status = "error" if self._fault else "disabled"
            firestore: dict[str, Any] = {"status": status} | ({"error": self._fault} if self._fault else {})
            return {"firestore": firestore, "workflow_listeners": _workflow_report(status, is_enabled=False)}
        fault = users.presence.fault or (None if users.directory.is_connected else "no answer")
        status = "error" if fault else "ok"
        firestore = {"status": status, "streams": users.watch.streams, "targets": users.watch.targets}
        if fault:
            firestore["error"] = fault
        if not self._settings.workflow_listener:
            return {"firestore": firestore, "workflow_listeners": _workflow_report("disabled", is_enabled=False)}
        listeners = list(users.listeners.listeners)
        workflow = _workflow_report(status, is_enabled=True) | {
            "active_count": len(listeners),
            "users": [listener.uid for listener in listeners[:MAX_USERS_REPORTED]],
            "cache_entries": sum(listener.jobs for listener in listeners),
        }
        return {"firestore": firestore, "workflow_listeners": workflow}

    async def _start(self) -> None:
        try:
            access, account = read_access(self._settings.firebase), read_account(self._settings.firebase)
            # A second of importing must not keep requests waiting.
            await asyncio.to_thread(import_module, "service.listeners.firebase")
            from service.listeners.firebase import Firebase

            firebase = Firebase(self._settings, access, account, self._lane, self._events, self._holder)
        except FirebaseMisconfigured as fault:
            self._fault = str(fault)
            log.error("listeners_misconfigured", error=self._fault)
            return
        except Exception as fault:
            # The edge of the start: the service answers without listeners, and says so in /debug.
            self._fault = type(fault).__name__
            log.exception("listeners_not_started")
            return
        firebase.start()
        self._firebase = firebase
        for socket in self._sockets:
            self._tell(firebase, socket)

    def _tell(self, firebase: "Firebase", socket: OpenSocket) -> None:
        if firebase.chats is not None and socket.chat is not None:
            firebase.chats.opened(socket.chat)
        if firebase.users is None or not is_document_id(socket.uid):
            return
        firebase.users.presence.opened(socket.uid, socket.socket_id)
        greeting = asyncio.create_task(firebase.users.greeter.greet(socket.uid, socket.deliver), name="greet")
        self._greetings[socket] = greeting
        greeting.add_done_callback(lambda _: self._greetings.pop(socket, None))


def _workflow_report(status: str, *, is_enabled: bool) -> dict[str, Any]:
    return {"status": status, "enabled": is_enabled, "active_count": 0, "users": [], "cache_entries": 0}
