"""Who is to be listened for, as `listeners_registry` says it (contract.md, "WebSocket"): one query for all users."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from service.domain.presence import ONLINE, STATUS, PresenceRecord, parse_presence
from service.gateways.firestore.companies import COLLECTION
from service.gateways.firestore.model import Query
from service.gateways.firestore.targets import Snapshot, Target
from service.gateways.firestore.watch import Watch

# After an outage the heartbeats that could not be written come first; nobody is dropped before.
GRACE: Final = timedelta(seconds=10)


class Directory:
    """The users who say online. `on_change(uids)` is told whose document changed."""

    def __init__(self, watch: Watch, on_change: Callable[[set[str]], None]) -> None:
        self._watch = watch
        self._on_change = on_change
        self._trusted_from: datetime | None = None
        self._target: Target[PresenceRecord] = Target(
            Query("", COLLECTION, (STATUS, ONLINE)), lambda document: parse_presence(document.fields), self._take
        )
        self._records: dict[str, PresenceRecord] = {}

    def start(self) -> None:
        self._watch.add(self._target, is_alone=True)

    def listen_anew(self) -> None:
        """It misses users who are online."""
        self._watch.restart(self._target)

    @property
    def is_connected(self) -> bool:
        """Whether Firestore answers."""
        return self._watch.is_connected(self._target) and self._target.is_known

    def listened_for(self) -> set[str]:
        """Users who are online with a heartbeat that is young enough.

        While Firestore is away, and shortly after, nobody's heartbeat is thought too old: that it is not renewed tells
        nothing then.
        """
        now = self._watch.clock.now()
        if not self.is_connected:
            self._trusted_from = now + GRACE
        if self._trusted_from is not None and now < self._trusted_from:
            return {uid for uid, record in self._records.items() if record.listened_until is not None}
        return {uid for uid, record in self._records.items() if record.is_listened_for(now)}

    def silent(self) -> set[str]:
        """Users who say online and whose heartbeat has been too old for a while; none where that tells nothing."""
        now = self._watch.clock.now()
        if not self.is_connected or (self._trusted_from is not None and now < self._trusted_from):
            return set()
        heard_until = {uid: record.listened_until for uid, record in self._records.items()}
        return {uid for uid, until in heard_until.items() if until is not None and until + GRACE < now}

    def is_listened_for(self, uid: str) -> bool:
        record = self._records.get(uid)
        return record is not None and record.is_listened_for(self._watch.clock.now())

    def says_online(self, uid: str) -> bool:
        """Whether the user's document says online, however old its heartbeat."""
        return uid in self._records

    def companies_of(self, uid: str) -> tuple[str, ...]:
        """The user's authorised companies; empty where none are known."""
        record = self._records.get(uid)
        return record.authorized_companies if record is not None else ()

    def _take(self, snapshot: Snapshot[PresenceRecord]) -> None:
        for change in snapshot.changes:
            if change.after is None:
                self._records.pop(change.doc_id, None)
            else:
                self._records[change.doc_id] = change.after
        self._on_change({change.doc_id for change in snapshot.changes})
