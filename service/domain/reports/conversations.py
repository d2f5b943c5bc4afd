"""The report on conversations: how many, with which models, by whom, and their tokens. Never what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.domain.reports.counting import by_name, by_time, top
from service.domain.reports.figures import CompanyFigures, ConversationFigures
from service.domain.reports.frame import build_frame, count, nothing, tokens
from service.domain.reports.model import Chart, Column, Headline, Report, Section, Table, Value
from service.domain.reports.units import show


def build_conversations(figures: CompanyFigures) -> Report:
    talks = figures.conversations or ()
    known = [one.tokens_used for one in talks if one.tokens_used is not None]
    estimates = sum(one.is_estimate for one in talks)
    users = None if figures.conversations is None else len({one.user_id for one in talks})
    headlines = (
        Headline("Conversations", count(figures.conversations)),
        Headline("Users", users),
        Headline("Tokens", tokens(figures.conversations), "tokens", f"{estimates} are estimates" if estimates else ""),
        Headline("Tokens a conversation", round(sum(known) / len(known)) if known else None, "tokens", "mean"),
    )
    sections = (
        _by("model", "Model", figures.conversations, lambda one: one.model),
        _by("user", "User", figures.conversations, lambda one: one.user_id),
        _course(figures),
    )
    return build_frame("Conversations", figures, headlines, sections, _details(talks))


def _by(
    name: str, label: str, talks: Sequence[ConversationFigures] | None, key: Callable[[ConversationFigures], str]
) -> Section:
    groups = by_name(talks or (), key)
    rows: list[tuple[Value, ...]] = [
        (group, tokens(members), len(members)) for group, members in top(groups, lambda found: tokens(found) or 0)
    ]
    columns = (Column(name, label), Column("tokens", "Tokens", "tokens"), Column("conversations", "Number", "count"))
    summary = nothing(talks, "There was no conversation.")
    if rows:
        summary = f"Most tokens: {rows[0][0]}, {show(rows[0][1], 'tokens')}."
    return Section(f"{name}s", f"Tokens by {name}", summary, Table(columns, tuple(rows)), Chart("bars", ("tokens",)))


def _course(figures: CompanyFigures) -> Section:
    slots = by_time(figures.conversations or (), lambda one: one.started_at, figures.since, figures.gathered_at)
    rows: tuple[tuple[Value, ...], ...] = tuple((slot, len(members), tokens(members)) for slot, members in slots)
    columns = (
        Column("time", "Time (UTC)"),
        Column("conversations", "Conversations", "count"),
        Column("tokens", "Tokens", "tokens"),
    )
    slot, members = max(slots, key=lambda found: len(found[1]))
    summary = (
        f"Most began in the slot {slot}: {len(members)}." if members else nothing(figures.conversations, "None began.")
    )
    table = Table(columns, rows)
    return Section("course", "Conversations over time", summary, table, Chart("columns", ("conversations",)))


def _details(talks: Sequence[ConversationFigures]) -> Table:
    columns = (
        Column("conversation_id", "Conversation"),
        Column("user_id", "User"),
        Column("model", "Model"),
        Column("started_at", "Started", "time"),
        Column("tokens_used", "Tokens", "tokens"),
        Column("tokens_are", "Counted by"),
    )
    rows = tuple(
        (
            one.conversation_id,
            one.user_id,
            one.model,
            one.started_at,
            one.tokens_used,
            None if one.tokens_used is None else "estimate" if one.is_estimate else "model",
        )
        for one in sorted(talks, key=lambda one: one.started_at, reverse=True)
    )
    return Table(columns, rows)
