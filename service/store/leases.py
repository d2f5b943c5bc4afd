"""Leases of listeners: one process listens for a user, and another takes over when that one died.

A process renews one entry for itself, not one a user: `pinnokio:listeners` says who lives, `listener:{name}` who
holds what. Taking over compares with the dead holder, so that of several takers one succeeds. A holder that could not
renew itself in time holds nothing (`is_valid`). Every method raises redis-py's errors.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from contract import keys
from service.store.batches import run_batches
from service.store.lane import Lane
from service.store.scripts import script

_RENEW: Final = script("holder_renew")
_CLAIM: Final = script("lease_claim")
_RELEASE: Final = script("delete_value_if_equal")

# A dead holder's users are taken over within TTL_S + RENEW_S and the time that listening anew takes: under 15 s.
TTL_S: Final = 8.0
RENEW_S: Final = 2.0
# What is left of a lease in any case, so that Valkey keeps none for ever; who holds one for longer extends it.
KEPT_S: Final = keys.DAY_S


class Leases:
    """The leases of one process. `holder` names it, and is never used again by another."""

    def __init__(
        self, lane: Lane, holder: str, *, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.holder = holder
        self._lane = lane
        self._ttl_s = ttl_s
        self._clock = clock
        self._valid_until = 0.0
        self._trusted_from = 0.0
        self._living: frozenset[str] = frozenset()
        # How often this process was thought dead, or unknown: what it held then may be another's now.
        self.lapses = 0

    @property
    def is_valid(self) -> bool:
        """Whether this process is believed alive, so that what it claimed is still its own."""
        return self._clock() < self._valid_until

    async def renew(self) -> None:
        """Says that this process lives; `lapses` grows where it was thought dead, or Valkey lost its data."""
        asked_at = self._clock()
        was_there, living = await self._lane.ask("EVAL", _RENEW, 1, keys.LISTENER_HOLDERS, *self._words())
        self._living = frozenset(holder.decode() for holder in living)
        self._valid_until = asked_at + self._ttl_s
        if not was_there:
            # Others may have been forgotten too: who is not listed yet gets the time to come back.
            self._trusted_from = asked_at + self._ttl_s
            self.lapses += 1

    def is_dead(self, holder: str) -> bool:
        """Whether a holder is known to have died."""
        return holder not in self._living and self._clock() >= self._trusted_from

    async def claim(self, names: Iterable[str]) -> dict[str, str]:
        """Takes what is free or was a dead holder's; who holds each now."""
        wanted = list(names)
        holders = await self._claim([(name, "") for name in wanted])
        unknown = {name: holder for name, holder in holders.items() if holder not in self._living}
        if unknown:
            # A process says that it lives before it claims anything: who is not listed after this is dead.
            await self.renew()
            dead = [(name, holder) for name, holder in unknown.items() if self.is_dead(holder)]
            holders |= await self._claim(dead)
        return holders

    async def extend(self, names: Iterable[str]) -> list[str]:
        """Keeps the leases for another KEPT_S; those that this process does not hold."""
        asked = list(names)
        holders = await run_batches(self._lane, [("GETEX", keys.listener(name), "EX", KEPT_S) for name in asked])
        return [name for name, holder in zip(asked, holders, strict=True) if holder != self.holder.encode()]

    async def release(self, names: Iterable[str]) -> None:
        await run_batches(self._lane, [("EVAL", _RELEASE, 1, keys.listener(name), self.holder) for name in names])

    async def resign(self) -> None:
        """This process ends: others need not wait until it is thought dead."""
        self._valid_until = 0.0
        await self._lane.ask("ZREM", keys.LISTENER_HOLDERS, self.holder)

    async def _claim(self, wanted: list[tuple[str, str]]) -> dict[str, str]:
        answers = await run_batches(
            self._lane,
            [("EVAL", _CLAIM, 1, keys.listener(name), self.holder, KEPT_S, dead) for name, dead in wanted],
        )
        return {name: holder.decode() for (name, _), holder in zip(wanted, answers, strict=True)}

    def _words(self) -> tuple[str, int]:
        return self.holder, int(self._ttl_s * 1000)
