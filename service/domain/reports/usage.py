"""The report on usage: who works with the service, how much, and how near the company is to its quotas."""

from __future__ import annotations

from typing import Final

from service.domain.reports.counting import by_name, sum_known, top
from service.domain.reports.figures import CompanyFigures, UserFigures
from service.domain.reports.frame import (
    build_frame,
    count,
    course_section,
    nothing,
    quota_section,
    running,
    storage_headline,
    tokens,
)
from service.domain.reports.model import Chart, Column, Headline, Report, Section, Table, Value

_DAY_S: Final = 86_400
_COUNTS: Final = (
    Column("tasks", "Tasks", "count"),
    Column("conversations", "Conversations", "count"),
    Column("tokens", "Tokens", "tokens"),
)


def build_usage(figures: CompanyFigures) -> Report:
    work = _work_by_user(figures)
    note = "" if figures.tasks is None else f"{running(figures.tasks)} of them queued or running"
    headlines = (
        Headline("Users", count(figures.users)),
        Headline("Active in the last 24 hours", _active(figures)),
        Headline("Tasks", count(figures.tasks), note=note),
        Headline("Conversations", count(figures.conversations)),
        Headline("Tokens", tokens(figures.conversations), "tokens"),
        storage_headline(figures),
    )
    sections = (_user_section(figures, work), quota_section(figures), course_section(figures))
    return build_frame("Usage", figures, headlines, sections, _details(figures, work))


def _work_by_user(figures: CompanyFigures) -> dict[str, tuple[int | None, int | None, int | None]]:
    """Tasks, conversations and tokens of each user who is known or did something."""
    tasks = by_name(figures.tasks or (), lambda task: task.user_id)
    talks = by_name(figures.conversations or (), lambda one: one.user_id)
    names = dict.fromkeys([*(user.user_id for user in figures.users or ()), *tasks, *talks])
    return {
        name: (
            None if figures.tasks is None else len(tasks.get(name, ())),
            None if figures.conversations is None else len(talks.get(name, ())),
            None if figures.conversations is None else tokens(talks.get(name, ())),
        )
        for name in names
    }


def _user_section(figures: CompanyFigures, work: dict[str, tuple[int | None, int | None, int | None]]) -> Section:
    groups = {name: [counts] for name, counts in work.items()}
    rows: list[tuple[Value, ...]] = []
    for label, members in top(groups, lambda found: sum((one[0] or 0) + (one[1] or 0) for one in found)):
        rows.append((label, *(sum_known(one[at] for one in members) for at in range(3))))
    summary = f"The most active is {rows[0][0]}." if rows else nothing(figures.users, "Nobody is known yet.")
    table = Table((Column("user_id", "User"), *_COUNTS), tuple(rows))
    return Section("users", "Work by user", summary, table, Chart("bars", ("tasks", "conversations")))


def _active(figures: CompanyFigures) -> int | None:
    if figures.users is None:
        return None
    seen = [user.last_activity for user in figures.users if user.last_activity is not None]
    return sum((figures.gathered_at - when).total_seconds() <= _DAY_S for when in seen)


def _details(figures: CompanyFigures, work: dict[str, tuple[int | None, int | None, int | None]]) -> Table:
    known = {user.user_id: user for user in figures.users or ()}
    columns = (
        Column("user_id", "User"),
        Column("role", "Role"),
        Column("last_activity", "Last seen", "time"),
        *_COUNTS,
    )
    rows = tuple((name, *_describe(known.get(name)), *counts) for name, counts in work.items())
    return Table(columns, rows)


def _describe(user: UserFigures | None) -> tuple[Value, Value]:
    return (None, None) if user is None else (user.role, user.last_activity)
