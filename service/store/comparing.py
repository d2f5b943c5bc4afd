"""Compares the users of a sample in both registries; what one user's comparison says is `service.domain.drift`'s.

What differs is looked at once more a moment later: a user who was being written just then has not drifted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from contract import keys
from service.domain.drift import Comparison, compare_user
from service.store.batches import run_batches
from service.store.lane import Lane
from service.store.sampling import Sample, read_pairs

# A registration writes one registry after the other, the second within half a second.
SECOND_LOOK_S: Final = 1.0

IsOn = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Compared:
    """What each user's comparison says. `off`: users for whom the flag is off, who are not compared."""

    users: Mapping[str, Comparison]
    off: int


async def compare_sample(
    lane: Lane, sample: Sample, is_on: IsOn, *, writes_legacy: bool, second_look_s: float = SECOND_LOOK_S
) -> Compared:
    """Raises redis-py's errors."""
    compared = await _compare(lane, sample.users, sample.collections, is_on, writes_legacy)
    suspects = [user_id for user_id, comparison in compared.users.items() if comparison.drifts]
    if not suspects:
        return compared
    await asyncio.sleep(second_look_s)
    collections = {user_id: sample.collections.get(user_id, frozenset()) for user_id in suspects}
    again = await _compare(lane, suspects, await _read_living(lane, collections), is_on, writes_legacy)
    return Compared({**compared.users, **again.users}, compared.off)


async def _compare(
    lane: Lane,
    users: Sequence[str],
    collections: dict[str, frozenset[str]],
    is_on: IsOn,
    writes_legacy: bool,
) -> Compared:
    found: dict[str, Comparison] = {}
    off = 0
    async for pair in read_pairs(lane, users, collections):
        if await is_on(pair.user_id):
            found[pair.user_id] = compare_user(pair, datetime.now(UTC), writes_legacy=writes_legacy)
        else:
            off += 1
    return Compared(found, off)


async def _read_living(lane: Lane, collections: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Those that the legacy registry still has: one ends after 90 s."""
    names = [(user_id, name) for user_id, of_user in collections.items() for name in sorted(of_user)]
    lives = await run_batches(lane, [("EXISTS", keys.legacy_collection(*name)) for name in names])
    living: dict[str, set[str]] = {user_id: set() for user_id in collections}
    for (user_id, name), is_alive in zip(names, lives, strict=True):
        if is_alive:
            living[user_id].add(name)
    return {user_id: frozenset(of_user) for user_id, of_user in living.items()}
