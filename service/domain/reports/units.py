"""Writes values for people and for programs, by their unit."""

from __future__ import annotations

from datetime import UTC, datetime

from service.domain.reports.model import Unit, Value
from service.domain.storage import format_size

UNKNOWN = "unknown"


def show(value: Value, unit: Unit) -> str:
    """A value as people read it: 1,234 · 2.00 MB · 1 min 5 s · 12.5 % · 12 May 2024 14:05 UTC."""
    if value is None:
        return UNKNOWN
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%d %b %Y %H:%M UTC")
    if isinstance(value, str):
        return value
    if unit == "bytes":
        return format_size(int(value))
    if unit == "seconds":
        return show_duration(value)
    if unit == "percent":
        return f"{value:.1f} %"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def show_duration(seconds: float) -> str:
    """0.4 s · 12 s · 3 min 20 s · 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plain(value: Value) -> str | int | float | None:
    """A value as JSON has it. Times are ISO 8601 with offset."""
    if isinstance(value, datetime):
        return value.isoformat()
    return round(value, 3) if isinstance(value, float) else value
