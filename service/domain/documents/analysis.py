"""Runs the analysis of a document step by step and builds the result that the contract names.

The steps and their percentages are the contract's; each is yielded when it is done, so that whoever drives them can
publish progress, look at a cancellation, or give way to others in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from service.domain.documents.checks import check_fields
from service.domain.documents.entities import recognise_entities
from service.domain.documents.extraction import extraction_steps
from service.domain.documents.fields import read_fields
from service.domain.documents.intake import load_document
from service.domain.documents.model import (
    DEFAULT_LIMITS,
    FIELD_NAMES,
    Entity,
    ExtractedText,
    Field,
    Fields,
    Finding,
    Limits,
)
from service.domain.steps import Steps, run_to_end

STEPS: tuple[tuple[str, int], ...] = (
    ("preprocessing", 20),
    ("ocr_extraction", 40),
    ("data_validation", 60),
    ("entity_recognition", 80),
    ("final_processing", 100),
)
_ESSENTIAL = ("invoice_number", "issue_date", "currency", "total", "seller", "buyer")


def analyse(
    document_data: Mapping[str, object],
    job_id: str,
    on_step: Callable[[str, int], None] | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> dict[str, Any]:
    """Run all steps; `on_step(step, percent)` is called after each is done. Raises DocumentError."""
    return run_to_end(analysis_steps(document_data, job_id, limits), on_step)


def analysis_steps(
    document_data: Mapping[str, object],
    job_id: str,
    limits: Limits = DEFAULT_LIMITS,
    clock: Callable[[], float] = time.perf_counter,
) -> Steps:
    """Yield (step, percent) when each step is done, `ocr_extraction` also between pages that are read by OCR.

    The generator's return value is the result. Raises DocumentError.

    The time between yields that the caller takes for itself is not counted in `processing_time_ms`.
    """
    spent, started = 0.0, clock()
    document = load_document(document_data, limits)
    spent += clock() - started
    yield STEPS[0]
    started = clock()
    extraction = extraction_steps(document)
    while True:
        try:
            share = next(extraction)
        except StopIteration as end:
            extracted: ExtractedText = end.value
            break
        spent += clock() - started
        yield STEPS[1][0], STEPS[0][1] + int(share * (STEPS[1][1] - STEPS[0][1]))
        started = clock()
    spent += clock() - started
    yield STEPS[1]
    started = clock()
    fields = read_fields(extracted)
    findings = check_fields(fields, extracted)
    spent += clock() - started
    yield STEPS[2]
    started = clock()
    entities = recognise_entities(extracted, fields)
    spent += clock() - started
    yield STEPS[3]
    started = clock()
    result = build_result(job_id, extracted, fields, findings, entities)
    result["processing_time_ms"] = round((spent + clock() - started) * 1000)
    yield STEPS[4]
    return result


def build_result(
    job_id: str,
    extracted: ExtractedText,
    fields: Fields,
    findings: tuple[Finding, ...],
    entities: list[Entity],
    processing_time_ms: int = 0,
) -> dict[str, Any]:
    """The contract's result (JSON-serialisable), with `fields` and `findings` beside it."""
    total = fields.value("total")
    return {
        "job_id": job_id,
        "analysis_complete": True,
        "extracted_data": {
            "invoice_amount": float(total) if total is not None else None,
            "currency": fields.value("currency"),
            "invoice_number": fields.value("invoice_number"),
            "extracted_text": cut_text(extracted.text, extracted.limits.result_text_bytes),
            "entities": [_describe_entity(entity) for entity in entities],
        },
        "confidence_score": confidence_score(fields),
        "processing_time_ms": processing_time_ms,
        "fields": {name: _describe_field(fields[name]) for name in FIELD_NAMES},
        "findings": [
            {"code": f.code, "severity": f.severity, "message": f.message, "fields": list(f.fields)} for f in findings
        ],
    }


def confidence_score(fields: Fields) -> float:
    """The mean confidence over the fields that every invoice has, and the others that were found; 0 to 1.

    A missing essential field counts 0. Example: a text of which only the total is read with .6 scores .1.
    """
    counted = [name for name in FIELD_NAMES if name in _ESSENTIAL or fields.value(name) is not None]
    scores = [fields[name].confidence if fields.value(name) is not None else 0.0 for name in counted]
    return round(sum(scores) / len(scores), 3)


def cut_text(text: str, limit_bytes: int) -> str:
    """The beginning of `text` that fits `limit_bytes` in UTF-8, no character cut in two."""
    encoded = text.encode()
    return text if len(encoded) <= limit_bytes else encoded[:limit_bytes].decode(errors="ignore")


def _describe_field(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"value": field.value, "source": field.source, "confidence": field.confidence}
    if field.valid is not None:
        described["valid"] = field.valid
    return described


def _describe_entity(entity: Entity) -> dict[str, Any]:
    described: dict[str, Any] = {"type": entity.type, "value": entity.value}
    if entity.role is not None:
        described["role"] = entity.role
    return described
