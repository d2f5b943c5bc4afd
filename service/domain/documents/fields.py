"""Puts the fields of a document together: from its invoice XML, else from its text."""

from __future__ import annotations

from dataclasses import replace

from service.domain.documents.header import (
    Found,
    find_currency,
    find_due_date,
    find_iban,
    find_invoice_number,
    find_issue_date,
    find_vat,
    is_month_first,
)
from service.domain.documents.invoice_xml import read_invoice_xml
from service.domain.documents.lines import split_lines
from service.domain.documents.model import FIELD_NAMES, ExtractedText, Field, Fields
from service.domain.documents.parties import find_parties
from service.domain.documents.totals import find_totals

# Of what a rule finds in text, this share of its confidence is left where the text was read from a picture.
_TRUST_IN_OCR = 0.85


def read_fields(extracted: ExtractedText) -> Fields:
    """All of FIELD_NAMES. With XML each is the XML's (source `factur-x`, .99, None where it holds none); without, each
    is read from the text with the confidence of the rule that found it (0 and no value where none did).
    """
    if extracted.xml is not None:
        fields = read_invoice_xml(extracted.xml)
        if fields is not None:
            return fields
    fields = read_text_fields(extracted.pages)
    return _trust_less(fields) if extracted.is_recognised else fields


def read_text_fields(pages: tuple[str, ...]) -> Fields:
    """The fields that the text alone shows."""
    lines = split_lines(pages)
    month_first = is_month_first("\n".join(pages))
    currency = find_currency(lines)
    seller, buyer = find_parties(lines)
    totals = find_totals(lines, currency.value if currency else None)
    found: dict[str, Found | None] = {
        "invoice_number": find_invoice_number(lines),
        "issue_date": find_issue_date(lines, month_first),
        "currency": currency,
        "total": totals.get("total"),
        "untaxed": totals.get("untaxed"),
        "tax": totals.get("tax"),
        "seller": Found(seller.name, seller.confidence) if seller else None,
        "buyer": Found(buyer.name, buyer.confidence) if buyer else None,
        "iban": find_iban(lines),
        "vat": find_vat(lines),
    }
    by_name = {name: _build_field(found.get(name)) for name in FIELD_NAMES}
    return Fields(by_name, find_due_date(lines, month_first))


def _trust_less(fields: Fields) -> Fields:
    by_name = {
        name: replace(field, confidence=round(field.confidence * _TRUST_IN_OCR, 3))
        for name, field in fields.by_name.items()
    }
    return replace(fields, by_name=by_name)


def _build_field(found: Found | None) -> Field:
    if found is None:
        return Field()
    return Field(" ".join(found.value.split()), "text", found.confidence, found.valid)
