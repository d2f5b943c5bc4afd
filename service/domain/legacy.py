"""Entries of the legacy registries, as Reflex and today's service know them (contract.md, `REGISTRY.*`)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

# A user's entry ends a day after the registration; near the end nobody can say whether it still is there.
_LIVES: Final = timedelta(hours=24) - timedelta(minutes=5)


def legacy_time(now: datetime) -> str:
    """`2030-01-31T12:00:00Z`."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def has_legacy_ended(registered_at: str, now: datetime) -> bool:
    """Whether a user's entry of then has ended by itself. A time that is unknown is an old one."""
    at = read_time(registered_at)
    return at is None or now - at >= _LIVES


def read_time(text: str) -> datetime | None:
    """None: no time, or one without its offset."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


@dataclass(frozen=True, slots=True)
class LegacyUser:
    """`registry:user:{user_id}`. `backend_route` "": none."""

    user_id: str
    session_id: str
    backend_route: str
    last_seen_at: str

    def document(self) -> dict[str, str]:
        return {
            "user_id": self.user_id,
            "session_id": self.session_id,
            "backend_route": self.backend_route,
            "last_seen_at": self.last_seen_at,
        }


@dataclass(frozen=True, slots=True)
class LegacyCollection:
    """`registry:chroma:{user_id}:{collection_name}`."""

    user_id: str
    collection_name: str
    session_id: str
    registered_at: str
    last_heartbeat: str

    def document(self) -> dict[str, str]:
        return {
            "user_id": self.user_id,
            "collection_name": self.collection_name,
            "session_id": self.session_id,
            "registered_at": self.registered_at,
            "last_heartbeat": self.last_heartbeat,
        }
