"""What maintenance counts over the whole service for /metrics: companies are named up to a number, the rest summed.

Pure. Counting is `service.store.census`', writing and reading the summary `service.store.figures`'.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from contract.metrics import COMPANIES_NAMED, OTHER

# Three rounds of a minute each were missed: what was counted says nothing of now.
OLD_S: Final = 200.0


class QuotaUse(msgspec.Struct, frozen=True, array_like=True):
    """What counts against a quota now, and its limit; of several companies both are sums."""

    used: float
    limit: int

    @property
    def share(self) -> float:
        """How full it is. A limit of 0 is full from the start."""
        return self.used / self.limit if self.limit else float("inf")


class DriftFigures(msgspec.Struct, frozen=True):
    """Of a sample of users: how many were compared, how many of those differ, and in what (kind → how often)."""

    compared: int
    drifted: int
    kinds: dict[str, int]


class Figures(msgspec.Struct, frozen=True):
    """One round's summary. `counted_at`: seconds since 1970; `users` by registry; `quotas`: quota → company → use."""

    counted_at: float
    users: dict[str, int]
    sessions: int
    active_users: dict[str, int]
    quotas: dict[str, dict[str, QuotaUse]]
    drift: DriftFigures


def fold_counts(counts: Mapping[str, int], named: int = COMPANIES_NAMED) -> dict[str, int]:
    """The `named` companies with most, and the sum of the rest as `other`; a company called `other` is one of the rest.

    Example: {a: 3, b: 2, c: 1}, one named → {a: 3, other: 3}.
    """
    first = sorted((name for name in counts if name != OTHER), key=lambda name: (-counts[name], name))[:named]
    folded = {name: counts[name] for name in first}
    if rest := counts.keys() - folded.keys():
        folded[OTHER] = sum(counts[name] for name in rest)
    return folded


def fold_uses(uses: Mapping[str, QuotaUse], named: int = COMPANIES_NAMED) -> dict[str, QuotaUse]:
    """The `named` companies nearest to their limits, and the rest as `other`: the sums of their uses and limits.

    Example: a 9 of 10, b 5 of 100, c 1 of 100, one named → {a: 9 of 10, other: 6 of 200}.
    """
    first = sorted((name for name in uses if name != OTHER), key=lambda name: (-uses[name].share, name))[:named]
    folded = {name: uses[name] for name in first}
    if rest := uses.keys() - folded.keys():
        folded[OTHER] = QuotaUse(sum(uses[name].used for name in rest), sum(uses[name].limit for name in rest))
    return folded
