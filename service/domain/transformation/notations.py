"""Reads numbers and dates as they are written in German, French, English and Italian files.

A text may mean two things: 1.234 is 1234 in German and 1.234 in English; 03/05/2024 is in May or in March. A reading
is kept for each notation, and a column's other values decide: one 25/05/2024 says day first for all of them. What
stays open is not guessed: the caller is told to name the locale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any, Final

DATE_ORDERS: Final = ("dmy", "mdy", "ymd")
# Decimal sign and order of dates. Plain `en` leaves the order open: London and New York differ.
LOCALES: Final[dict[str, tuple[str, str | None]]] = {
    "de": (",", "dmy"),
    "fr": (",", "dmy"),
    "it": (",", "dmy"),
    "en": (".", None),
    "en-GB": (".", "dmy"),
    "en-US": (".", "mdy"),
}

Readings = Mapping[str, Any]
"""What a text means, by notation: decimal sign for numbers, order for dates. Empty: it is none."""

_BLANK: Final = " \u00a0\u202f\u2009"
_QUOTE: Final = "'’"
# Longer numbers are identifiers; a Decimal would hold them, no spreadsheet does.
_MOST_DIGITS: Final = 40


def _number_pattern(decimal_sign: str, group_sign: str) -> re.Pattern[str]:
    decimal, group = re.escape(decimal_sign), f"[{re.escape(group_sign)}{_QUOTE}{_BLANK}]"
    grouped = rf"[1-9]\d{{0,2}}(?:(?P<group>{group})\d{{3}}(?:(?P=group)\d{{3}})*)?"
    return re.compile(rf"(?:{grouped}|\d+)(?:{decimal}\d+)?|{decimal}\d+")


_NUMBERS: Final = {".": _number_pattern(".", ","), ",": _number_pattern(",", ".")}
_SIGNED: Final = re.compile(
    r"(?P<open>\()?\s?(?P<sign>[-−–+])?\s?(?P<body>[\d.,][^()−–+-]*?)\s?(?P<trail>[-−–])?(?P<close>\))?"
)

_TIME: Final = re.compile(
    r"(?P<date>.{6,40}?)(?:T|,?\s+)(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,6}))?)?"
    r"\s?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?"
)


def number_readings(written: str) -> Readings:
    """The number that a text is, by decimal sign. `(5.00)`, `5,00-` and `−5` are negative."""
    match = _SIGNED.fullmatch(written.strip())
    if match is None or bool(match["open"]) != bool(match["close"]):
        return {}
    if sum(character.isdigit() for character in match["body"]) > _MOST_DIGITS or (match["sign"] and match["trail"]):
        return {}
    is_negative = bool(match["open"] or match["trail"]) or match["sign"] in ("-", "−", "–")
    found: dict[str, Decimal] = {}
    for sign, pattern in _NUMBERS.items():
        if pattern.fullmatch(match["body"]):
            plain = re.sub(rf"[{_BLANK}{_QUOTE}{'.' if sign == ',' else ','}]", "", match["body"])
            value = Decimal(plain.replace(",", "."))
            found[sign] = -value if is_negative else value
    return found


def date_readings(written: str) -> Readings:
    """The date that a text is, by the order of day and month. A year of two digits: 69 is 1969, 68 is 2068 (POSIX)."""
    months, pattern = _months()
    match = pattern.fullmatch(written.strip())
    if match is None or (match["y1"] and not match["s1"] and len(written.strip()) != 8):
        return {}
    if match["y1"]:
        return _in_any_order(match["y1"], match["m1"], match["d1"])
    if match["y3"]:
        return _in_any_order(match["y3"], months[match["m3"].lower()], match["d3"])
    if match["y4"]:
        return _in_any_order(match["y4"], months[match["m4"].lower()], match["d4"])
    readings = {"dmy": _date(match["y2"], match["b"], match["a"]), "mdy": _date(match["y2"], match["a"], match["b"])}
    # Nobody writes the month first with dots.
    return {order: day for order, day in readings.items() if day and not (match["s2"] == "." and order == "mdy")}


def datetime_readings(written: str) -> Readings:
    """A date, or a date with a time of day and maybe a zone, by the order of day and month."""
    match = _TIME.fullmatch(written.strip())
    if match is None:
        return {order: datetime.combine(day, time()) for order, day in date_readings(written).items()}
    try:
        microseconds = int((match["f"] or "0").ljust(6, "0"))
        of_day = time(int(match["h"]), int(match["m"]), int(match["s"] or 0), microseconds, _zone(match["zone"]))
    except ValueError:
        return {}
    return {order: datetime.combine(day, of_day) for order, day in date_readings(match["date"]).items()}


def choose_notation(texts: Iterable[str], readings: Callable[[str], Readings]) -> str | None:
    """The notation that a column's unambiguous texts agree on; None where there are none, or they differ.

    `["1.234", "12,50"]` → `,`: the second is a number with a decimal comma only.
    """
    chosen: str | None = None
    for text in texts:
        found = readings(text)
        if len(found) == 1:
            notation = next(iter(found))
            if chosen not in (None, notation):
                return None
            chosen = notation
    return chosen


def choose_reading(found: Readings, notation: str | None) -> Any:
    """The meaning in `notation`; without one, the only meaning; None where there is none, or it stays open."""
    if notation is not None:
        return found.get(notation)
    meanings = list(found.values())
    return meanings[0] if meanings and all(meaning == meanings[0] for meaning in meanings) else None


@cache
def _months() -> tuple[Mapping[str, int], re.Pattern[str]]:
    """Months by name, and the pattern of a date."""
    # Not at the top: who only checks a request has no use for what the package of documents imports.
    from service.domain.documents.dates import MONTH_NUMBERS

    names = "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True))
    return MONTH_NUMBERS, re.compile(
        rf"""(?P<y1>\d{{4}})(?P<s1>[-./]?)(?P<m1>\d{{1,2}})(?P=s1)(?P<d1>\d{{1,2}})
        | (?P<a>\d{{1,2}})\s?(?P<s2>[-./])\s?(?P<b>\d{{1,2}})\s?(?P=s2)\s?(?P<y2>\d{{4}}|\d{{2}})
        | (?P<d3>\d{{1,2}})(?:\.|er|st|nd|rd|th|º|°)?[\s-]*(?P<m3>{names})
          \.?,?[\s-]*(?P<y3>\d{{4}}|\d\d)
        | (?P<m4>{names})\.?\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y4>\d{{4}})
        """,
        re.VERBOSE | re.IGNORECASE,
    )


def _in_any_order(year: str, month: str | int, day: str) -> Readings:
    value = _date(year, month, day)
    return {} if value is None else dict.fromkeys(DATE_ORDERS, value)


def _date(year: str, month: str | int, day: str) -> date | None:
    number = int(year)
    if len(year) == 2:
        number += 1900 if number >= 69 else 2000
    try:
        return date(number, int(month), int(day))
    except ValueError:
        return None


def _zone(written: str | None) -> timezone | None:
    if written is None:
        return None
    if written in ("Z", "UTC"):
        return UTC
    minutes = int(written[1:3]) * 60 + int(written[-2:])
    return timezone(timedelta(minutes=-minutes if written[0] == "-" else minutes))
