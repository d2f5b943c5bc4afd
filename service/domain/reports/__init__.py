"""Reports on a company's usage, tasks, storage and conversations: pure, from figures that the caller gathered.

`generate_report` runs all steps; a worker that reports progress drives `report_steps` itself. The way of a report:
CompanyFigures → usage | tasks | storage | conversations → Report → tables (JSON, CSV) and page (HTML, charts).
"""

from service.domain.reports.building import (
    REPORT_TYPES,
    build_report,
    check_report_type,
    generate_report,
    report_steps,
)
from service.domain.reports.figures import (
    CollectionFigures,
    CompanyFigures,
    ConversationFigures,
    Quotas,
    TaskFigures,
    UserFigures,
)
from service.domain.reports.model import Report, ReportError

__all__ = [
    "REPORT_TYPES",
    "CollectionFigures",
    "CompanyFigures",
    "ConversationFigures",
    "Quotas",
    "Report",
    "ReportError",
    "TaskFigures",
    "UserFigures",
    "build_report",
    "check_report_type",
    "generate_report",
    "report_steps",
]
