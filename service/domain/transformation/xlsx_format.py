"""Reads and writes XLSX with openpyxl, whose XML is parsed by defusedxml (no entities, no external references).

What a file unpacks to is checked before anything is parsed. Formulas are never computed: their stored values are read,
and one without a stored value is a problem of its row. Links to other files are not followed.
"""

from __future__ import annotations

import io
import lzma
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils.exceptions import InvalidFileException

from service.domain.transformation.csv_format import table_findings
from service.domain.transformation.formulas import formula_finding, is_formula
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
from service.domain.transformation.values import plain_text

MIME: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0"
# Bounds of the format (ECMA-376; Excel's specifications and limits): characters a cell, exact digits of a number.
_CELL_CHARS: Final = 32_767
_EXACT_DIGITS: Final = 15
# Earlier days are counted wrongly by Excel (1900 is no leap year).
_FIRST_DAY: Final = date(1900, 3, 1)
# Empty cells that a row names before its end are made too, ten for each that may count.
_MADE_CELLS_EACH: Final = 10
_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[ >/]")
_BROKEN: Final = (
    zipfile.BadZipFile,
    InvalidFileException,
    ParseError,
    DefusedXmlException,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    ArithmeticError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
)


def read_xlsx(source: Source, limits: Limits) -> Table:
    """Raises TransformationError: `broken`, `encrypted`, `too_large`, `unknown_sheet`, `empty`."""
    if not isinstance(source.content, bytes):
        raise TransformationError("invalid_input", "XLSX is binary: send it as content_base64.")
    has_formulas = _check_archive(source.content, limits)
    with _broken_is_told():
        sheet, findings, records = _read_sheet(source.content, source.options.get("sheet"), limits, values=True)
        formulas: set[tuple[int, int]] = set()
        if has_formulas:
            _, _, written = _read_sheet(source.content, sheet, limits, values=False)
            formulas = {(at, column) for at, cells in written for column, (_, kind) in enumerate(cells) if kind == "f"}
    if formulas:
        findings.append(
            Finding("formulas_read", f"Formulas that were read as the values stored with them: {len(formulas)}.")
        )
    return _build_table(records, formulas, source, findings, limits)


def write_xlsx(columns: Sequence[str], rows: Sequence[Row], target: Target) -> tuple[Written, list[Row]]:
    """The file, and the rows that XLSX cannot hold (with their problems; they are not in it)."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_title(target.options.get("sheet", "Data")))
    sheet.freeze_panes = "A2" if target.options.get("header", True) else None
    rejected: list[Row] = []
    neutralised: list[tuple[int, str]] = []
    as_text = 0
    if target.options.get("header", True):
        sheet.append([_text_cell(sheet, ILLEGAL_CHARACTERS_RE.sub("", name)[:_CELL_CHARS]) for name in columns])
    for row in rows:
        problems = [problem for name, value in zip(columns, row.values, strict=True) for problem in _unfit(name, value)]
        if problems:
            rejected.append(row.with_problems(problems))
            continue
        neutralised += [(row.number, name) for name, cell in zip(columns, row.values, strict=True) if _is_risky(cell)]
        as_text += sum(not _is_native(value) for value in row.values)
        sheet.append([_build_cell(sheet, value) for value in row.values])
    findings = [*formula_finding(neutralised, "marked as text"), *table_findings(rows)]
    if as_text:
        findings.append(
            Finding("as_text", f"Numbers and dates that XLSX cannot hold exactly, written as text: {as_text}.")
        )
    output = io.BytesIO()
    book.save(output)
    return Written(output.getvalue(), None, MIME, None, tuple(findings)), rejected


def _check_archive(content: bytes, limits: Limits) -> bool:
    """Refuses what is no XLSX or unpacks to too much; tells whether there are formulas.

    A part cannot unpack to more than the archive says: zipfile stops there.
    """
    if content.startswith(_OLE_MAGIC):
        message = "The file is encrypted, or an old XLS: save it as XLSX without a password."
        raise TransformationError("encrypted", message)
    with _broken_is_told(), zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
        if len(parts) > limits.archive_parts or sum(part.file_size for part in parts) > limits.unpacked_bytes:
            limit_mb = limits.unpacked_bytes // (1024 * 1024)
            raise TransformationError("too_large", f"The XLSX unpacks to more than {limit_mb} MB or too many parts.")
        if "[Content_Types].xml" not in archive.namelist():
            raise TransformationError("broken", "The content is an archive, but no XLSX.")
        sheets = [part for part in parts if part.filename.startswith("xl/worksheets/")]
        return any(_FORMULA.search(archive.read(part)) for part in sheets)


@contextmanager
def _broken_is_told() -> Iterator[None]:
    """Whatever openpyxl raises on a broken file is one sentence; what it warns of (lost styles) does not matter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except TransformationError:
            raise
        except _BROKEN as error:
            raise TransformationError("broken", f"The XLSX cannot be read: {type(error).__name__}.") from error


