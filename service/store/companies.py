"""Companies of the users seen last, kept in memory for a minute: the flag is decided at each call (design.md)."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KEPT_S: Final = 60.0
KEPT_USERS: Final = 20_000


@dataclass(frozen=True, slots=True)
class KnownCompanies:
    """`first`: the first authorised company, None where none is known. `current` None: the user has no entry."""

    first: str | None
    current: str | None


class CompanyCache:
    """`clock`: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._renewed: dict[str, float] = {}
        self._users: OrderedDict[str, tuple[float, KnownCompanies]] = OrderedDict()

    def is_renewed(self, company_id: str) -> bool:
        """Whether the time to live of the company's entry was set within the minute."""
        return self._renewed.get(company_id, 0.0) > self._clock()

    def renewed(self, company_id: str) -> None:
        if len(self._renewed) >= KEPT_USERS:
            self._renewed.clear()
        self._renewed[company_id] = self._clock() + KEPT_S

    def get(self, user_id: str) -> KnownCompanies | None:
        until, known = self._users.get(user_id, (0.0, None))
        return known if until > self._clock() else None

    def put(self, user_id: str, known: KnownCompanies) -> None:
        self._users[user_id] = (self._clock() + KEPT_S, known)
        self._users.move_to_end(user_id)
        if len(self._users) > KEPT_USERS:
            self._users.popitem(last=False)
