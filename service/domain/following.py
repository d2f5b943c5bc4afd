"""Which registry is right about a user's session, where the flag is on and both are written.

Every registration writes the legacy entry first, so an entry there that the unified one does not know came later: while
the flag was off for the user, from the old service, or in a call whose unified write failed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.domain import unified as doc
from service.domain.legacy import LegacyUser, has_legacy_ended, read_time

Step = Literal["stay", "adopt", "leave"]


@dataclass(frozen=True, slots=True)
class UnifiedSession:
    """What the unified registry holds of a user's session. `legacy_at`: `last_seen_at` of the legacy entry that was
    written with it, "" for none."""

    session_id: str
    backend_route: str
    status: str
    registered_at: str
    legacy_at: str


def plan_following(
    legacy: LegacyUser | None, unified: UnifiedSession, now: datetime, *, has_just_ended: bool = False
) -> Step:
    """What brings the unified session in step. `has_just_ended`: the legacy entry, which was there until this call.

    1. No legacy entry: the user has left, unless none was written or its day is over, which heartbeats do not renew.
    2. One of another time, session or route than was written with the unified one: it is newer.
    3. None was written with the unified one (`UNIFIED_REGISTRY.*` while the flag was off, legacy writes off): the newer
       of the two is right.

    Example: registered `s1` with the flag on, then `s2` with it off → adopt.
    """
    if legacy is None:
        is_missed = bool(unified.legacy_at) and (has_just_ended or not has_legacy_ended(unified.legacy_at, now))
        return "leave" if unified.status == doc.ONLINE and is_missed else "stay"
    if unified.legacy_at:
        written = (unified.session_id, unified.backend_route, unified.legacy_at)
        return "stay" if written == (legacy.session_id, legacy.backend_route, legacy.last_seen_at) else "adopt"
    at, registered_at = read_time(legacy.last_seen_at), read_time(unified.registered_at)
    is_newer = at is not None and (registered_at is None or at > registered_at)
    return "adopt" if is_newer else "stay"