def _read_sheet(
    content: bytes, wanted: str | None, limits: Limits, *, values: bool
) -> tuple[str, list[Finding], list[tuple[int, list[tuple[Any, str]]]]]:
    """The sheet's name, what was told, and each row that has cells: its number and (value, kind) of its cells."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=values, keep_links=False)
    try:
        names = [sheet.title for sheet in book.worksheets]
        if not names or (wanted is not None and wanted not in names):
            there = ", ".join(repr(name) for name in names[:20]) or "none"
            raise TransformationError("unknown_sheet", f"There is no sheet {wanted!r}. There is: {there}.")
        name = wanted or names[0]
        findings = [_other_sheets(name, names)] if wanted is None and len(names) > 1 else []
        sheet: Any = book[name]
        # A file may claim any size, and openpyxl would fill it with empty cells.
        sheet.reset_dimensions()
        records = []
        made = 0
        for number, row in enumerate(sheet.iter_rows(), 1):
            made += len(row)
            if made > limits.cells * _MADE_CELLS_EACH:
                message = "The sheet has too many empty cells: delete the empty columns at its right."
                raise TransformationError("too_large", message)
            cells = [(_read_value(cell), cell.data_type) for cell in row]
            while cells and cells[-1][0] is None:
                cells.pop()
            check_shape(number, len(cells), limits)
            records.append((number, cells))
        return name, findings, records
    finally:
        book.close()


def _read_value(cell: Any) -> Any:
    """XLSX knows no days, only points in time: the cell's format tells that a day is meant."""
    value = cell.value
    if isinstance(value, datetime) and value.time() == time() and "h" not in cell.number_format.lower():
        return value.date()
    return value


def _other_sheets(name: str, names: Sequence[str]) -> Finding:
    others = ", ".join(repr(other) for other in names if other != name)
    return Finding("other_sheets", f"Sheet {name!r} was read. Not read: {others}. options.sheet picks one.", "warning")


def _build_table(
    records: Sequence[tuple[int, list[tuple[Any, str]]]],
    formulas: set[tuple[int, int]],
    source: Source,
    findings: list[Finding],
    limits: Limits,
) -> Table:
    with_formulas = {number for number, _ in formulas}
    present = [(number, cells) for number, cells in records if cells or number in with_formulas]
    if not present:
        raise TransformationError("empty", "The sheet holds no cell.")
    width = max(*(len(cells) for _, cells in present), *(position + 1 for _, position in formulas), 1)
    check_shape(len(records), width, limits)
    renamed: tuple[Finding, ...] = ()
    if source.options.get("header", True):
        _, header = present[0]
        present = present[1:]
        written = [plain_text(_cell(value)) for value, _ in header] + [""] * (width - len(header))
        columns, renamed = name_columns(written)
    else:
        columns, _ = name_columns([""] * width)
    rows = tuple(_row(number, cells, columns, formulas) for number, cells in present)
    return Table(columns, rows, (*findings, *renamed))


def _row(number: int, cells: Sequence[tuple[Any, str]], columns: Sequence[str], formulas: set[tuple[int, int]]) -> Row:
    values = [_cell(value) for value, _ in cells] + [None] * (len(columns) - len(cells))
    problems = [
        Problem("spreadsheet_error", f"The cell holds the error {value}.", columns[position])
        for position, (value, kind) in enumerate(cells)
        if kind == "e"
    ]
    problems += [
        Problem("formula_without_value", "The cell holds a formula, but no computed value.", columns[position])
        for position, value in enumerate(values)
        if value is None and (number, position) in formulas
    ]
    return Row(number, tuple(values), tuple(problems))


def _cell(value: Any) -> Cell:
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, (str, int, date)):
        return value or None if isinstance(value, str) else value
    return None if value is None else str(value)


def _unfit(name: str, value: Cell) -> Iterator[Problem]:
    if isinstance(value, (str, list, dict)):
        text = plain_text(value)
        if len(text) > _CELL_CHARS:
            yield Problem("too_long", f"The text has {len(text):,} characters; XLSX holds {_CELL_CHARS:,}.", name)
        if ILLEGAL_CHARACTERS_RE.search(text):
            yield Problem("control_character", "The text holds a control character, which XLSX cannot hold.", name)


def _is_native(value: Cell) -> bool:
    """Whether XLSX holds the value as it is: numbers are floats there, times have no zone and no microseconds."""
    if isinstance(value, (bool, str, list, dict)) or value is None:
        return True
    if isinstance(value, datetime):
        return value.date() >= _FIRST_DAY and value.tzinfo is None and value.microsecond == 0
    if isinstance(value, date):
        return value >= _FIRST_DAY
    digits = Decimal(value).normalize()
    return len(digits.as_tuple().digits) <= _EXACT_DIGITS and abs(digits.adjusted()) < 300


def _is_risky(value: Cell) -> bool:
    return isinstance(value, str) and is_formula(value)


def _build_cell(sheet: Any, value: Cell) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, list, dict)) or not _is_native(value):
        return _text_cell(sheet, plain_text(value))
    number_or_date: Any = value
    cell = WriteOnlyCell(sheet, value=number_or_date)
    if isinstance(value, date):
        cell.number_format = "yyyy-mm-dd hh:mm:ss" if isinstance(value, datetime) else "yyyy-mm-dd"
    return cell


def _text_cell(sheet: Any, text: str) -> Any:
    """Text, whatever it begins with: openpyxl would make a formula of `=1+1` and an error of `#N/A`."""
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"
    if is_formula(text):
        # What Excel itself sets when somebody types an apostrophe first: the text stays text when it is edited.
        cell.quotePrefix = True
    return cell


def _sheet_title(wanted: str) -> str:
    r"""Excel takes 31 characters, none of []:*?/\ among them."""
    return re.sub(r"[\[\]:*?/\\\x00-\x1f]", " ", wanted)[:31].strip("' ") or "Data"
