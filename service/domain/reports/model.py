"""What a report is, whatever it is written as: headlines, sections of a table with or without a chart, details.

* ReportError: no such report
    - code: `unknown_type`
    - str(): a sentence for the user, with the types that there are
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.domain.errors import RefusedInput

Unit = Literal["text", "count", "bytes", "seconds", "percent", "tokens", "time"]
Value = str | int | float | datetime | None


class ReportError(RefusedInput):
    """A report that cannot be made; the text says what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure at the top. `note`: what it is measured against, or why it is not known."""

    label: str
    value: Value
    unit: Unit = "count"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`name` for programs (JSON, CSV), `label` for people."""

    name: str
    label: str
    unit: Unit = "text"


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over a table: the first column names them, `series` are the columns that are drawn, stacked.

    `bars` lie, for names; `columns` stand, for a course of time. `most`: the end of the axis where it is given (100 %).
    """

    kind: Literal["bars", "columns"]
    series: tuple[str, ...]
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """`summary`: what the section shows, in a sentence with its figures: a chart's text for who cannot see it."""

    name: str
    title: str
    summary: str
    table: Table
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`details`: one row per thing that was counted; it is the CSV file. `notes`: what the figures do not say."""

    report_type: str
    title: str
    company_id: str
    company_name: str
    gathered_at: datetime
    since: datetime
    headlines: tuple[Headline, ...]
    sections: tuple[Section, ...]
    details: Table
    notes: tuple[str, ...] = ()


def column_values(table: Table, name: str) -> Sequence[Value]:
    """A column's values from top to bottom."""
    position = [column.name for column in table.columns].index(name)
    return [row[position] for row in table.rows]
