"""What the two registries should hold, in plain dictionaries: the model that the real one is held against.

Times are left out; what is newer is told by the number of the registration. A session's pointers are part of the
model: who ends a session finds its users by them.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

DEFAULT = "default"


@dataclass
class UnifiedEntry:
    session: str
    route: str
    # Number of its registration; whether the legacy entry was written with it.
    number: int = 0
    with_legacy: bool = False
    online: bool = True
    company: str = DEFAULT
    authorized: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    conversations: list[str] = field(default_factory=list)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)


class RegistryModel:
    """`on`: the flag, for everybody; it may change at any time."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self._numbers = itertools.count(1)
        self._legacy_number: dict[str, int] = {}
        self.legacy: dict[str, tuple[str, str]] = {}
        self.unified: dict[str, UnifiedEntry] = {}
        self.pointers: dict[str, set[str]] = {}
        self.collections: set[tuple[str, str]] = set()

    def register(self, user: str, session: str, route: str) -> None:
        number = next(self._numbers)
        self._write_legacy(user, session, route, number)
        self._point(session, user)
        if self.on:
            self._enter(user, session, route, number, with_legacy=True)

    def register_session(self, user: str, session: str, company: str, authorized: list[str], route: str) -> None:
        number = next(self._numbers)
        if self.on:
            self._write_legacy(user, session, route, number)
        self._point(session, user)
        entry = self._enter(user, session, route, number, with_legacy=self.on)
        entry.company, entry.authorized = company, list(dict.fromkeys(authorized))

    def unregister(self, session: str) -> bool:
        users = self.pointers.pop(session, set())
        ended = self._end_legacy(session, users)
        if self.on:
            self._end_unified(session, users, ended)
        return bool(ended)

    def unregister_session(self, session: str) -> bool:
        users = set(self.pointers.get(session, ()))
        ended: set[str] = set()
        if self.on:
            self.pointers.pop(session, None)
            ended = self._end_legacy(session, users)
        return self._end_unified(session, users, ended) or bool(ended)

    def touch(self, user: str) -> UnifiedEntry | None:
        """The unified entry; where the flag is on, made of the legacy one at the first touch."""
        if self.on and user not in self.unified and user in self.legacy:
            self._take_over(user)
        return self.unified.get(user)

    def follow(self, user: str) -> UnifiedEntry | None:
        """As `touch`; where the flag is on, the legacy registry is right about the session."""
        entry = self.unified.get(user)
        if self.on and entry is not None:
            number = self._legacy_number.get(user)
            if number is None:
                entry.online = entry.online and not entry.with_legacy
            elif number > entry.number:
                self._take_over(user)
        return self.touch(user)

    def beat(self, user: str) -> bool:
        entry = self.follow(user)
        if entry is not None and entry.online:
            self._point(entry.session, user)
        return entry is not None

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

    def _enter(self, user: str, session: str, route: str, number: int, *, with_legacy: bool) -> UnifiedEntry:
        entry = self.unified.setdefault(user, UnifiedEntry(session, route))
        entry.session, entry.route, entry.online = session, route, True
        entry.number, entry.with_legacy = number, with_legacy
        return entry

    def _take_over(self, user: str) -> None:
        session, route = self.legacy[user]
        self._enter(user, session, route, self._legacy_number[user], with_legacy=True)
        self._point(session, user)

    def _write_legacy(self, user: str, session: str, route: str, number: int) -> None:
        self.legacy[user] = (session, route)
        self._legacy_number[user] = number

    def _note_collection(self, user: str, name: str) -> None:
        entry = self.touch(user) if self.on else None
        if entry is not None and name not in entry.collections:
            entry.collections.append(name)

    def _point(self, session: str, user: str) -> None:
        self.pointers.setdefault(session, set()).add(user)

    def _end_legacy(self, session: str, users: set[str]) -> set[str]:
        ended = {user for user in users if self.legacy.get(user, ("", ""))[0] == session}
        for user in ended:
            del self.legacy[user], self._legacy_number[user]
        return ended

    def _end_unified(self, session: str, users: set[str], ended_in_legacy: set[str]) -> bool:
        was_online = False
        for user, entry in self.unified.items():
            if user in users and entry.online and entry.session == session:
                entry.online, was_online = False, True
            elif user in ended_in_legacy and entry.with_legacy:
                entry.online = False
        return was_online
