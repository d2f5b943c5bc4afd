"""Names what is named in a document: parties, accounts, tax numbers, amounts, dates, addresses of mail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from service.domain.documents.amounts import find_amounts, format_amount
from service.domain.documents.dates import find_dates
from service.domain.documents.identifiers import find_ibans, find_vats
from service.domain.documents.lines import split_lines
from service.domain.documents.model import Entity, ExtractedText, Fields

MAX_ENTITIES = 200
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}\b")
_BIC = re.compile(r"\bBIC\b\W{0,4}(?P<bic>[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)\b")


def recognise_entities(extracted: ExtractedText, fields: Fields) -> list[Entity]:
    """Each entity once, in the order parties, then as in the text; at most MAX_ENTITIES."""
    found: dict[tuple[str, str], Entity] = {}
    for entity in islice(_find(extracted, fields), MAX_ENTITIES * 10):
        found.setdefault((entity.type, entity.value), entity)
        if len(found) >= MAX_ENTITIES:
            break
    return list(found.values())


def _find(extracted: ExtractedText, fields: Fields) -> Iterator[Entity]:
    for role in ("seller", "buyer"):
        name = fields.value(role)
        if name is not None:
            yield Entity("organization", name, role)
    for name, kind in (("iban", "iban"), ("vat", "vat_id")):
        value = fields.value(name)
        if value is not None:
            yield Entity(kind, value)
    for line in split_lines(extracted.pages):
        yield from _find_in_line(line.text)


def _find_in_line(line: str) -> Iterator[Entity]:
    yield from (Entity("iban", found.value) for found in find_ibans(line) if found.valid)
    yield from (Entity("vat_id", found.value) for found in find_vats(line) if found.valid)
    yield from (Entity("bic", match["bic"]) for match in _BIC.finditer(line))
    yield from (Entity("email", match[0]) for match in _EMAIL.finditer(line))
    yield from (Entity("date", found.value.isoformat()) for found in find_dates(line))
    for amount in find_amounts(line):
        if amount.currency is not None and not amount.is_partial:
            yield Entity("amount", f"{format_amount(amount.value)} {amount.currency}")
