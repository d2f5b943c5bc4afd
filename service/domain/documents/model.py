"""The shapes that pass between the steps of a document's analysis, and its one error.

Nothing here knows how a document is read; `DocumentError` is the only exception that leaves this package:

* DocumentError
    - code: a short word for programs (`broken`, `encrypted`, `scanned`, …)
    - str(): a sentence for the user who sent the document
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from service.domain.errors import RefusedInput

Source = Literal["factur-x", "text"]
Severity = Literal["error", "warning", "info"]
Kind = Literal["pdf", "xml", "html", "text", "image"]

FIELD_NAMES = (
    "invoice_number",
    "issue_date",
    "currency",
    "total",
    "untaxed",
    "tax",
    "seller",
    "buyer",
    "iban",
    "vat",
)


class DocumentError(RefusedInput):
    """A document that cannot be analysed; the text says why and what to send instead."""


@dataclass(frozen=True)
class Limits:
    """What one document may cost. Real invoices are far below each of these."""

    document_bytes: int = 10 * 1024 * 1024
    pages: int = 200
    # One decompressed stream. In eleven real invoices a page had 26 KB at most; pictures are not decoded.
    stream_bytes: int = 32 * 1024 * 1024
    # Operators and operands in one page's content; those invoices had 4,565 at most.
    page_operations: int = 500_000
    text_chars: int = 2_000_000
    result_text_bytes: int = 64 * 1024
    extraction_s: float = 120.0
    # Of one picture that is read by OCR. A4 at 600 dots per inch has 35 million.
    picture_pixels: int = 40_000_000
    # One picture, and all of a document: far below the task's own limit. A page of A4 takes 2 to 10 s.
    ocr_picture_s: float = 60.0
    ocr_s: float = 600.0
    ocr_memory_bytes: int = 1536 * 1024 * 1024


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Document:
    """A document as bytes whose kind was recognised from its content, not believed from its mime type."""

    kind: Kind
    data: bytes
    limits: Limits = DEFAULT_LIMITS


@dataclass(frozen=True)
class ExtractedText:
    """What was written in the document: the text of each page, and invoice XML where there is some.

    `is_recognised`: some of it was read from pictures, where letters and digits can be mistaken for others.
    """

    pages: tuple[str, ...]
    xml: bytes | None = None
    findings: tuple[Finding, ...] = ()
    limits: Limits = DEFAULT_LIMITS
    is_recognised: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.pages)


@dataclass(frozen=True)
class Field:
    """One value that was read. `value` None: not there. `valid`: check digits hold (iban and vat only)."""

    value: str | None = None
    source: Source | None = None
    confidence: float = 0.0
    valid: bool | None = None


@dataclass(frozen=True)
class Finding:
    """Something the user should know about the document."""

    code: str
    severity: Severity
    message: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entity:
    """A named thing in the document: organization, iban, vat_id, amount, date, email or bic."""

    type: str
    value: str
    role: str | None = None


@dataclass(frozen=True)
class Fields:
    """The invoice's fields by name (FIELD_NAMES), and what else the checks need."""

    by_name: Mapping[str, Field]
    due_date: str | None = None
    findings: tuple[Finding, ...] = field(default=())

    def __getitem__(self, name: str) -> Field:
        return self.by_name[name]

    def value(self, name: str) -> str | None:
        return self.by_name[name].value
