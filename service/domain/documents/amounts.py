"""Reads amounts of money as they are written in French, German, English, Italian and Swiss documents.

Owns the spelling of numbers alone. What an amount means is `totals`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice

CURRENCY_SIGNS = {
    "€": "EUR",
    "euro": "EUR",
    "Euro": "EUR",
    "euros": "EUR",
    "£": "GBP",
    "$": "USD",
    "¥": "JPY",
    "zł": "PLN",
    "Kč": "CZK",
    "Fr.": "CHF",
    "SFr.": "CHF",
}
# ISO 4217 codes of the currencies that invoices to Europe are written in; a full list would find words ("ALL", "TOP").
CURRENCY_CODES = frozenset(
    [
        "EUR",
        "CHF",
        "GBP",
        "USD",
        "JPY",
        "CAD",
        "AUD",
        "NZD",
        "SEK",
        "NOK",
        "DKK",
        "ISK",
        "PLN",
        "CZK",
        "HUF",
        "RON",
        "BGN",
        "HRK",
        "RSD",
        "TRY",
        "CNY",
        "HKD",
        "SGD",
        "INR",
        "ZAR",
        "AED",
        "SAR",
        "ILS",
        "MXN",
        "BRL",
        "KRW",
        "THB",
        "MAD",
        "TND",
        "XAF",
        "XOF",
        "UAH",
    ]
)
_CURRENCY = r"(?:[€£$¥]|EUR\b|" + "|".join(sorted(CURRENCY_CODES - {"EUR"})) + r"|[Ee]uros?\b|zł|Kč|S?Fr\.)"
_WIDE_BLANK = "\u00a0\u202f\u2009"

_AMOUNT = re.compile(
    rf"""(?<![\w.,/'’:-])                      # not within a number, a word, a date or an identifier
    (?P<lead>{_CURRENCY}\s*)?
    (?P<open>\()?
    (?P<sign>[-−–+]\s?)?
    (?P<inner>{_CURRENCY}\s*)?
    (?P<number>\d{{1,3}}(?:(?P<group>[.,'’\ {_WIDE_BLANK}])\d{{3}}(?:(?P=group)\d{{3}})*)(?:[.,]\d{{1,4}})?(?!\d)
      |\d+(?:[.,](?:\d{{1,4}}|[-–]{{1,2}}))?(?!\d))
    (?P<trail>[-−–](?![\w.,]))?
    (?P<close>\))?
    (?P<currency>\s*{_CURRENCY})?
    (?!\s?%|[\w/:]|[.,]\d)                     # nor a percentage, nor the start of an identifier
    """,
    re.VERBOSE,
)

_HAS_DIGIT = re.compile(r"\d")
# A row of an invoice has ten at most; a line of numbers alone is no invoice's.
_MOST_IN_LINE = 40
# Longer ones are no amounts, and more than a Decimal holds exactly.
_MOST_DIGITS = 15


@dataclass(frozen=True)
class Amount:
    """An amount in a line of text: where it stands, and the currency sign or code beside it, if any."""

    value: Decimal
    start: int
    end: int
    currency: str | None
    has_cents: bool
    # The blank in "20 450,00" may part thousands or two columns: this is the reading as two columns.
    is_partial: bool = False


def parse_amount(written: str) -> Decimal | None:
    """The value of an amount that is written alone ("1.234,56 €", "418,25-"); None where it is none."""
    found = list(find_amounts(written.strip()))
    return found[0].value if found and found[0].end - found[0].start == len(written.strip()) else None


def find_amounts(line: str) -> Iterator[Amount]:
    """Each amount in `line`, left to right; of an ambiguous one both readings, the longer first."""
    if not _HAS_DIGIT.search(line):
        return
    for match in islice(_AMOUNT.finditer(line), _MOST_IN_LINE):
        if sum(character.isdigit() for character in match["number"]) > _MOST_DIGITS:
            continue
        negative = _is_negative(match, line)
        currency = _read_currency(match)
        number, start = match["number"], match.start()
        value = _read_number(number)
        yield Amount(-value if negative else value, start, match.end(), currency, _has_cents(number))
        if match["group"] == " ":
            last = number.rpartition(" ")[2]
            start = match.start("number") + len(number) - len(last)
            yield Amount(_read_number(last), start, match.end(), currency, _has_cents(last), True)


def format_amount(value: Decimal) -> str:
    """A plain decimal to the cent: "595.00"."""
    return str(value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


def _is_negative(match: re.Match[str], line: str) -> bool:
    sign = (match["sign"] or "").strip()
    if match["open"] and match["close"]:
        return True
    if match["trail"]:
        return True
    if sign in ("", "+"):
        return False
    # "5 - 7" is a range, "EUR - 2,47" a negative amount that was set in columns.
    before = line[: match.start()].rstrip()
    return not (match["sign"] != sign and before[-1:].isdigit())


def _read_currency(match: re.Match[str]) -> str | None:
    for name in ("currency", "inner", "lead"):
        written = (match[name] or "").strip()
        if written:
            return CURRENCY_SIGNS.get(written, written)
    return None


def _has_cents(number: str) -> bool:
    return bool(re.search(r"[.,]\d{2}$|[.,]\d{4}$|[.,][-–]{1,2}$", number))


def _read_number(number: str) -> Decimal:
    """Cases in order: a dash for no cents; both signs: the last is the decimal one; one sign repeated: thousands;
    one sign before exactly three digits: thousands ("1.234"), unless the number begins with 0; else decimal.
    """
    plain = re.sub(rf"[\s'’{_WIDE_BLANK}]", "", number)
    plain = re.sub(r"[.,][-–]{1,2}$", "", plain)
    signs = [sign for sign in plain if sign in ".,"]
    if not signs:
        return Decimal(plain)
    last = signs[-1]
    whole, _, cents = plain.rpartition(last)
    is_thousands = len(set(signs)) == 1 and (len(signs) > 1 or (len(cents) == 3 and whole not in ("0", "")))
    if is_thousands and not (len(signs) == 1 and re.search(rf"[\s'’{_WIDE_BLANK}]", number)):
        return Decimal(plain.replace(last, ""))
    return Decimal(re.sub(r"[.,]", "", whole) + "." + cents)
