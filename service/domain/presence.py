"""Reads a document of `listeners_registry`: who is online, until when, and in which companies.

Who wrote it does not matter: this service, an older one, or the front end (contract.md, "WebSocket").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from service.domain.times import parse_time

STATUS: Final = "status"
HEARTBEAT_AT: Final = "heartbeat_at"
TTL_SECONDS: Final = "ttl_seconds"
AUTHORIZED_COMPANIES: Final = "authorized_companies_ids"
ONLINE: Final = "online"
OFFLINE: Final = "offline"
# Where the document names no time to live (contract.md, "WebSocket").
DEFAULT_TTL_S: Final = 90
# Firestore's own limit.
MAX_DOCUMENT_ID_BYTES: Final = 1_500


@dataclass(frozen=True, slots=True)
class PresenceRecord:
    """One user's document. `listened_until` None: offline, or without a heartbeat that can be read."""

    listened_until: datetime | None
    authorized_companies: tuple[str, ...]

    def is_listened_for(self, now: datetime) -> bool:
        """Whether the user says online and the heartbeat is younger than its time to live."""
        return self.listened_until is not None and now < self.listened_until


def parse_presence(fields: Mapping[str, Any]) -> PresenceRecord:
    """The record of a document's fields.

    A heartbeat written as text counts as one written as a time: an older service rewrites it so.
    """
    return PresenceRecord(_listened_until(fields), parse_companies(fields))


def parse_companies(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """`authorized_companies_ids` in its order; empty where there is none that can be read."""
    companies = fields.get(AUTHORIZED_COMPANIES)
    if not isinstance(companies, list):
        return ()
    return tuple(company for company in companies if isinstance(company, str) and company)


def _listened_until(fields: Mapping[str, Any]) -> datetime | None:
    heartbeat_at = parse_time(fields.get(HEARTBEAT_AT))
    if fields.get(STATUS) != ONLINE or heartbeat_at is None:
        return None
    ttl_s = fields.get(TTL_SECONDS)
    is_number = isinstance(ttl_s, (int, float)) and not isinstance(ttl_s, bool) and 0 < ttl_s < 10**6
    return heartbeat_at + timedelta(seconds=ttl_s if is_number and ttl_s is not None else DEFAULT_TTL_S)


def is_document_id(text: str) -> bool:
    """Whether Firestore takes it as a document's id: no path, and none of its own names."""
    is_own = text.startswith("__") and text.endswith("__")
    return (
        text not in ("", ".", "..") and "/" not in text and not is_own and len(text.encode()) <= MAX_DOCUMENT_ID_BYTES
    )
