"""The state of one query that is listened to, as the Listen protocol builds it up. Pure: no network, no Google types.

Firestore tells changes one by one and then that all of them together are a consistent state; only such states are
handed on. RESET begins the state anew: what does not come again is gone, and what comes unchanged is no change.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.gateways.firestore.model import Document, Query, Version

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One document. `before` None: it is new; `after` None: it is gone, or matches no more."""

    doc_id: str
    before: T | None
    after: T | None


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A new consistent state. `is_first`: nothing was known before; `is_resync`: the first after an outage."""

    changes: list[Change[T]]
    is_first: bool
    is_resync: bool


class Target(Generic[T]):
    """A query, what is kept of its documents, and who is told. `on_snapshot` must not block."""

    def __init__(self, query: Query, keep: Callable[[Document], T], on_snapshot: Callable[[Snapshot[T]], None]) -> None:
        self.query = query
        self.on_snapshot = on_snapshot
        self.resume_token = b""
        self._keep = keep
        self._entries: dict[str, tuple[Version, T]] = {}
        self._pending: dict[str, tuple[Version, T] | None] = {}
        self._is_reset = False
        self._is_current = False
        self._is_known = False
        self._is_resync = False

    @property
    def entries(self) -> dict[str, T]:
        """What is kept of each document, by its id; the last consistent state."""
        return {doc_id: value for doc_id, (_, value) in self._entries.items()}

    @property
    def size(self) -> int:
        """Documents of the last consistent state."""
        return len(self._entries)

    @property
    def is_known(self) -> bool:
        """Whether there was a consistent state yet."""
        return self._is_known

    @property
    def is_current(self) -> bool:
        """Whether all that was there when listening began has been told over the stream that is open."""
        return self._is_current

    @property
    def count(self) -> int:
        """Documents of the state that is being built, for comparison with what Firestore counts."""
        kept = 0 if self._is_reset else sum(doc_id not in self._pending for doc_id in self._entries)
        return kept + sum(entry is not None for entry in self._pending.values())

    def interrupt(self, *, is_outage: bool) -> None:
        """The stream broke: what is pending comes again, from the resume token on."""
        self._pending.clear()
        # Without a token Firestore tells the whole state, and of what is gone it says nothing.
        self._is_reset = not self.resume_token
        self._is_current = False
        self._is_resync = self._is_resync or is_outage

    def begin_anew(self) -> None:
        """The state cannot be continued: all of it is asked for again."""
        self.resume_token = b""
        self.interrupt(is_outage=False)

    def reset(self) -> None:
        """Firestore sends the whole state again."""
        self._pending.clear()
        self._is_reset = True
        self._is_current = False

    def change(self, doc_id: str, version: Version, read: Callable[[], Document]) -> None:
        """A document is new or changed; `read` is called only where its version is not known."""
        known = self._entries.get(doc_id)
        if known is not None and known[0] == version:
            self._pending[doc_id] = known
        else:
            self._pending[doc_id] = (version, self._keep(read()))

    def remove(self, doc_id: str) -> None:
        """A document is gone, or matches no more."""
        self._pending[doc_id] = None

    def set_current(self) -> None:
        """All that was there when listening began has been told."""
        self._is_current = True

    def take_snapshot(self, resume_token: bytes) -> Snapshot[T] | None:
        """The state is consistent, and can be continued from the token.

        None where it is not complete yet, or nothing changed since the last.
        """
        if not self._is_current:
            return None
        self.resume_token = resume_token
        changes = self._apply()
        is_first, is_resync = not self._is_known, self._is_resync
        if not changes and not is_first and not is_resync:
            return None
        self._is_known, self._is_resync = True, False
        return Snapshot(changes, is_first, is_resync)

    def _apply(self) -> list[Change[T]]:
        pending, self._pending = self._pending, {}
        if self._is_reset:
            pending = dict.fromkeys(self._entries) | pending
            self._is_reset = False
        changes = []
        for doc_id, entry in pending.items():
            before = self._entries.get(doc_id)
            if entry is before or (entry is None and before is None):
                continue
            if entry is None:
                del self._entries[doc_id]
            else:
                self._entries[doc_id] = entry
            changes.append(Change(doc_id, before and before[1], entry and entry[1]))
        return changes
