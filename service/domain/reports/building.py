"""Picks the report that was asked for, builds it and writes it in all three forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from service.domain.reports.conversations import build_conversations
from service.domain.reports.figures import CompanyFigures
from service.domain.reports.model import Report, ReportError
from service.domain.reports.page import write_html
from service.domain.reports.storage import build_storage
from service.domain.reports.tables import write_csv, write_json
from service.domain.reports.tasks import build_tasks
from service.domain.reports.usage import build_usage
from service.domain.steps import Steps, run_to_end

_BUILDERS: Final[dict[str, Callable[[CompanyFigures], Report]]] = {
    "usage": build_usage,
    "tasks": build_tasks,
    "storage": build_storage,
    "conversations": build_conversations,
}
REPORT_TYPES: Final = tuple(_BUILDERS)


def check_report_type(report_type: object) -> str:
    """The type, or ReportError `unknown_type`."""
    if report_type not in REPORT_TYPES:
        known = ", ".join(REPORT_TYPES)
        raise ReportError("unknown_type", f"report_type is one of {known}, not {str(report_type)[:40]!r}.")
    return str(report_type)


def build_report(report_type: object, figures: CompanyFigures) -> Report:
    """The report of that type. Raises ReportError `unknown_type`."""
    return _BUILDERS[check_report_type(report_type)](figures)


def report_steps(report_type: object, figures: CompanyFigures) -> Steps:
    """Yield (step, percent) when each step is done; the return value is the result. Raises ReportError.

    The percentages leave the first 40 to the gathering of figures, which is the caller's. Result:
    `{report_complete, report_type, company_id, generated_at, json, csv, html}`: `json` is `write_json`'s object, `csv`
    the details as a file's text, `html` a page that needs no other file.
    """
    report = build_report(report_type, figures)
    yield ("analysis", 60)
    document, csv = write_json(report), write_csv(report)
    yield ("tables", 80)
    html = write_html(report)
    yield ("final_processing", 100)
    return {
        "report_complete": True,
        "report_type": report.report_type,
        "company_id": report.company_id,
        "generated_at": report.gathered_at.isoformat(),
        "json": document,
        "csv": csv,
        "html": html,
    }


def generate_report(report_type: object, figures: CompanyFigures) -> dict[str, Any]:
    """Run all steps. Raises ReportError."""
    return run_to_end(report_steps(report_type, figures))
