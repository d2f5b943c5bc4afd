"""What the two registries should hold, in plain dictionaries: the model that the real one is held against.

Times are left out. A session's pointers are part of the model: who ends a session finds its users by them.
"""

from dataclasses import dataclass, field
from typing import Any

DEFAULT = "default"


@dataclass
class UnifiedEntry:
    session: str
    route: str
    online: bool = True
    company: str = DEFAULT
    authorized: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    conversations: list[str] = field(default_factory=list)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)


class RegistryModel:
    """`on`: the flag, for everybody."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.legacy: dict[str, tuple[str, str]] = {}
        self.unified: dict[str, UnifiedEntry] = {}
        self.pointers: dict[str, set[str]] = {}
        self.collections: set[tuple[str, str]] = set()

    def register(self, user: str, session: str, route: str) -> None:
        self.legacy[user] = (session, route)
        self._point(session, user)
        if self.on:
            self._enter(user, session, route)

    def register_session(self, user: str, session: str, company: str, authorized: list[str], route: str) -> None:
        if self.on:
            self.legacy[user] = (session, route)
        self._point(session, user)
        entry = self._enter(user, session, route)
        entry.company, entry.authorized = company, list(dict.fromkeys(authorized))

    def unregister(self, session: str) -> bool:
        users = self.pointers.pop(session, set())
        ended = self._end_legacy(session, users)
        if self.on:
            self._end_unified(session, users)
        return ended

    def unregister_session(self, session: str) -> bool:
        users = set(self.pointers.get(session, ()))
        if self.on:
            self.pointers.pop(session, None)
            self._end_legacy(session, users)
        return self._end_unified(session, users)

    def touch(self, user: str) -> UnifiedEntry | None:
        """The unified entry; where the flag is on, made of the legacy one at the first touch."""
        if self.on and user not in self.unified and user in self.legacy:
            self._enter(user, *self.legacy[user])
        return self.unified.get(user)

    def add_collection(self, user: str, name: str) -> None:
        self.collections.add((user, name))
        self._note_collection(user, name)

    def beat_collection(self, user: str, name: str) -> bool:
        if (user, name) not in self.collections:
            return False
        self._note_collection(user, name)
        return True

    def remove_collection(self, user: str, name: str) -> bool:
        was_there = (user, name) in self.collections
        self.collections.discard((user, name))
        entry = self.touch(user) if self.on else None
        if entry is not None and name in entry.collections:
            entry.collections.remove(name)
        return was_there

    def active_users(self, company: str) -> list[str]:
        return sorted(user for user, entry in self.unified.items() if entry.online and entry.company == company)

    def _enter(self, user: str, session: str, route: str) -> UnifiedEntry:
        entry = self.unified.setdefault(user, UnifiedEntry(session, route))
        entry.session, entry.route, entry.online = session, route, True
        return entry

    def _note_collection(self, user: str, name: str) -> None:
        entry = self.touch(user) if self.on else None
        if entry is not None and name not in entry.collections:
            entry.collections.append(name)

    def _point(self, session: str, user: str) -> None:
        self.pointers.setdefault(session, set()).add(user)

    def _end_legacy(self, session: str, users: set[str]) -> bool:
        ended = [user for user in users if self.legacy.get(user, ("", ""))[0] == session]
        for user in ended:
            del self.legacy[user]
        return bool(ended)

    def _end_unified(self, session: str, users: set[str]) -> bool:
        entries = [self.unified[user] for user in users if user in self.unified]
        ended = [entry for entry in entries if entry.online and entry.session == session]
        for entry in ended:
            entry.online = False
        return bool(ended)
