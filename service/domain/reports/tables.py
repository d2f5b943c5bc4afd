"""Writes a report for programs: the whole as JSON, its details as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from service.domain.reports.model import Report, Table, Value
from service.domain.reports.units import plain
from service.domain.transformation.formulas import neutralise


def write_json(report: Report) -> dict[str, Any]:
    """`{title, company_id, company_name, gathered_at, since, headlines: [{label, value, unit, note}], sections: [{name,
    title, summary, columns, rows}], details: {columns, rows}, notes}`; a row is an object by column name, unknown null.
    """
    return {
        "title": report.title,
        "company_id": report.company_id,
        "company_name": report.company_name,
        "gathered_at": plain(report.gathered_at),
        "since": plain(report.since),
        "headlines": [
            {"label": one.label, "value": plain(one.value), "unit": one.unit, "note": one.note}
            for one in report.headlines
        ],
        "sections": [
            {"name": one.name, "title": one.title, "summary": one.summary, **_describe(one.table)}
            for one in report.sections
        ],
        "details": _describe(report.details),
        "notes": list(report.notes),
    }


def write_csv(report: Report) -> str:
    """The details with a header of column names. Unknown is empty; text that a spreadsheet would run is neutralised."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\r\n")
    writer.writerow(column.name for column in report.details.columns)
    for row in report.details.rows:
        writer.writerow([_cell(value) for value in row])
    return output.getvalue()


def _describe(table: Table) -> dict[str, Any]:
    names = [column.name for column in table.columns]
    return {
        "columns": [{"name": one.name, "label": one.label, "unit": one.unit} for one in table.columns],
        "rows": [dict(zip(names, map(plain, row), strict=True)) for row in table.rows],
    }


def _cell(value: Value) -> str | int | float | None:
    shown = plain(value)
    return neutralise(shown) if isinstance(shown, str) else shown
