"""Reads and writes CSV: delimiter, header, quoted cells; text that a spreadsheet would run is neutralised.

A row is counted as a spreadsheet counts it: the header is row 1, an empty line is a row, a quoted line break is none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from service.domain.transformation.encoding import decode_text
from service.domain.transformation.formulas import formula_finding, is_formula, neutralise
from service.domain.transformation.model import (
    Cell,
    Finding,
    Limits,
    Problem,
    Row,
    Source,
    Table,
    Target,
    TransformationError,
    Written,
    check_shape,
    name_columns,
)
from service.domain.transformation.values import local_text, shown

_DELIMITERS: Final = (";", ",", "\t", "|")
_SNIFFED_ROWS: Final = 50
_SNIFFED_CHARS: Final = 64 * 1024
_ENCODINGS: Final = {"utf-8": "utf-8", "utf-16": "utf-16", "latin-1": "latin-1", "windows-1252": "cp1252"}


def read_csv(source: Source, limits: Limits) -> Table:
    """Raises TransformationError: `encoding`, `broken`, `too_large`, `empty`."""
    if isinstance(source.content, list):
        raise TransformationError("invalid_input", "CSV is text: send it as content or content_base64.")
    text, findings = decode_text(source.content, source.options.get("encoding"))
    text, delimiter, first_row = _delimiter(text, source.options.get("delimiter"))
    records = _records(text, delimiter, first_row)
    try:
        number, first = next((number, fields) for number, fields in records if fields)
    except StopIteration:
        raise TransformationError("empty", "The CSV holds no row.") from None
    check_shape(1, len(first), limits)
    has_header = source.options.get("header", True)
    columns, renamed = name_columns(first if has_header else [""] * len(first))
    rows = [] if has_header else [_row(number, first, len(columns))]
    for number, fields in records:
        rows.append(_row(number, fields, len(columns)))
        check_shape(len(rows), len(columns), limits)
    return Table(columns, tuple(rows), (*findings, *(renamed if has_header else ())))


def write_csv(columns: Sequence[str], rows: Sequence[Row], target: Target) -> Written:
    """Raises TransformationError `encoding` for a character that the encoding has not."""
    options = target.options
    locale = options.get("locale")
    # Where the comma is the decimal sign, spreadsheets expect a semicolon.
    delimiter = options.get("delimiter", ";" if locale in ("de", "fr", "it") else ",")
    output = io.StringIO()
    writer = csv.writer(output, delimiter=delimiter, lineterminator="\r\n")
    neutralised: list[tuple[int, str]] = []
    if options.get("header", True):
        neutralised += [(1, name) for name in columns if is_formula(name)]
        writer.writerow([neutralise(name) for name in columns])
    for row in rows:
        neutralised += [
            (row.number, name)
            for name, value in zip(columns, row.values, strict=True)
            if isinstance(value, str) and is_formula(value)
        ]
        writer.writerow([_cell(value, locale) for value in row.values])
    findings = [*formula_finding(neutralised, "given an apostrophe in front"), *table_findings(rows)]
    return _encode(output.getvalue(), rows, columns, options, tuple(findings))


def sniff_delimiter(text: str) -> str:
    """The delimiter by which most rows have as many fields as the first, two at least; else a comma.

    `a;b\\n1,5;2,5` → `;`: by commas the first row has one field only.
    """
    best, best_score = ",", (0.0, 0)
    sample = text[:_SNIFFED_CHARS]
    for delimiter in _DELIMITERS:
        try:
            found = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            widths = [len(fields) for fields in islice(found, _SNIFFED_ROWS) if fields]
        except csv.Error:
            continue
        # The sample may end within a row.
        widths = widths[:-1] if len(text) > _SNIFFED_CHARS and len(widths) > 1 else widths
        if widths and widths[0] > 1:
            score = (widths.count(widths[0]) / len(widths), widths[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def table_findings(rows: Sequence[Row]) -> tuple[Finding, ...]:
    """What any table of plain cells cannot hold as it was."""
    return (*_nested(rows), *_empty_text(rows))


def _delimiter(text: str, given: str | None) -> tuple[str, str, int]:
    """The text to read, its delimiter, and the number of its first row. Excel's own first line `sep=;` is obeyed."""
    first_line = text.split("\n", 1)[0].rstrip("\r")
    if len(first_line) == 5 and first_line.lower().startswith("sep=") and first_line[4] in _DELIMITERS:
        return text.partition("\n")[2], given or first_line[4], 2
    return text, given or sniff_delimiter(text), 1


def _records(text: str, delimiter: str, first_row: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = first_row - 1
    try:
        for fields in reader:
            number += 1
            yield number, fields
    except csv.Error as error:
        # The module's own words: "',' expected after '\"'", "unexpected end of data", "field larger than field limit".
        message = f"Row {number + 1} (line {reader.line_num}) is no CSV: {error}. Is a quotation mark missing?"
        raise TransformationError("broken", message) from None


def _row(number: int, fields: Sequence[str], width: int) -> Row:
    values = tuple(field or None for field in fields)
    kept, extra = values[:width], values[width:]
    if any(extra):
        text = (
            f"The row has {len(values)} values for {width} columns: {shown(extra[0])} and what follows has no column."
        )
        return Row(number, kept, (Problem("too_many_values", text),), extra)
    if values and len(values) < width:
        problem = Problem("too_few_values", f"The row has {len(values)} values for {width} columns.")
        return Row(number, (*kept, *[None] * (width - len(kept))), (problem,))
    return Row(number, kept or (None,) * width)


def _cell(value: Cell, locale: str | None) -> str:
    return neutralise(value) if isinstance(value, str) else local_text(value, locale)


def _nested(rows: Sequence[Row]) -> tuple[Finding, ...]:
    count = sum(isinstance(value, (list, dict)) for row in rows for value in row.values)
    if not count:
        return ()
    return (Finding("nested_as_json", f"Lists and objects that were written as JSON text: {count}."),)


def _empty_text(rows: Sequence[Row]) -> tuple[Finding, ...]:
    count = sum(value == "" for row in rows for value in row.values)
    if not count:
        return ()
    return (Finding("empty_text", f"Cells with empty text, which a table cannot tell from no value: {count}."),)


def _encode(
    text: str, rows: Sequence[Row], columns: Sequence[str], options: Mapping[str, Any], findings: tuple[Finding, ...]
) -> Written:
    encoding = options.get("encoding", "utf-8")
    if encoding == "utf-8" and options.get("bom"):
        text = "\ufeff" + text
    try:
        data = text.encode(_ENCODINGS[encoding])
    except UnicodeEncodeError as error:
        character = text[error.start]
        where = next(
            (
                f"row {row.number}, column {name!r}"
                for row in rows
                for name, value in zip(columns, row.values, strict=True)
                if isinstance(value, (str, list, dict)) and character in local_text(value, None)
            ),
            "the header",
        )
        raise TransformationError("encoding", f"{where}: {character!r} does not exist in {encoding}.") from None
    return Written(data, text if encoding == "utf-8" else None, "text/csv", encoding, findings)
