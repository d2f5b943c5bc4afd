"""Counts figures for reports: by name with the rest put together, by hour or day, and middle values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final, TypeVar

Item = TypeVar("Item")

# More bars than this are no picture any more.
MOST_BARS: Final = 12
_MOST_SLOTS: Final = 62


def by_name(items: Iterable[Item], name: Callable[[Item], str]) -> dict[str, list[Item]]:
    """Items under their names, the name with most items first."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(name(item), []).append(item)
    return dict(sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])))


def top(groups: dict[str, list[Item]], size: Callable[[list[Item]], float]) -> list[tuple[str, list[Item]]]:
    """The largest groups by `size`; those beyond MOST_BARS together as "n others"."""
    ordered = sorted(groups.items(), key=lambda group: (-size(group[1]), group[0]))
    if len(ordered) <= MOST_BARS:
        return ordered
    rest = ordered[MOST_BARS - 1 :]
    return [*ordered[: MOST_BARS - 1], (f"{len(rest)} others", [item for _, items in rest for item in items])]


def by_time(
    items: Sequence[Item], when: Callable[[Item], datetime], since: datetime, until: datetime
) -> list[tuple[str, list[Item]]]:
    """Items by hour (up to two days), else by day, without gaps; what lies outside is in the first or last slot.

    Times are shown in the zone of `until`.
    """
    step = timedelta(hours=1) if until - since <= timedelta(hours=48) else timedelta(days=1)
    last = _slot(until, step)
    first = max(_slot(since.astimezone(until.tzinfo), step), last - (_MOST_SLOTS - 1) * step)
    slots: dict[datetime, list[Item]] = {}
    slot = first
    while slot <= last:
        slots[slot] = []
        slot += step
    for item in items:
        slots[min(max(_slot(when(item).astimezone(until.tzinfo), step), first), last)].append(item)
    pattern = "%d %b %H:00" if step < timedelta(days=1) else "%d %b"
    return [(at.strftime(pattern), found) for at, found in slots.items()]


def sum_known(values: Iterable[int | None]) -> int | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def middle(values: Iterable[float | None]) -> float | None:
    """The median of what is known."""
    known = [value for value in values if value is not None]
    return median(known) if known else None


def high(values: Iterable[float | None]) -> float | None:
    """What 95 of 100 stay below or at (nearest rank)."""
    known = sorted(value for value in values if value is not None)
    return known[max(-(-len(known) * 95 // 100) - 1, 0)] if known else None


def share(part: float | None, whole: float | None) -> float | None:
    """Per cent; None where either is not known or the whole is 0."""
    return None if part is None or not whole else part / whole * 100


def _slot(when: datetime, step: timedelta) -> datetime:
    whole_hour = when.replace(minute=0, second=0, microsecond=0)
    return whole_hour if step < timedelta(days=1) else whole_hour.replace(hour=0)
