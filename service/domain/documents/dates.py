"""Reads dates as they are written in French, German, English and Italian documents.

A table of months rather than dateparser: it takes 2.8 ms a date and guesses ("may", "so", "12") where an invoice's
text holds hundreds of numbers; 78 names and three orders of digits are all that invoices use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

_MONTHS = {
    1: "january januar jänner janvier gennaio jan janv gen",
    2: "february februar février fevrier febbraio feb febr févr fev",
    3: "march märz maerz mars marzo mar mär mrz",
    4: "april avril aprile apr avr",
    5: "may mai maggio mag",
    6: "june juni juin giugno jun giu",
    7: "july juli juillet luglio jul juil lug",
    8: "august août aout agosto aug ago",
    9: "september septembre settembre sep sept set",
    10: "october oktober octobre ottobre oct okt ott",
    11: "november novembre nov",
    12: "december dezember décembre decembre dicembre dec dez déc dic",
}
MONTH_NUMBERS = {name: number for number, names in _MONTHS.items() for name in names.split()}
_NAME = "|".join(sorted(MONTH_NUMBERS, key=len, reverse=True))
# From 1990: earlier dates on invoices are birthdays and laws. Up to 2099: later ones are other numbers.
_YEARS = range(1990, 2100)

_DATE = re.compile(
    rf"""(?<![\w.,/-])(?:
      (?P<y1>\d{{4}})(?P<s1>[-./])(?P<m1>\d{{1,2}})(?P=s1)(?P<d1>\d{{1,2}})(?!\d|-\d)
    | (?P<d2>\d{{1,2}})\s?(?P<s2>[-./])\s?(?P<m2>\d{{1,2}})\s?(?P=s2)\s?(?P<y2>\d{{4}}|\d{{2}})(?![\d.]\d|\d|/\d|-\w)
    | (?P<d3>\d{{1,2}})(?:\.|er|st|nd|rd|th|º|°)?[\s-]?\s?(?:of\s|de\s|di\s)?
      (?P<m3>{_NAME})\b\.?,?[\s-]?\s?(?P<y3>\d{{4}}|\d\d)\b
    | (?P<m4>{_NAME})\b\.?\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<y4>\d{{4}})\b
    )""",
    re.VERBOSE | re.IGNORECASE,
)

# Most lines hold no date: these are quick to tell so.
_HAS_DIGIT = re.compile(r"\d")
_HAS_SEPARATOR = re.compile(r"\d\s?[-./]\s?\d|[^\W\d_]{3}")


@dataclass(frozen=True)
class DateFound:
    """A date in a line of text, and whether day and month could be the other way round."""

    value: date
    start: int
    end: int
    is_ambiguous: bool = False


def parse_date(written: str, month_first: bool = False) -> date | None:
    """The date that `written` is, alone; None where it is none."""
    found = list(find_dates(written.strip(), month_first))
    return found[0].value if found and found[0].end - found[0].start == len(written.strip()) else None


def find_dates(line: str, month_first: bool = False) -> Iterator[DateFound]:
    """Each date in `line`, left to right. `month_first`: read 03/05/2024 as March 5th, where it is either."""
    if not (_HAS_DIGIT.search(line) and _HAS_SEPARATOR.search(line)):
        return
    for match in _DATE.finditer(line):
        year, month, day, is_ambiguous = _read_parts(match, month_first)
        if year in _YEARS:
            try:
                yield DateFound(date(year, month, day), match.start(), match.end(), is_ambiguous)
            except ValueError:
                continue


def _read_parts(match: re.Match[str], month_first: bool) -> tuple[int, int, int, bool]:
    if match["y1"]:
        return int(match["y1"]), int(match["m1"]), int(match["d1"]), False
    if match["y3"]:
        return _full_year(match["y3"]), MONTH_NUMBERS[match["m3"].lower()], int(match["d3"]), False
    if match["y4"]:
        return int(match["y4"]), MONTH_NUMBERS[match["m4"].lower()], int(match["d4"]), False
    first, second, year = int(match["d2"]), int(match["m2"]), _full_year(match["y2"])
    is_ambiguous = match["s2"] == "/" and first <= 12 and second <= 12 and first != second
    if match["s2"] == "/" and (second > 12 or (is_ambiguous and month_first)):
        return year, first, second, is_ambiguous
    return year, second, first, is_ambiguous


def _full_year(written: str) -> int:
    return int(written) + (2000 if len(written) == 2 else 0)
