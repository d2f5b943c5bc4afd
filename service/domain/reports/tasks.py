"""The report on tasks: how they ended, how long they waited and ran, when they began, and why some failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from service.domain.reports.counting import by_name, by_time, high, middle, share, top
from service.domain.reports.figures import CompanyFigures, TaskFigures
from service.domain.reports.frame import build_frame, count, nothing, running
from service.domain.reports.model import Chart, Column, Headline, Report, Section, Table, Value
from service.domain.reports.units import show
from service.domain.tasks import CANCELLED, COMPLETED, FAILED, PROCESSING, QUEUED

_STATUSES: Final = (COMPLETED, FAILED, CANCELLED, PROCESSING, QUEUED)
_STATUS_COLUMNS: Final = tuple(Column(status, status.capitalize(), "count") for status in _STATUSES)
_MOST_ERRORS: Final = 10
_ERROR_CHARS: Final = 200


def build_tasks(figures: CompanyFigures) -> Report:
    tasks = figures.tasks or ()
    completed, failed = ([task for task in tasks if task.status == status] for status in (COMPLETED, FAILED))
    ended = len(completed) + len(failed)
    is_known = figures.tasks is not None
    note = f"{show(share(len(failed), ended), 'percent')} of those that ended" if ended else ""
    headlines = (
        Headline("Tasks", count(figures.tasks), note=f"{running(tasks)} queued or running" if is_known else ""),
        Headline("Completed", len(completed) if is_known else None),
        Headline("Failed", len(failed) if is_known else None, note=note),
        Headline("Duration", middle(task.duration_s for task in tasks), "seconds", "median"),
        Headline("Wait for a worker", middle(task.wait_s for task in tasks), "seconds", "median"),
    )
    sections = (_ends(figures), _durations(tasks), _course(figures), _errors(figures, failed))
    return build_frame("Tasks", figures, headlines, sections, _details(tasks))


def _ends(figures: CompanyFigures) -> Section:
    tasks = figures.tasks or ()
    groups = by_name(tasks, lambda task: task.task_type)
    rows = tuple((name, *_count_statuses(members)) for name, members in top(groups, len))
    failed = sum(task.status == FAILED for task in tasks)
    summary = f"{failed} of {len(tasks)} tasks failed." if tasks else nothing(figures.tasks, "There is no task.")
    table = Table((Column("task_type", "Task type"), *_STATUS_COLUMNS), rows)
    return Section("status", "Tasks by type and status", summary, table, Chart("bars", _STATUSES))


def _durations(tasks: Sequence[TaskFigures]) -> Section:
    groups = by_name((task for task in tasks if task.duration_s is not None), lambda task: task.task_type)
    rows: list[tuple[Value, ...]] = [
        (
            name,
            middle(task.duration_s for task in members),
            high(task.duration_s for task in members),
            middle(task.wait_s for task in members),
            len(members),
        )
        for name, members in top(groups, len)
    ]
    columns = (
        Column("task_type", "Task type"),
        Column("median_s", "Median", "seconds"),
        Column("p95_s", "95 of 100 within", "seconds"),
        Column("wait_s", "Median wait", "seconds"),
        Column("count", "Tasks", "count"),
    )
    slowest = max(rows, key=lambda row: float(str(row[1])), default=None)
    summary = f"The slowest is {slowest[0]}: {show(slowest[1], 'seconds')}." if slowest else "None ended."
    return Section("durations", "Median duration", summary, Table(columns, tuple(rows)), Chart("bars", ("median_s",)))


def _course(figures: CompanyFigures) -> Section:
    slots = by_time(figures.tasks or (), lambda task: task.created_at, figures.since, figures.gathered_at)
    rows = tuple((slot, *_count_statuses(members)) for slot, members in slots)
    slot, members = max(slots, key=lambda found: len(found[1]))
    summary = (
        f"Most tasks began in the slot {slot}: {len(members)}." if members else nothing(figures.tasks, "No task began.")
    )
    table = Table((Column("time", "Time (UTC)"), *_STATUS_COLUMNS), rows)
    return Section("course", "Tasks over time", summary, table, Chart("columns", _STATUSES))


def _errors(figures: CompanyFigures, failed: Sequence[TaskFigures]) -> Section:
    groups = by_name(failed, lambda task: (task.error or "no reason was given")[:_ERROR_CHARS])
    rows = tuple(
        (error, len(members), ", ".join(sorted({task.task_type for task in members})))
        for error, members in list(groups.items())[:_MOST_ERRORS]
    )
    columns = (Column("error", "Reason"), Column("count", "Tasks", "count"), Column("task_types", "Task types"))
    summary = f"Different reasons: {len(groups)}." if groups else nothing(figures.tasks, "No task failed.")
    return Section("errors", "Why tasks failed", summary, Table(columns, rows))


def _count_statuses(tasks: Sequence[TaskFigures]) -> tuple[Value, ...]:
    return tuple(sum(task.status == status for task in tasks) for status in _STATUSES)


def _details(tasks: Sequence[TaskFigures]) -> Table:
    columns = (
        Column("task_id", "Task"),
        Column("task_type", "Type"),
        Column("user_id", "User"),
        Column("status", "Status"),
        Column("created_at", "Created", "time"),
        Column("started_at", "Started", "time"),
        Column("ended_at", "Ended", "time"),
        Column("duration_s", "Duration", "seconds"),
        Column("error", "Error"),
    )
    rows = tuple(
        (
            task.task_id,
            task.task_type,
            task.user_id,
            task.status,
            task.created_at,
            task.started_at,
            task.ended_at,
            task.duration_s,
            task.error,
        )
        for task in sorted(tasks, key=lambda task: task.created_at, reverse=True)
    )
    return Table(columns, rows)
