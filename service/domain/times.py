"""Reads points in time as other programs write them: a datetime, ISO 8601 text, or a number of (milli)seconds."""

from datetime import UTC, datetime
from typing import Any, Final

# Seconds since 1970 reach this in the year 5138; milliseconds passed it in 1973.
_MILLISECONDS_FROM: Final = 1e11


def parse_time(value: Any) -> datetime | None:
    """An aware datetime; one without a zone is UTC; None for what is no time."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, str):
        try:
            return parse_time(datetime.fromisoformat(value.strip()))
        except ValueError:
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS_FROM else value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None
