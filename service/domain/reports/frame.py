"""What all reports share: title and notes, the storage headline, the section on quotas, the course of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from service.domain.reports.counting import by_name, by_time, share, sum_known
from service.domain.reports.figures import CompanyFigures, ConversationFigures, TaskFigures
from service.domain.reports.model import Chart, Column, Headline, Report, Section, Table, Value
from service.domain.reports.units import show
from service.domain.tasks import PROCESSING, QUEUED

MB: Final = 1024 * 1024


def build_frame(
    title: str,
    figures: CompanyFigures,
    headlines: tuple[Headline, ...],
    sections: tuple[Section, ...],
    details: Table,
) -> Report:
    """The report of these parts, with the notes that every report carries."""
    return Report(
        report_type=title.lower(),
        title=title,
        company_id=figures.company_id,
        company_name=figures.company_name,
        gathered_at=figures.gathered_at,
        since=figures.since,
        headlines=headlines,
        sections=sections,
        details=details,
        notes=_notes(figures),
    )


def count(values: Sequence[object] | None) -> int | None:
    """How many; None where they could not be read."""
    return None if values is None else len(values)


def nothing(values: Sequence[object] | None, words: str) -> str:
    """What a section without rows says: `words`, unless its figures could not be read."""
    return "Could not be read." if values is None else words


def running(tasks: Sequence[TaskFigures]) -> int:
    return sum(task.status in (PROCESSING, QUEUED) for task in tasks)


def tokens(conversations: Sequence[ConversationFigures] | None) -> int | None:
    """Tokens of all; None where nothing is known, 0 where there was no conversation."""
    if not conversations:
        return None if conversations is None else 0
    return sum_known(one.tokens_used for one in conversations)


def storage_bytes(figures: CompanyFigures) -> int | None:
    """Bytes of all collections; None where one of them could not be read."""
    sizes = None if figures.collections is None else [one.total_bytes for one in figures.collections]
    return None if sizes is None or None in sizes else sum_known(sizes) or 0


def storage_headline(figures: CompanyFigures) -> Headline:
    limit = figures.quotas.storage_limit_mb
    note = f"of {show(limit * MB, 'bytes')}" if limit is not None else "no limit is known"
    return Headline("Storage", storage_bytes(figures), "bytes", note)


def quota_section(figures: CompanyFigures) -> Section:
    """How much of each quota is used."""
    quotas = figures.quotas
    limit_bytes = None if quotas.storage_limit_mb is None else quotas.storage_limit_mb * MB
    used = storage_bytes(figures)
    busiest = _busiest_user(figures)
    requests = figures.llm_requests
    rows: tuple[tuple[Value, ...], ...] = (
        ("Tasks at once, by user", show(busiest, "count"), show(quotas.max_tasks_per_user, "count"),
         share(busiest, quotas.max_tasks_per_user)),
        ("LLM requests an hour", show(requests, "count"),
         show(quotas.max_llm_requests_per_hour, "count"), share(requests, quotas.max_llm_requests_per_hour)),
        ("Storage", show(used, "bytes"), show(limit_bytes, "bytes"), share(used, limit_bytes)),
    )  # fmt: skip
    columns = (
        Column("quota", "Quota"),
        Column("used", "Used"),
        Column("limit", "Limit"),
        Column("percent", "Share", "percent"),
    )
    most = max((row for row in rows if row[3] is not None), key=lambda row: float(str(row[3])), default=None)
    summary = "No quota is known." if most is None else f"Closest to its limit: {most[0]}, {show(most[3], 'percent')}."
    return Section("quotas", "Quotas", summary, Table(columns, rows), Chart("bars", ("percent",), most=100.0))


def course_section(figures: CompanyFigures) -> Section:
    """Tasks and conversations over the time that is kept."""
    tasks = by_time(figures.tasks or (), lambda task: task.created_at, figures.since, figures.gathered_at)
    talks = by_time(figures.conversations or (), lambda one: one.started_at, figures.since, figures.gathered_at)
    rows: tuple[tuple[Value, ...], ...] = tuple(
        (
            slot,
            len(started) if figures.tasks is not None else None,
            len(begun) if figures.conversations is not None else None,
        )
        for (slot, started), (_, begun) in zip(tasks, talks, strict=True)
    )
    columns = (
        Column("time", "Time (UTC)"),
        Column("tasks", "Tasks", "count"),
        Column("conversations", "Conversations", "count"),
    )
    busiest = max(rows, key=lambda row: sum(int(str(value)) for value in row[1:] if value is not None))
    parts = [part for part in (figures.tasks, figures.conversations) if part is not None]
    summary = f"Most began in the slot {busiest[0]}." if any(parts) else nothing(parts or None, "None began.")
    chart = Chart("columns", ("tasks", "conversations"))
    return Section("course", "Tasks and conversations over time", summary, Table(columns, rows), chart)


def _busiest_user(figures: CompanyFigures) -> int | None:
    if figures.tasks is None:
        return None
    by_user = by_name(figures.tasks, lambda task: task.user_id)
    return max((running(tasks) for tasks in by_user.values()), default=0)


def _notes(figures: CompanyFigures) -> tuple[str, ...]:
    kept = f"Tasks and conversations are counted from {show(figures.since, 'time')}; older ones are not kept."
    parts = {
        "users": figures.users,
        "tasks": figures.tasks,
        "collections": figures.collections,
        "conversations": figures.conversations,
    }
    unread = [name for name, values in parts.items() if values is None]
    return (kept, f"Could not be read, and shown as unknown: {', '.join(unread)}.") if unread else (kept,)
