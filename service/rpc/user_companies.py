"""The companies that Firestore authorises users for, brought into their entries; and from registrations to Firestore.

Registering never waits for Firestore: the entry is completed a moment later, at most once a minute per user. Only who
needs the answer (the flag that depends on a company, a task that names none) waits, briefly, and the first time alone.
While Firestore is away everything goes on with what the registry knows.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from service.domain.ids import DEFAULT_COMPANY
from service.gateways.firestore.companies import AuthorizedCompanies
from service.gateways.firestore.model import FirestoreFault
from service.store.client import VALKEY_FAULTS
from service.store.unified import UnifiedRegistry

log = structlog.get_logger("unified_registry")

FIRST_ANSWER_S: Final = 0.4
KEPT_S: Final = 60.0
# Firestore is asked again this long after it did not answer.
RETRY_S: Final = 5.0
KEPT_USERS: Final = 20_000
# Questions under way; the others of a rush wait their turn.
AT_ONCE: Final = 16
# Users who wait for Firestore; beyond it nobody is asked for, or told of, until their next registration.
MOST_WAITING: Final = 5_000

Source = Callable[[], AuthorizedCompanies | None]


def _no_source() -> None:
    return None


class UserCompanies:
    """`source`: Firestore's side, where this process has it by now."""

    def __init__(self, unified: UnifiedRegistry, source: Source = _no_source) -> None:
        self._unified = unified
        self._source = source
        self._turns = asyncio.Semaphore(AT_ONCE)
        # Answers must not wait behind what Firestore does not take.
        self._merge_turns = asyncio.Semaphore(AT_ONCE)
        # Nobody asks Firestore shortly after it did not answer.
        self._away_until = 0.0
        # Until when what is known of a user counts as asked.
        self._asked: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._completing: dict[str, asyncio.Task[None]] = {}
        # What Firestore has not been told yet.
        self._to_merge: dict[str, tuple[str, ...]] = {}
        self._merging: dict[str, asyncio.Task[None]] = {}

    async def first(self, user_id: str) -> str | None:
        """The user's first authorised company; None: unknown. Raises redis-py's errors."""
        first = await self._unified.first_company(user_id)
        if first is not None:
            return first
        return next(iter(await self._ask_briefly(user_id)), None)

    async def current(self, user_id: str) -> str:
        """The company that a user works in, `default` where none is known. Raises redis-py's errors."""
        current = await self._unified.current_company(user_id)
        if current != DEFAULT_COMPANY:
            return current
        companies = await self._ask_briefly(user_id)
        return DEFAULT_COMPANY if DEFAULT_COMPANY in companies else next(iter(companies), DEFAULT_COMPANY)

    def complete(self, user_id: str) -> None:
        """Lets the user's entry have the companies that Firestore knows, a moment from now."""
        now = time.monotonic()
        if self._source() is None or now < self._away_until or len(self._completing) >= MOST_WAITING:
            return
        until, _ = self._asked.get(user_id, (0.0, ()))
        if until < now and user_id not in self._completing and user_id not in self._to_merge:
            completing = asyncio.create_task(self._complete(user_id), name="user-companies")
            self._completing[user_id] = completing
            completing.add_done_callback(lambda _: self._completing.pop(user_id, None))

    def merge(self, user_id: str, companies: Sequence[str]) -> None:
        """Lets Firestore have the companies that a registration named, a moment from now; the last one's win."""
        if not companies or self._source() is None:
            return
        if user_id not in self._merging and len(self._merging) >= MOST_WAITING:
            log.error("unified_registry_companies_dropped", user_id=user_id, waiting=MOST_WAITING)
            return
        self._to_merge[user_id] = tuple(companies)
        if user_id not in self._merging:
            merging = asyncio.create_task(self._merge(user_id), name="merge-companies")
            self._merging[user_id] = merging
            merging.add_done_callback(lambda _: self._merging.pop(user_id, None))

    async def close(self) -> None:
        """Ends what is under way."""
        tasks: list[asyncio.Task[Any]] = [*self._completing.values(), *self._merging.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_briefly(self, user_id: str) -> tuple[str, ...]:
        """What Firestore says, or said last; empty where it does not say so in time."""
        self.complete(user_id)
        completing = self._completing.get(user_id)
        if completing is not None and user_id not in self._asked and self._away_until < time.monotonic():
            await asyncio.wait((completing,), timeout=FIRST_ANSWER_S)
        return self._asked.get(user_id, (0.0, ()))[1]

    async def _complete(self, user_id: str) -> None:
        source = self._source()
        if source is None:
            return
        _, companies = self._asked.get(user_id, (0.0, ()))
        kept_s = RETRY_S
        try:
            async with self._turns:
                companies = await source.read(user_id)
            self._keep(user_id, kept_s, companies)
            # A registration has named others meanwhile, which Firestore has not been told yet: they are newer.
            if companies and user_id not in self._to_merge:
                await self._unified.authorize(user_id, companies)
            kept_s = KEPT_S
        except FirestoreFault as fault:
            self._away_until = time.monotonic() + RETRY_S
            log.warning("unified_registry_companies_fallback", user_id=user_id, error=str(fault))
        except VALKEY_FAULTS as fault:
            log.warning("unified_registry_companies_not_written", user_id=user_id, error=repr(fault))
        except Exception:
            # The edge of a task of its own.
            log.exception("unified_registry_companies_failed", user_id=user_id)
        self._keep(user_id, kept_s, companies)

    async def _merge(self, user_id: str) -> None:
        while (companies := self._to_merge.get(user_id)) is not None:
            try:
                async with self._merge_turns:
                    await self._tell(user_id, companies)
            except FirestoreFault as fault:
                log.warning("unified_registry_companies_not_merged", user_id=user_id, error=str(fault))
                if not fault.is_lasting:
                    await asyncio.sleep(RETRY_S)
                    continue
            except Exception:
                log.exception("unified_registry_companies_failed", user_id=user_id)
            if self._to_merge[user_id] is companies:
                del self._to_merge[user_id]

    async def _tell(self, user_id: str, companies: tuple[str, ...]) -> None:
        source = self._source()
        if source is not None and source.known(user_id) != companies:
            await source.merge(user_id, companies)

    def _keep(self, user_id: str, kept_s: float, companies: tuple[str, ...]) -> None:
        self._asked[user_id] = (time.monotonic() + kept_s, companies)
        self._asked.move_to_end(user_id)
        if len(self._asked) > KEPT_USERS:
            self._asked.popitem(last=False)
