"""Checks an invoice's fields against each other and says what is wrong, in words for the user."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from service.domain.documents.model import ExtractedText, Fields, Finding

# Without these a document is of no use to accounting.
_EXPECTED = ("invoice_number", "issue_date", "currency", "total", "seller", "buyer")
_CENT = Decimal("0.01")


def check_fields(fields: Fields, extracted: ExtractedText) -> tuple[Finding, ...]:
    """Findings in the order: reading, missing fields, check digits, sums, dates."""
    return (
        *extracted.findings,
        *_check_length(extracted),
        *_check_missing(fields),
        *_check_digits(fields),
        *_check_sum(fields),
        *_check_due_date(fields),
    )


def _check_length(extracted: ExtractedText) -> Iterator[Finding]:
    limit = extracted.limits.result_text_bytes
    if len(extracted.text.encode()) > limit:
        yield Finding("text_truncated", "info", f"Only the first {limit // 1024} KB of the text are in the result.")


def _check_missing(fields: Fields) -> Iterator[Finding]:
    missing = tuple(name for name in _EXPECTED if fields.value(name) is None)
    if len(missing) == len(_EXPECTED):
        yield Finding("not_an_invoice", "warning", "Nothing in the document looks like an invoice.", missing)
    elif missing:
        names = ", ".join(name.replace("_", " ") for name in missing)
        yield Finding("fields_not_found", "warning", f"Not found in the document: {names}.", missing)


def _check_digits(fields: Fields) -> Iterator[Finding]:
    for name, title in (("iban", "IBAN"), ("vat", "VAT id")):
        if fields[name].valid is False:
            message = f"The {title} {fields[name].value} is not valid: its check digits or its form are wrong."
            yield Finding(f"{name}_invalid", "error", message, (name,))


def _check_sum(fields: Fields) -> Iterator[Finding]:
    untaxed, tax, total = (fields.value(name) for name in ("untaxed", "tax", "total"))
    if untaxed is None or tax is None or total is None:
        return
    if abs(Decimal(untaxed) + Decimal(tax) - Decimal(total)) > _CENT:
        message = f"The amounts do not add up: {untaxed} + {tax} is not {total}."
        yield Finding("sum_mismatch", "error", message, ("untaxed", "tax", "total"))


def _check_due_date(fields: Fields) -> Iterator[Finding]:
    issued = fields.value("issue_date")
    # ISO dates compare as text.
    if fields.due_date is not None and issued is not None and fields.due_date < issued:
        message = f"The invoice is due on {fields.due_date}, before it was issued on {issued}."
        yield Finding("due_before_issue", "error", message, ("issue_date",))
