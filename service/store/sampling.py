"""Reads users out of both registries side by side, a random sample or all of them. Changes nothing."""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from contract import keys
from service.domain import unified as doc
from service.domain.drift import UnifiedUser, UserPair
from service.domain.ids import DEFAULT_COMPANY
from service.store.batches import run_batches
from service.store.lane import Command, Lane
from service.store.legacy import build_read_user, parse_user

# Keys of one SCAN: a fraction of a millisecond of Valkey's time, so that requests hardly notice.
SCAN_COUNT: Final = 1_000
# Users of one round trip.
_BATCH: Final = 100
_LEGACY_USER: Final = keys.legacy_user("")
_UNIFIED_USER: Final = keys.unified_user("")
_COLLECTION: Final = "registry:chroma:"


@dataclass(frozen=True, slots=True)
class Sample:
    """`legacy`, `unified`: how many users each registry holds. `users`: those to compare, and their collections."""

    legacy: int
    unified: int
    users: tuple[str, ...]
    collections: dict[str, frozenset[str]]


async def scan_keys(lane: Lane, cursor: bytes = b"0") -> AsyncIterator[tuple[bytes, list[str]]]:
    """All keys in steps, each with the cursor that goes on behind it (`0`: that was the last)."""
    while True:
        cursor, found = await lane.ask("SCAN", cursor, "COUNT", SCAN_COUNT)
        yield cursor, [key.decode(errors="replace") for key in found]
        if cursor == b"0":
            return


class Drawing:
    """A sample that is being drawn: is offered all keys, and keeps up to `size` users of each registry; None: all."""

    def __init__(self, size: int | None, chance: random.Random) -> None:
        self._legacy, self._unified = _Reservoir(size, chance), _Reservoir(size, chance)
        self._collections: dict[str, set[str]] = {}

    def offer(self, key: str) -> None:
        if key.startswith(_LEGACY_USER):
            self._legacy.offer(key.removeprefix(_LEGACY_USER))
        elif key.startswith(_UNIFIED_USER):
            self._unified.offer(key.removeprefix(_UNIFIED_USER))
        elif key.startswith(_COLLECTION):
            user_id, _, name = key.removeprefix(_COLLECTION).partition(":")
            self._collections.setdefault(user_id, set()).add(name)

    def sample(self) -> Sample:
        users = self._legacy.kept | self._unified.kept
        used = {user_id: frozenset(names) for user_id, names in self._collections.items() if user_id in users}
        return Sample(self._legacy.offered, self._unified.offered, tuple(sorted(users)), used)


async def draw_sample(lane: Lane, size: int | None, chance: random.Random) -> Sample:
    """Up to `size` users of each registry, each as likely as any other; None: all of them."""
    drawing = Drawing(size, chance)
    async for _, found in scan_keys(lane):
        for key in found:
            drawing.offer(key)
    return drawing.sample()


async def read_pairs(
    lane: Lane, users: Sequence[str], collections: dict[str, frozenset[str]]
) -> AsyncIterator[UserPair]:
    """What both registries hold of each user now."""
    for start in range(0, len(users), _BATCH):
        batch = users[start : start + _BATCH]
        asked: list[Command] = [build_read_user(user_id) for user_id in batch]
        legacy = await run_batches(lane, asked, if_other_type=(None,))
        unified = await run_batches(
            lane, [("HGETALL", keys.unified_user(user_id)) for user_id in batch], if_other_type=()
        )
        hashes = [_hash(words) for words in unified]
        asked = [_ask_company(user_id, fields) for user_id, fields in zip(batch, hashes, strict=True)]
        company = await run_batches(lane, asked, if_other_type=0)
        for user_id, words, fields, is_in in zip(batch, legacy, hashes, company, strict=True):
            yield UserPair(
                user_id,
                parse_user(user_id, words),
                _unified_user(fields, is_in_company=bool(is_in)),
                collections.get(user_id, frozenset()) if fields else frozenset(),
            )


class _Reservoir:
    """Keeps `size` of the names it is offered, each as likely as any other (algorithm R). SCAN may offer one twice."""

    def __init__(self, size: int | None, chance: random.Random) -> None:
        self._size = size
        self._chance = chance
        self._kept: list[str] = []
        self.offered = 0

    @property
    def kept(self) -> set[str]:
        return set(self._kept)

    def offer(self, name: str) -> None:
        self.offered += 1
        if self._size is None or len(self._kept) < self._size:
            self._kept.append(name)
            return
        place = self._chance.randrange(self.offered)
        if place < self._size:
            self._kept[place] = name


def _ask_company(user_id: str, fields: dict[str, str]) -> tuple[str, str, str]:
    return ("HEXISTS", keys.company(fields.get(doc.CURRENT_COMPANY, DEFAULT_COMPANY)), doc.USER + user_id)


def _hash(words: Sequence[bytes]) -> dict[str, str]:
    texts = [word.decode(errors="replace") for word in words]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _unified_user(fields: dict[str, str], *, is_in_company: bool) -> UnifiedUser | None:
    if doc.USER_ID not in fields:
        return None
    return UnifiedUser(
        session_id=fields.get(doc.SESSION_ID, ""),
        backend_route=fields.get(doc.BACKEND_ROUTE, ""),
        last_seen_at=fields.get(doc.LAST_SEEN_AT, ""),
        status=fields.get(doc.STATUS, doc.OFFLINE),
        registered_at=fields.get(doc.REGISTERED_AT, ""),
        is_in_company=is_in_company,
        collections=frozenset(doc.read_list(fields, doc.COLLECTION)),
    )
