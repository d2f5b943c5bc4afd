"""Turns one cell into the type that its column asks for, or says why it cannot; and writes cells as text.

Nothing is rounded, cut or guessed: 12.50 is no integer, a date with a time of day is no date. Which notation a
column is written in was decided before (`notations`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from service.domain.transformation.model import Cell, Problem
from service.domain.transformation.notations import (
    LOCALES,
    Readings,
    choose_reading,
    date_readings,
    datetime_readings,
    number_readings,
)

_TRUE: Final = frozenset(["true", "yes", "y", "1", "x", "ja", "wahr", "oui", "vrai", "si", "sì", "vero"])
_FALSE: Final = frozenset(["false", "no", "n", "0", "nein", "falsch", "non", "faux", "falso"])
# Above this an integer is no figure of a ledger, and 1e999999 in JSON would fill the memory.
_MOST_DIGITS: Final = 40

READINGS: Final[dict[str, Callable[[str], Readings]]] = {
    "integer": number_readings,
    "decimal": number_readings,
    "date": date_readings,
    "datetime": datetime_readings,
}


class BadValue(Exception):
    """The cell is not of its column's type."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def problem(self, column: str) -> Problem:
        return Problem(self.code, str(self), column)


def convert(value: Cell, kind: str | None, notation: str | None) -> Cell:
    """`value` as `kind` (None: as it is). Raises BadValue.

    `notation`: the column's decimal sign or order of dates; None where its values did not decide it.
    """
    if kind is None or value is None:
        return value
    if isinstance(value, str) and not value.strip() and kind != "text":
        return None
    if kind == "text":
        return plain_text(value)
    if kind == "boolean":
        return _boolean(value)
    if isinstance(value, str):
        value = _read(value, kind, notation)
    return _NATIVE[kind](value)


def plain_text(value: Cell) -> str:
    """A cell as text, the same for every reader: 1234.5, 2024-05-12, true, nested values as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (list, dict)):
        return json.dumps(plain_json(value), ensure_ascii=False)
    return "" if value is None else str(value)


def decimal_text(value: Decimal) -> str:
    """Without an exponent where that takes no more than a line."""
    return format(value, "f") if abs(value.adjusted()) < _MOST_DIGITS else str(value)


def local_text(value: Cell, locale: str | None) -> str:
    """A cell as people of `locale` write it: 1234,5 and 12.05.2024 in German; ISO where no locale is given."""
    if locale is None or isinstance(value, (bool, str)):
        return plain_text(value)
    decimal_sign, order = LOCALES[locale]
    if isinstance(value, Decimal):
        return plain_text(value).replace(".", decimal_sign)
    if not isinstance(value, date) or order is None:
        return plain_text(value)
    pattern = {"de": "{d:%d}.{d:%m}.{y}", "en-US": "{d:%m}/{d:%d}/{y}"}.get(locale, "{d:%d}/{d:%m}/{y}")
    day = pattern.format(d=value, y=f"{value.year:04d}")
    return f"{day} {value.timetz().isoformat()}" if isinstance(value, datetime) else day


def plain_json(value: Any) -> Any:
    """A cell as what JSON has: decimals become numbers where a float holds them exactly, else text."""
    if isinstance(value, Decimal):
        return float(value) if Decimal(repr(float(value))) == value else decimal_text(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    return value


def shown(value: Cell) -> str:
    """A cell in a message: short, in quotes."""
    text = plain_text(value)
    return repr(text if len(text) <= 60 else f"{text[:57]}…")


def _read(text: str, kind: str, notation: str | None) -> Cell:
    found = READINGS[kind](text)
    value: Cell = choose_reading(found, notation)
    if value is not None:
        return value
    name = "number" if kind in ("integer", "decimal") else kind
    if not found:
        raise BadValue(f"not_a_{name}", f"{shown(text)} is no {name}.")
    if notation is not None:
        raise BadValue(f"not_a_{name}", f"{shown(text)} is no {name} in this column's notation ({notation}).")
    meanings = " or ".join(sorted({plain_text(meaning) for meaning in found.values()}))
    option = "locale" if name == "number" else "locale or date_order"
    raise BadValue("ambiguous", f"{shown(text)} may be {meanings}: name the {option} of the column or the source.")


def _boolean(value: Cell) -> bool:
    if isinstance(value, bool):
        return value
    word = plain_text(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise BadValue("not_a_boolean", f"{shown(value)} is neither true nor false.")


def _integer(value: Cell) -> int:
    number = _decimal(value)
    if number.adjusted() >= _MOST_DIGITS or number != number.to_integral_value():
        raise BadValue("not_an_integer", f"{shown(value)} is no whole number.")
    return int(number)


def _decimal(value: Cell) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise BadValue("not_a_number", f"{shown(value)} is no number.")
    return Decimal(value)


def _date(value: Cell) -> date:
    if isinstance(value, datetime):
        if value.timetz() != time():
            raise BadValue("not_a_date", f"{shown(value)} holds a time of day: make the column a datetime.")
        return value.date()
    if not isinstance(value, date):
        raise BadValue("not_a_date", f"{shown(value)} is no date.")
    return value


def _datetime(value: Cell) -> datetime:
    if isinstance(value, datetime):
        return value
    return datetime.combine(_date(value), time())


_NATIVE: Final[dict[str, Callable[[Cell], Cell]]] = {
    "integer": _integer,
    "decimal": _decimal,
    "date": _date,
    "datetime": _datetime,
}
