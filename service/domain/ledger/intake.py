"""Reads ledger rows as they were sent, `{date, amount, account, counterparty, text}`. Bad rows are told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from service.domain.ledger.model import DEFAULT_LIMITS, BadRow, Entry, Ledger, LedgerError, Limits
from service.domain.transformation.notations import (
    Readings,
    choose_notation,
    choose_reading,
    date_readings,
    number_readings,
)

WHAT_TO_SEND: Final = (
    'Send {"rows": [{"date": "2024-05-12", "amount": 119.0, "account": "4930", "counterparty": "ACME", "text": ""}]}.'
)
_OPTIONS: Final = {"months_ahead", "confidence", "complete_through"}
_MONTH: Final = re.compile(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])")
# More is no money of anybody, and floats would lose its cents.
_LARGEST: Final = Decimal(10) ** 13


class _BadRow(Exception):
    """One row cannot be read."""


def parse_ledger(data: object, limits: Limits = DEFAULT_LIMITS) -> Ledger:
    """Read `data`: a list of rows, or `{"rows": […], "options": {…}}`.

    Raises LedgerError: `invalid_input`, `too_large`, `no_rows`, `too_many_bad_rows`.
    """
    rows, options = check_data(data, limits)
    order = choose_notation(_texts(rows, "date"), date_readings)
    sign = choose_notation(_texts(rows, "amount"), number_readings)
    entries: list[Entry] = []
    rejected: list[BadRow] = []
    for number, row in enumerate(rows, 1):
        try:
            entries.append(_entry(number, row, order, sign, limits))
        except _BadRow as error:
            rejected.append(BadRow(number, str(error)))
    if len(rejected) > limits.rejected_rows or not entries:
        first = "; ".join(f"row {bad.row}: {bad.problem}" for bad in rejected[:3])
        code = "no_rows" if not entries else "too_many_bad_rows"
        raise LedgerError(code, f"{len(rejected)} of {len(rows)} rows cannot be read. {first}")
    entries.sort(key=lambda entry: (entry.date, entry.row))
    return Ledger(tuple(entries), tuple(rejected), *options)


def check_data(data: object, limits: Limits = DEFAULT_LIMITS) -> tuple[list[Any], tuple[int, float, str | None]]:
    """The rows as they were sent, and the options; cheap, whatever the size. Raises LedgerError."""
    rows, options = _parts(data)
    if not rows:
        raise LedgerError("no_rows", f"There are no rows. {WHAT_TO_SEND}")
    if len(rows) > limits.rows:
        raise LedgerError("too_large", f"There are more than {limits.rows:,} rows: send fewer months or accounts.")
    return rows, _read_options(options, limits)


def _parts(data: object) -> tuple[list[Any], Mapping[str, Any]]:
    if isinstance(data, Mapping):
        unknown = sorted(str(key) for key in data if key not in ("rows", "options"))
        if unknown:
            raise _invalid(f"data does not know {unknown[0][:40]!r}. {WHAT_TO_SEND}")
        rows, options = data.get("rows"), data.get("options")
    else:
        rows, options = data, None
    if not isinstance(rows, list):
        raise _invalid(f"data holds no list of rows. {WHAT_TO_SEND}")
    options = {} if options is None else options
    if not isinstance(options, Mapping) or not _OPTIONS.issuperset(options):
        raise _invalid(f"data.options takes {', '.join(sorted(_OPTIONS))}.")
    return rows, options


def _read_options(options: Mapping[str, Any], limits: Limits) -> tuple[int, float, str | None]:
    months = options.get("months_ahead", 3)
    if not isinstance(months, int) or isinstance(months, bool) or not 1 <= months <= limits.months_ahead:
        raise _invalid(f"months_ahead is a whole number from 1 to {limits.months_ahead}.")
    confidence = options.get("confidence", 0.8)
    if not isinstance(confidence, (int, float)) or not 0.5 <= confidence <= 0.99:
        raise _invalid("confidence is a number from 0.5 to 0.99.")
    through = options.get("complete_through")
    if through is not None and not (isinstance(through, str) and _MONTH.fullmatch(through)):
        raise _invalid('complete_through is a month such as "2024-05".')
    return months, float(confidence), through


def _texts(rows: list[Any], key: str) -> list[str]:
    return [row[key] for row in rows if isinstance(row, Mapping) and isinstance(row.get(key), str)]


def _entry(number: int, row: Any, order: str | None, sign: str | None, limits: Limits) -> Entry:
    if not isinstance(row, Mapping):
        raise _BadRow("it is no object")
    day = _date(row.get("date"), order)
    amount = _amount(row.get("amount"), sign)
    account = _text(row, "account", limits)
    if not account:
        raise _BadRow("account is missing")
    return Entry(number, day, amount, account, _text(row, "counterparty", limits), _text(row, "text", limits))


def _date(value: Any, order: str | None) -> date:
    if not isinstance(value, str):
        raise _BadRow("date is missing" if value is None else "date is no text such as 2024-05-12")
    # A time of day behind an ISO date says nothing here.
    found: date | None = _choose(date_readings(re.sub(r"^(\d{4}-\d\d-\d\d)[T ].{1,30}$", r"\1", value)), order, value)
    if found is None:
        raise _BadRow(f"date {value[:40]!r} is no date")
    return found


def _amount(value: Any, sign: str | None) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _BadRow("amount is missing" if value is None else "amount is no number")
    amount: Decimal | None
    amount = _choose(number_readings(value), sign, value) if isinstance(value, str) else Decimal(repr(value))
    if amount is None or not amount.is_finite() or abs(amount) > _LARGEST:
        raise _BadRow(f"amount {str(value)[:40]!r} is no amount")
    return amount


def _choose(found: Readings, notation: str | None, written: str) -> Any:
    value = choose_reading(found, notation)
    if value is None and notation is None and found:
        meanings = " or ".join(sorted(str(meaning) for meaning in found.values()))
        raise _BadRow(f"{written[:40]!r} may be {meanings}: send numbers as numbers and dates as 2024-05-12")
    return value


def _text(row: Mapping[str, Any], key: str, limits: Limits) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _BadRow(f"{key} is no text")
    return " ".join(str(value).split())[: limits.text_chars]


def _invalid(message: str) -> LedgerError:
    return LedgerError("invalid_input", message)
