"""A company to report on, whose names try to be markup and formulas."""

from datetime import UTC, datetime, timedelta

from service.domain.reports import (
    CollectionFigures,
    CompanyFigures,
    ConversationFigures,
    Quotas,
    TaskFigures,
    UserFigures,
)

NOW = datetime(2026, 3, 4, 14, 25, tzinfo=UTC)
SINCE = NOW - timedelta(hours=24)
MARKUP = "<script>alert('1')</script>&\"\x00\u202e"
FORMULA = '=HYPERLINK("http://127.0.0.1","x")'


def company() -> CompanyFigures:
    return CompanyFigures(
        company_id="acme",
        company_name=f"ACME {MARKUP}",
        gathered_at=NOW,
        since=SINCE,
        quotas=Quotas(10, 1000, 5000),
        users=(
            UserFigures("alice", "admin", NOW - timedelta(hours=1)),
            UserFigures(MARKUP, "user", NOW - timedelta(hours=30)),
            UserFigures("carol"),
        ),
        tasks=(
            task("a", "alice", "completed", wait_s=2, duration_s=10),
            task("b", "alice", "failed", wait_s=4, duration_s=30, error=FORMULA),
            task("c", MARKUP, "processing", wait_s=6),
            task(FORMULA, "alice", "queued"),
        ),
        collections=(
            CollectionFigures("invoices", 10, 600 * 1024, 300 * 1024, 124 * 1024),
            CollectionFigures(MARKUP, 5, 1024 * 1024, 0, 0),
        ),
        conversations=(
            ConversationFigures("conv_1", "alice", "gpt-4", NOW - timedelta(minutes=5), 100),
            ConversationFigures("conv_2", "alice", "gpt-4", NOW - timedelta(hours=5), 300, is_estimate=True),
            ConversationFigures("conv_3", "carol", MARKUP, NOW - timedelta(hours=5)),
        ),
        llm_requests=1,
    )


def task(
    task_id: str,
    user_id: str,
    status: str,
    *,
    wait_s: float | None = None,
    duration_s: float | None = None,
    error: str | None = None,
) -> TaskFigures:
    created = NOW - timedelta(hours=2)
    started = None if wait_s is None else created + timedelta(seconds=wait_s)
    ended = None if started is None or duration_s is None else started + timedelta(seconds=duration_s)
    return TaskFigures(task_id, "document_analysis", user_id, status, created, started, ended, error)


def unread() -> CompanyFigures:
    """A company of which nothing could be read."""
    return CompanyFigures("acme", "", NOW, SINCE)


def idle() -> CompanyFigures:
    """A company in which nothing happened yet."""
    return CompanyFigures("acme", "", NOW, SINCE, Quotas(), (), (), (), ())
