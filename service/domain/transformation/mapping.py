"""Maps a table's columns to the target's: names, types, what is required. A bad row is set apart, never dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.transformation.model import (
    Cell,
    ColumnSpec,
    Finding,
    Limits,
    Problem,
    Row,
    Table,
    TransformationError,
)
from service.domain.transformation.notations import LOCALES, choose_notation
from service.domain.transformation.values import READINGS, BadValue, convert


@dataclass(frozen=True)
class Mapped:
    """`rejected`: rows as they were read, with their problems. `blank_rows`: rows without a single value."""

    columns: tuple[ColumnSpec, ...]
    rows: tuple[Row, ...]
    rejected: tuple[Row, ...]
    blank_rows: int
    findings: tuple[Finding, ...]


def map_table(
    table: Table, columns: tuple[ColumnSpec, ...] | None, options: Mapping[str, Any], limits: Limits
) -> Mapped:
    """Apply `columns` (None: all, as they are). `options`: the source's, for locale and date_order.

    Raises TransformationError: `unknown_column`, `too_many_bad_rows`.
    """
    specs = columns or tuple(ColumnSpec(name, name) for name in table.columns)
    positions = _find_columns(table, specs)
    present = [row for row in table.rows if not _is_blank(row)]
    notations = [_notation(spec, at, present, options) for spec, at in zip(specs, positions, strict=True)]
    good: list[Row] = []
    rejected: list[Row] = []
    for row in present:
        mapped, problems = _map_row(row, specs, positions, notations)
        if row.problems or problems:
            rejected.append(row.with_problems(problems))
            check_rejected(rejected, limits)
        else:
            good.append(Row(row.number, mapped))
    blank_rows = len(table.rows) - len(present)
    return Mapped(specs, tuple(good), tuple(rejected), blank_rows, _findings(table, specs, blank_rows))


def check_rejected(rejected: Sequence[Row], limits: Limits) -> None:
    """Raises TransformationError where more rows are bad than a sound file has."""
    if len(rejected) > limits.rejected_rows:
        first = "; ".join(describe_problem(row, problem) for row in rejected[:3] for problem in row.problems[:1])
        raise TransformationError(
            "too_many_bad_rows", f"More than {limits.rejected_rows:,} rows cannot be transformed. The first: {first}"
        )


def describe_problem(row: Row, problem: Problem) -> str:
    """`row 7, column 'Betrag': '12,5x' is no number.`"""
    where = f"row {row.number}" if problem.column is None else f"row {row.number}, column {problem.column!r}"
    return f"{where}: {problem.message}"


def _find_columns(table: Table, specs: Sequence[ColumnSpec]) -> list[int]:
    places = {name: position for position, name in enumerate(table.columns)}
    for spec in specs:
        if spec.source not in places:
            there = ", ".join(repr(name) for name in table.columns[:20]) or "none"
            message = f"The source has no column {spec.source!r}. It has: {there}."
            raise TransformationError("unknown_column", message)
    return [places[spec.source] for spec in specs]


def _notation(spec: ColumnSpec, position: int, rows: Sequence[Row], options: Mapping[str, Any]) -> str | None:
    """In order: the column's own option, the source's option, what the column's values tell, None."""
    if spec.type not in READINGS:
        return None
    locale = spec.locale or options.get("locale")
    decimal_sign, order = LOCALES[locale] if locale else (None, None)
    is_number = spec.type in ("integer", "decimal")
    given = decimal_sign if is_number else spec.date_order or options.get("date_order") or order
    if given is not None:
        return str(given)
    texts = (value for row in rows if isinstance(value := row.values[position], str))
    return choose_notation(texts, READINGS[spec.type])


def _map_row(
    row: Row, specs: Sequence[ColumnSpec], positions: Sequence[int], notations: Sequence[str | None]
) -> tuple[tuple[Cell, ...], list[Problem]]:
    mapped: list[Cell] = []
    problems: list[Problem] = []
    for spec, position, notation in zip(specs, positions, notations, strict=True):
        try:
            value = convert(row.values[position], spec.type, notation)
            if spec.is_required and (value is None or value == ""):
                raise BadValue("missing", "The value is missing.")
            mapped.append(value)
        except BadValue as error:
            problems.append(error.problem(spec.source))
    return tuple(mapped), problems


def _is_blank(row: Row) -> bool:
    return not row.problems and not row.extra and all(value is None for value in row.values)


def _findings(table: Table, specs: Sequence[ColumnSpec], blank_rows: int) -> tuple[Finding, ...]:
    findings = list(table.findings)
    used = {spec.source for spec in specs}
    left_out = [repr(name) for name in table.columns if name not in used]
    if left_out:
        names = ", ".join(left_out[:20]) + (" …" if len(left_out) > 20 else "")
        findings.append(Finding("columns_left_out", f"Columns that the mapping does not name: {names}."))
    if blank_rows:
        findings.append(Finding("blank_rows", f"Rows left out because they hold no value at all: {blank_rows}."))
    return tuple(findings)
