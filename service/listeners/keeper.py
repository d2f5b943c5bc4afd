"""Keeps this process's leases: says that it lives, and after any doubt asks for everything it holds again."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import structlog
from redis.exceptions import RedisError

from service.store.client import VALKEY_FAULTS
from service.store.leases import RENEW_S, Leases

log = structlog.get_logger("listeners")

RESIGN_S: Final = 1.0
# Far more often than leases run out (`leases.KEPT_S`).
EXTEND_S: Final = 3_600.0


class Group(Protocol):
    """Some of what is held: the users, or the chats."""

    def names(self) -> list[str]:
        """What it holds."""

    def lost(self, names: Iterable[str]) -> None:
        """This process does not hold these any more, if it still thinks so."""

    def kept(self) -> None:
        """What is left is surely held again."""


class LeaseKeeper:
    """Start it once the groups are known; stop it after them."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self._groups: Sequence[Group] = ()
        self._confirmed_lapses: int | None = None
        self._extend_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether what is held is surely held: no other process listens for the same users."""
        return self.leases.is_valid and self._confirmed_lapses == self.leases.lapses

    def start(self, *groups: Group) -> None:
        self._groups = groups
        self._task = asyncio.create_task(self._run(), name="listener-leases")

    async def stop(self) -> None:
        """Others need not wait until this process is thought dead."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(RESIGN_S):
                await self.leases.resign()
        except (*VALKEY_FAULTS, RedisError, TimeoutError) as fault:
            log.warning("listener_leases_left", error=repr(fault))

    async def _run(self) -> None:
        while True:
            pause_s = RENEW_S
            try:
                await self.leases.renew()
                if not self.is_confirmed:
                    await self._confirm()
                elif time.monotonic() >= self._extend_at:
                    await self._extend()
            except (*VALKEY_FAULTS, RedisError) as fault:
                log.warning("listener_leases_not_renewed", error=repr(fault))
                pause_s = random.uniform(0.2, 0.5)  # noqa: S311 - spreads attempts, no secret
            except Exception:
                # The edge of the loop: nothing is published while leases are in doubt.
                log.exception("listener_leases_failed")
            await asyncio.sleep(pause_s)

    async def _confirm(self) -> None:
        lapses = self.leases.lapses
        for group in self._groups:
            holders = await self.leases.claim(group.names())
            group.lost([name for name, holder in holders.items() if holder != self.leases.holder])
        self._confirmed_lapses = lapses
        self._extend_at = time.monotonic() + EXTEND_S
        for group in self._groups:
            group.kept()

    async def _extend(self) -> None:
        for group in self._groups:
            group.lost(await self.leases.extend(group.names()))
        self._extend_at = time.monotonic() + EXTEND_S
