"""Runs a transformation step by step and builds its result. Each step is yielded when it is done, for progress."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from service.domain.steps import Steps, run_to_end
from service.domain.transformation.csv_format import read_csv, write_csv
from service.domain.transformation.intake import check_source, parse_source, parse_target
from service.domain.transformation.json_format import read_json, write_json
from service.domain.transformation.mapping import Mapped, check_rejected, map_table
from service.domain.transformation.model import (
    DEFAULT_LIMITS,
    Cell,
    Finding,
    Limits,
    Row,
    Source,
    Table,
    Target,
    TransformationError,
    Written,
)
from service.domain.transformation.values import plain_json

STEPS: Final = (("reading", 40), ("mapping", 60), ("writing", 90), ("final_processing", 100))


def transform(source: object, target: object, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Run all steps. Raises TransformationError."""
    return run_to_end(transformation_steps(source, target, limits))


def transformation_steps(source: object, target: object, limits: Limits = DEFAULT_LIMITS) -> Steps:
    """Yield (step, percent) when each step is done; the return value is the result. Raises TransformationError.

    Result: `{transformation_complete, format, mime, encoding, content | content_base64, columns: [{name, type}],
    rows_read, rows_written, rows_rejected, blank_rows, rejected: [{row, values: {column: value}, extra_values,
    problems: [{code, message, column}]}], findings: [{code, severity, message}]}`.
    rows_read = rows_written + rows_rejected + blank_rows.
    """
    given, wanted = parse_source(source, limits), parse_target(target, limits)
    table = _read(given, limits)
    yield STEPS[0]
    mapped = map_table(table, wanted.columns, given.options, limits)
    yield STEPS[1]
    written, unwritable = _write(mapped, wanted)
    check_rejected((*mapped.rejected, *unwritable), limits)
    if len(written.data) > limits.result_bytes:
        limit_mb = limits.result_bytes // (1024 * 1024)
        raise TransformationError("too_large", f"The result is larger than {limit_mb} MB: send the rows in parts.")
    yield STEPS[2]
    result = _build_result(table, mapped, wanted, written, unwritable)
    yield STEPS[3]
    return result


def check_request(source: object, target: object) -> None:
    """What can be refused before a task is queued, without reading the content. Raises TransformationError."""
    check_source(source)
    parse_target(target)


def _read(source: Source, limits: Limits) -> Table:
    if source.format == "xlsx":
        # Not at the top: who only checks a request has no use for openpyxl and the numpy that it imports.
        from service.domain.transformation.xlsx_format import read_xlsx

        return read_xlsx(source, limits)
    return (read_csv if source.format == "csv" else read_json)(source, limits)


def _write(mapped: Mapped, target: Target) -> tuple[Written, list[Row]]:
    names = [spec.name for spec in mapped.columns]
    if target.format == "xlsx":
        from service.domain.transformation.xlsx_format import write_xlsx

        return write_xlsx(names, mapped.rows, target)
    return (write_csv if target.format == "csv" else write_json)(names, mapped.rows, target), []


def _build_result(
    table: Table, mapped: Mapped, target: Target, written: Written, unwritable: list[Row]
) -> dict[str, Any]:
    by_number = {row.number: row for row in table.rows}
    # A row that the target cannot hold comes back as it was read, as every other.
    rejected = [*mapped.rejected, *(by_number[row.number].with_problems(row.problems) for row in unwritable)]
    content: dict[str, str] = (
        {"content_base64": base64.b64encode(written.data).decode()}
        if written.text is None
        else {"content": written.text}
    )
    return {
        "transformation_complete": True,
        "format": target.format,
        "mime": written.mime,
        "encoding": written.encoding,
        **content,
        "columns": [{"name": spec.name, "type": spec.type} for spec in mapped.columns],
        "rows_read": len(table.rows),
        "rows_written": len(mapped.rows) - len(unwritable),
        "rows_rejected": len(rejected),
        "blank_rows": mapped.blank_rows,
        "rejected": [_describe_row(row, table.columns) for row in sorted(rejected, key=lambda row: row.number)],
        "findings": [_describe_finding(finding) for finding in (*mapped.findings, *written.findings)],
    }


def _describe_row(row: Row, columns: tuple[str, ...]) -> dict[str, Any]:
    values: Mapping[str, Cell] = dict(zip(columns, row.values, strict=True))
    described: dict[str, Any] = {
        "row": row.number,
        "values": {name: plain_json(value) for name, value in values.items()},
        "problems": [{"code": p.code, "message": p.message, "column": p.column} for p in row.problems],
    }
    if row.extra:
        described["extra_values"] = [plain_json(value) for value in row.extra]
    return described


def _describe_finding(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "severity": finding.severity, "message": finding.message}
