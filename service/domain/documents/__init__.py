"""Analysis of invoices and other documents: no network, no store, no task queue; pure but for OCR, a process.

`analyse` runs all steps; a worker that reports progress drives `analysis_steps` itself. The way of a document: intake →
extraction (pdf, html_text, invoice_xml, ocr) → fields (lines, header, totals, labels, parties) → checks → entities →
result.
"""

from service.domain.documents.analysis import (
    STEPS,
    analyse,
    analysis_steps,
    build_result,
    confidence_score,
)
from service.domain.documents.checks import check_fields
from service.domain.documents.entities import recognise_entities
from service.domain.documents.extraction import extract_text
from service.domain.documents.fields import read_fields, read_text_fields
from service.domain.documents.intake import load_document
from service.domain.documents.model import (
    FIELD_NAMES,
    Document,
    DocumentError,
    Entity,
    ExtractedText,
    Field,
    Fields,
    Finding,
    Limits,
)

__all__ = [
    "FIELD_NAMES",
    "STEPS",
    "Document",
    "DocumentError",
    "Entity",
    "ExtractedText",
    "Field",
    "Fields",
    "Finding",
    "Limits",
    "analyse",
    "analysis_steps",
    "build_result",
    "check_fields",
    "confidence_score",
    "extract_text",
    "load_document",
    "read_fields",
    "read_text_fields",
    "recognise_entities",
]
