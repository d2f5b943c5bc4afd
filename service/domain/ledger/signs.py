"""What is unusual about a booking, in words and with a strength: the reasons that an anomaly is told with.

Each sign compares a booking with others of its account or counterparty by robust figures (medians, deviations from
them), so that the odd bookings themselves do not move the yardstick. Strength: 0 nothing, 1 beyond doubt; above
ALONE_ENOUGH one sign alone makes an anomaly.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any, Final

from service.domain.ledger.model import Entry, format_money

ALONE_ENOUGH: Final = 0.5
# Fewer bookings make no habit that one could break.
_FEWEST: Final = 5
# One over the 75 % quantile of a normal distribution: makes a median deviation comparable to a standard deviation.
_MAD_SCALE: Final = 1.4826
# A deviation below 10 % in logarithms is no deviation, even on an account that books the same each month.
_LEAST_SPREAD: Final = 0.1
# What people book twice by mistake is booked within days.
_DUPLICATE_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Sign:
    """One reason, with the figures that it rests on."""

    code: str
    message: str
    strength: float
    figures: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "strength": round(self.strength, 3),
            "figures": dict(self.figures),
        }


@dataclass(frozen=True, slots=True)
class Habit:
    """How an account, or a counterparty, is booked. `spread`: robust standard deviation of log amounts."""

    count: int
    median_amount: float
    log_median: float
    spread: float
    negative_share: float
    weekend_share: float

    @property
    def is_known(self) -> bool:
        return self.count >= _FEWEST

    def deviation(self, amount: Decimal) -> float:
        """By how many robust deviations an amount's size lies off, above or below."""
        return (_log(amount) - self.log_median) / self.spread


def read_habit(entries: Sequence[Entry]) -> Habit:
    """The habit that `entries` (one at least) show."""
    logs = [_log(entry.amount) for entry in entries]
    middle = median(logs)
    spread = max(_MAD_SCALE * median(abs(log - middle) for log in logs), _LEAST_SPREAD)
    count = len(entries)
    return Habit(
        count,
        median(abs(float(entry.amount)) for entry in entries),
        middle,
        spread,
        sum(entry.amount < 0 for entry in entries) / count,
        sum(entry.date.weekday() >= 5 for entry in entries) / count,
    )


@dataclass(frozen=True)
class Surroundings:
    """What a booking is compared with."""

    accounts: Mapping[str, Habit]
    counterparties: Mapping[tuple[str, str], Habit]
    first_rows: frozenset[int]
    first_on_account_rows: frozenset[int]
    duplicates: Mapping[int, Entry]


def read_surroundings(entries: Sequence[Entry]) -> Surroundings:
    """`entries` in order of date."""
    by_account: dict[str, list[Entry]] = defaultdict(list)
    by_pair: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    first: dict[str, int] = {}
    for entry in entries:
        by_account[entry.account].append(entry)
        if entry.counterparty:
            by_pair[entry.account, _name(entry)].append(entry)
            first.setdefault(_name(entry), entry.row)
    return Surroundings(
        {account: read_habit(members) for account, members in by_account.items()},
        {pair: read_habit(members) for pair, members in by_pair.items()},
        frozenset(first.values()),
        frozenset(members[0].row for members in by_pair.values()) - frozenset(first.values()),
        find_duplicates(entries),
    )


def find_duplicates(entries: Sequence[Entry]) -> dict[int, Entry]:
    """Rows that repeat an earlier booking: same account, counterparty and amount, at most seven days apart.

    What is booked regularly (a weekly delivery) is no duplicate: the gap must be below half of the usual one.
    Repeats with the same text on the same day always count, and are no rhythm.
    """
    groups: dict[tuple[str, str, Decimal], list[Entry]] = defaultdict(list)
    for entry in entries:
        if (entry.counterparty or entry.text) and entry.amount:
            groups[entry.account, _name(entry) or entry.text.casefold(), entry.amount].append(entry)
    found: dict[int, Entry] = {}
    for members in groups.values():
        gaps = [(later.date - earlier.date).days for earlier, later in pairwise(members)]
        usual = _usual_gap([gap for gap in gaps if gap > 0])
        # Fees of the same amount, several on a day and each with its own text, are a habit too.
        is_daily = _usual_gap(gaps) == 0
        same: dict[tuple[date, str], Entry] = {_day_and_text(members[0]): members[0]}
        for (earlier, later), gap in zip(pairwise(members), gaps, strict=True):
            twin = same.get(_day_and_text(later))
            same[_day_and_text(later)] = later
            if twin is not None:
                found[later.row] = twin
            elif gap <= _DUPLICATE_DAYS and gap < usual / 2 and not (gap == 0 and is_daily):
                found[later.row] = earlier
    return found


def _day_and_text(entry: Entry) -> tuple[date, str]:
    return entry.date, entry.text.casefold()


