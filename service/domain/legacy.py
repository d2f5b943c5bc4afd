"""Entries of the legacy registries, as Reflex and today's service know them (contract.md, `REGISTRY.*`)."""

from dataclasses import dataclass
from datetime import UTC, datetime


def legacy_time(now: datetime) -> str:
    """`2030-01-31T12:00:00Z`."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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
