"""The shapes that pass through an analysis of ledger rows, its bounds, and its one error.

* LedgerError: nothing can be analysed
    - code: a short word for programs (`invalid_input`, `too_large`, `no_rows`, `ml_missing`)
    - str(): a sentence for the user, or for whoever runs the service
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from service.domain.errors import RefusedInput


class LedgerError(RefusedInput):
    """Rows that cannot be analysed; the text says what to change."""


@dataclass(frozen=True)
class Limits:
    """What one analysis may cost, and how much of it is told."""

    rows: int = 100_000
    accounts: int = 500
    months: int = 240
    months_ahead: int = 24
    anomalies: int = 500
    rejected_rows: int = 1_000
    text_chars: int = 500


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking. `row`: its place in the list that was sent, from 1."""

    row: int
    date: date
    amount: Decimal
    account: str
    counterparty: str
    text: str

    def document(self) -> dict[str, Any]:
        return {
            "row": self.row,
            "date": self.date.isoformat(),
            "amount": float(self.amount),
            "account": self.account,
            "counterparty": self.counterparty,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read, and why."""

    row: int
    problem: str

    def document(self) -> dict[str, Any]:
        return {"row": self.row, "problem": self.problem}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the reader should know of the whole."""

    code: str
    message: str

    def document(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True)
class Ledger:
    """Entries in order of date; what could not be read; the options that were sent."""

    entries: tuple[Entry, ...]
    rejected: tuple[BadRow, ...]
    months_ahead: int
    confidence: float
    complete_through: str | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        if not self.rejected:
            return ()
        return (Finding("rows_rejected", f"Rows that could not be read and count nowhere: {len(self.rejected)}."),)


def format_money(amount: float | Decimal) -> str:
    """`1,234.50`."""
    return f"{amount:,.2f}"