def _usual_gap(gaps: Sequence[int]) -> float:
    return median(gaps) if len(gaps) >= 2 else math.inf


def read_signs(entry: Entry, around: Surroundings) -> list[Sign]:
    """All that is unusual about a booking, the strongest first; weak signs too, which explain only together."""
    found = [
        *_duplicate(entry, around),
        *_size(entry, around),
        *_direction(entry, around.accounts[entry.account]),
        *_newcomer(entry, around),
        *_weekend(entry, around.accounts[entry.account]),
        *_round_amount(entry, around.accounts[entry.account]),
    ]
    return sorted(found, key=lambda sign: -sign.strength)


def _duplicate(entry: Entry, around: Surroundings) -> Iterator[Sign]:
    earlier = around.duplicates.get(entry.row)
    if earlier is None:
        return
    days = (entry.date - earlier.date).days
    when = "on the same day" if days == 0 else f"{days} day{'s' if days > 1 else ''} before"
    same = "amount and counterparty" if entry.counterparty else "amount and text"
    # Two different invoice texts are rather two invoices.
    strength = 0.9 if entry.text.casefold() == earlier.text.casefold() else 0.6
    message = f"same {same} {when} (row {earlier.row}): booked twice?"
    yield Sign("duplicate", message, strength, {"row": earlier.row, "days": days})


def _size(entry: Entry, around: Surroundings) -> Iterator[Sign]:
    """The counterparty's own habit says more than its account's, where there is one."""
    pair = around.counterparties.get((entry.account, _name(entry)))
    is_pair = pair is not None and pair.is_known
    habit = pair if pair is not None and is_pair else around.accounts[entry.account]
    if not habit.is_known or not habit.median_amount or not entry.amount:
        return
    deviation = habit.deviation(entry.amount)
    ratio = abs(float(entry.amount)) / habit.median_amount
    # Small amounts are rarely a mistake that matters: only what is far above counts alone.
    strength = _squash(deviation, 3.5) if deviation > 0 else 0.45 * _squash(-deviation, 3.5)
    if strength < 0.1:
        return
    whose = "this counterparty's median on this account" if is_pair else "this account's median"
    times = f"{ratio:,.0f} times" if ratio >= 3 else f"{ratio:.2g} times"
    message = f"amount is {times} {whose} ({format_money(habit.median_amount)} over {habit.count} bookings)"
    figures = {"ratio": round(ratio, 4), "median": round(habit.median_amount, 2), "deviations": round(deviation, 2)}
    yield Sign("amount_unusual", message, strength, figures)


def _direction(entry: Entry, habit: Habit) -> Iterator[Sign]:
    share = habit.negative_share if entry.amount < 0 else 1 - habit.negative_share
    if not habit.is_known or not entry.amount or share > 0.1:
        return
    side = "negative" if entry.amount < 0 else "positive"
    message = f"{side} amount, as only {share:.0%} of this account's bookings are"
    yield Sign("direction_unusual", message, 0.3 + 0.25 * (1 - share / 0.1), {"share": round(share, 4)})


def _newcomer(entry: Entry, around: Surroundings) -> Iterator[Sign]:
    """New is not wrong: alone it counts little, with a large amount it counts."""
    habit = around.accounts[entry.account]
    if not habit.is_known:
        return
    if entry.row in around.first_rows:
        is_large = entry.amount != 0 and habit.deviation(entry.amount) > 1.5
        words = "first booking to this counterparty"
        yield Sign("counterparty_new", words + (", and a large one" if is_large else ""), 0.35 if is_large else 0.15)
    elif entry.row in around.first_on_account_rows:
        yield Sign("account_new_for_counterparty", "first booking of this counterparty on this account", 0.15)


def _weekend(entry: Entry, habit: Habit) -> Iterator[Sign]:
    if entry.date.weekday() < 5 or not habit.is_known or habit.weekend_share > 0.1:
        return
    message = f"dated on a {entry.date:%A}, as only {habit.weekend_share:.0%} of this account's bookings are"
    yield Sign("weekend", message, 0.15, {"share": round(habit.weekend_share, 4)})


def _round_amount(entry: Entry, habit: Habit) -> Iterator[Sign]:
    if habit.is_known and abs(entry.amount) >= 1000 and entry.amount % 1000 == 0 and habit.median_amount % 100:
        yield Sign("round_amount", f"round amount of {format_money(entry.amount)}", 0.15)


def _squash(deviation: float, even: float) -> float:
    """0 at none, 0.5 at `even` deviations, towards 1 beyond; small deviations count for next to nothing."""
    return deviation**3 / (deviation**3 + even**3) if deviation > 0 else 0.0


def _log(amount: Decimal) -> float:
    return math.log(max(abs(float(amount)), 0.01))


def _name(entry: Entry) -> str:
    return entry.counterparty.casefold()
