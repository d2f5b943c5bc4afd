"""The shapes that pass between the steps of a transformation, its bounds, and its one error.

* TransformationError: nothing could be transformed
    - code: a short word for programs (`not_content`, `too_large`, `broken`, …)
    - str(): a sentence for the user, with row and column where there are some

What is wrong with one row only is a Problem of that row: the rest is transformed, the row comes back as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from service.domain.errors import RefusedInput

Format = Literal["csv", "json", "xlsx"]
FORMATS: tuple[Format, ...] = ("csv", "json", "xlsx")
# A datetime is a date; lists and objects come from JSON alone.
Cell = str | int | bool | Decimal | date | list[Any] | dict[str, Any] | None


class TransformationError(RefusedInput):
    """The source cannot be read, or the target is not to be had; the text says what to change."""


@dataclass(frozen=True)
class Limits:
    """What one transformation may cost. `within_body`: where a request's body may be larger or smaller than 10 MB."""

    content_bytes: int = 10 * 1024 * 1024
    # JSON names each column in each row: it is half as large again as the same CSV.
    result_bytes: int = 20 * 1024 * 1024
    # All parts of an XLSX unpacked. Office's own files unpack to five to ten times their size.
    unpacked_bytes: int = 64 * 1024 * 1024
    archive_parts: int = 1_000
    rows: int = 100_000
    columns: int = 500
    cells: int = 1_000_000
    # More bad rows than this: a wrong option, not bad rows.
    rejected_rows: int = 1_000

    @classmethod
    def within_body(cls, body_bytes: int) -> Limits:
        """Content up to a request's body, and a result of twice that."""
        return cls(content_bytes=body_bytes, result_bytes=2 * body_bytes)


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be transformed. `column` None: the row as a whole."""

    code: str
    message: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`number` as the user counts: 1 is the first line, sheet row or list item. `extra`: values of no column."""

    number: int
    values: tuple[Cell, ...]
    problems: tuple[Problem, ...] = ()
    extra: tuple[Cell, ...] = ()

    def with_problems(self, problems: Sequence[Problem]) -> Row:
        return replace(self, problems=(*self.problems, *problems))


@dataclass(frozen=True)
class Finding:
    """Something that the user should know of the whole: what was guessed, changed or left out."""

    code: str
    message: str
    severity: Literal["warning", "info"] = "info"


@dataclass(frozen=True)
class Table:
    """What was read, whatever it was read from."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Source:
    """Checked and decoded from base64. `content`: text where text was sent; a list where JSON itself was sent."""

    format: Format
    content: bytes | str | list[Any]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class ColumnSpec:
    """One column of the target. `type` None: values stay what they are."""

    source: str
    name: str
    type: str | None = None
    is_required: bool = False
    locale: str | None = None
    date_order: str | None = None


@dataclass(frozen=True)
class Target:
    """`columns` None: those of the source, as they are."""

    format: Format
    columns: tuple[ColumnSpec, ...] | None
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """A file in the target's format. `text` None: it is binary, or in an encoding that JSON does not carry."""

    data: bytes
    text: str | None
    mime: str
    encoding: str | None
    findings: tuple[Finding, ...] = ()


def check_size(size: int, limits: Limits) -> None:
    """Raises TransformationError above `content_bytes`."""
    if size > limits.content_bytes:
        raise TransformationError("too_large", f"The content is larger than {_megabytes(limits.content_bytes)} MB.")


def check_shape(row_count: int, column_count: int, limits: Limits) -> None:
    """Raises TransformationError for a table that is too long, too wide or has too many cells."""
    if row_count > limits.rows:
        raise TransformationError("too_large", f"There are more than {limits.rows:,} rows: send them in parts.")
    if column_count > limits.columns:
        raise TransformationError("too_large", f"There are more than {limits.columns} columns.")
    if row_count * column_count > limits.cells:
        raise TransformationError("too_large", f"There are more than {limits.cells:,} cells: send them in parts.")


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that is there already; None where each is there once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def name_columns(header: Sequence[str]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Names for all columns, each once: an empty one becomes column_3, a second `amount` amount_2; both are told."""
    names: list[str] = []
    findings: list[Finding] = []
    taken = {name.strip() for name in header}
    for position, written in enumerate(header, 1):
        wanted = written.strip() or f"column_{position}"
        name, count = wanted, 1
        while name in names or (name != written.strip() and name in taken):
            count += 1
            name = f"{wanted}_{count}"
        if name != written.strip():
            was = f"is the second {wanted!r}" if written.strip() else "has no name"
            findings.append(Finding("column_renamed", f"Column {position} {was}: it is called {name!r}.", "warning"))
        names.append(name)
    return tuple(names), tuple(findings)


def _megabytes(size: int) -> int:
    return size // (1024 * 1024)
