"""Listens to Firebase for one user: notifications, direct messages and the workflow of jobs become events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from service.domain.events import Event
from service.domain.messages import MSG_SYNC, build_messages, build_msg_sync, is_key
from service.domain.notifications import (
    NOTIF_SYNC,
    Item,
    build_notif_sync,
    build_notification,
    choose_visible,
)
from service.domain.workflow import NOTHING, Workflow, build_workflow_events, parse_workflow
from service.gateways.firestore.model import Document, Query
from service.gateways.firestore.targets import Snapshot, Target
from service.gateways.firestore.watch import Watch
from service.gateways.rtdb.client import RtdbClient
from service.gateways.rtdb.listener import RtdbListener
from service.listeners.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Sources:
    """What users are listened for with. `database` None: no Realtime Database; `companies_of`: a user's."""

    watch: Watch
    database: RtdbClient | None
    outbox: Outbox
    companies_of: Callable[[str], tuple[str, ...]]
    workflow: bool


def notifications_of(uid: str) -> Query:
    """A user's unread notifications."""
    return Query(f"clients/{uid}", "notifications", ("read", False))


def messages_path(uid: str) -> str:
    return f"clients/{uid}/direct_message_notif"


def read_item(document: Document) -> Item:
    return build_notification(document.doc_id, document.fields)


class UserListener:
    """One user, from `start` to `stop`. After `stop` nothing of it is published any more."""

    def __init__(self, uid: str, sources: Sources) -> None:
        self.uid = uid
        self._sources = sources
        self._is_stopped = False
        self._companies = sources.companies_of(uid)
        self._notifications: Target[Item] = Target(
            notifications_of(uid), read_item, lambda _: self._sync_notifications()
        )
        self._workflow: Target[Workflow] | None = None
        self._messages: RtdbListener | None = None
        if sources.workflow:
            query = Query(f"clients/{uid}", "task_manager")
            self._workflow = Target(query, lambda document: parse_workflow(document.fields), self._workflow_changed)
        if sources.database is not None and is_key(uid):
            self._messages = RtdbListener(sources.database, messages_path(uid), lambda _: self._sync_messages())

    @property
    def is_ready(self) -> bool:
        """Whether every state is known."""
        return self._notifications.is_known and (self._messages is None or self._messages.is_known)

    @property
    def jobs(self) -> int:
        """Jobs whose fields are kept for comparison."""
        return self._workflow.size if self._workflow is not None else 0

    def start(self) -> None:
        self._sources.watch.add(self._notifications)
        if self._workflow is not None:
            self._sources.watch.add(self._workflow)
        if self._messages is not None:
            self._messages.start()

    def stop(self) -> None:
        self._is_stopped = True
        self._sources.watch.remove(self._notifications)
        if self._workflow is not None:
            self._sources.watch.remove(self._workflow)
        if self._messages is not None:
            self._messages.cancel()

    def companies_changed(self) -> bool:
        """Whether the user's companies are others than when this was asked last: they decide what is shown."""
        before, self._companies = self._companies, self._sources.companies_of(self.uid)
        return before != self._companies

    def sync(self) -> None:
        """Publishes the states that are known."""
        self._sync_notifications()
        self._sync_messages()

    def states(self) -> dict[str, Event]:
        """The states that are known now, by their event's type."""
        return {event.type: event for event in (*self._notif_sync(), *self._msg_sync())}

    # Notifications and messages: the whole state, whenever it changed

    def _sync_notifications(self) -> None:
        self._sources.outbox.put(self.uid, self._notif_sync, state=NOTIF_SYNC)

    def _sync_messages(self) -> None:
        self._sources.outbox.put(self.uid, self._msg_sync, state=MSG_SYNC)

    def _notif_sync(self) -> list[Event]:
        if self._is_stopped or not self._notifications.is_known:
            return []
        visible = choose_visible(self._notifications.entries.values(), self._sources.companies_of(self.uid))
        return [build_notif_sync(self.uid, visible, datetime.now(UTC))]

    def _msg_sync(self) -> list[Event]:
        if self._is_stopped or self._messages is None or not self._messages.is_known:
            return []
        return [build_msg_sync(self.uid, build_messages(self._messages.tree), datetime.now(UTC))]

    # Workflow: what changed

    def _workflow_changed(self, snapshot: Snapshot[Workflow]) -> None:
        # What was there before listening began is no change.
        if snapshot.is_first:
            return
        for change in snapshot.changes:
            if change.after is not None:
                before = change.before or NOTHING
                self._sources.outbox.put(
                    self.uid, partial(self._workflow_events, change.doc_id, before, change.after, datetime.now(UTC))
                )

    def _workflow_events(self, job_id: str, before: Workflow, after: Workflow, now: datetime) -> list[Event]:
        return [] if self._is_stopped else build_workflow_events(self.uid, job_id, before, after, now)
