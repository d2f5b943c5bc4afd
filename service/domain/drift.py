"""Whether the two registries tell the same of a user: what must agree, and what may differ without being drift."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from service.domain import unified as doc
from service.domain.legacy import LegacyUser, has_legacy_ended, read_time

Kind = Literal[
    "session", "backend_route", "last_seen_at", "status", "missing_in_legacy", "missing_in_company", "collection"
]
Outcome = Literal["agrees", "drifts", "waits_for_first_touch", "not_written_to_legacy", "legacy_has_ended", "gone"]


@dataclass(frozen=True, slots=True)
class UnifiedUser:
    """What the unified registry holds of a user. `is_in_company`: stands among its company's active users."""

    session_id: str
    backend_route: str
    last_seen_at: str
    status: str
    registered_at: str
    is_in_company: bool
    collections: frozenset[str]


@dataclass(frozen=True, slots=True)
class UserPair:
    """A user in both registries; None: no entry there. `collections`: of the legacy registry, those that live now."""

    user_id: str
    legacy: LegacyUser | None
    unified: UnifiedUser | None
    collections: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that the registries tell differently."""

    user_id: str
    kind: Kind
    legacy: str
    unified: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`drifts` is empty unless `outcome` is `drifts`."""

    outcome: Outcome
    drifts: tuple[Drift, ...] = ()


def compare_user(pair: UserPair, now: datetime, *, writes_legacy: bool) -> Comparison:
    """Judges a user for whom the flag is on.

    1. No unified entry: it is made at the first touch; with no legacy one either, the user is gone.
    2. Legacy entries are not written: the unified one stands alone.
    3. No legacy entry: a day after the registration it has ended, an offline user has none; else it is missing.
    4. Both: session, route and status must agree, and the unified one must not be the older.

    Example: legacy session `s1`, unified session `s2` → one drift, `session`.
    """
    legacy, unified = pair.legacy, pair.unified
    if unified is None:
        return Comparison("gone" if legacy is None else "waits_for_first_touch")
    drifts = _within_unified(pair, unified)
    outcome: Outcome = "agrees"
    if not writes_legacy:
        outcome = "not_written_to_legacy"
    elif legacy is not None:
        drifts += _between(pair.user_id, legacy, unified)
    elif unified.status == doc.ONLINE:
        if has_legacy_ended(unified.registered_at, now):
            outcome = "legacy_has_ended"
        else:
            drifts.append(Drift(pair.user_id, "missing_in_legacy", "", unified.session_id))
    return Comparison("drifts", tuple(drifts)) if drifts else Comparison(outcome)


def _within_unified(pair: UserPair, unified: UnifiedUser) -> list[Drift]:
    drifts = [Drift(pair.user_id, "collection", name, "") for name in sorted(pair.collections - unified.collections)]
    if unified.status == doc.ONLINE and not unified.is_in_company:
        drifts.append(Drift(pair.user_id, "missing_in_company", "", unified.session_id))
    return drifts


def _between(user_id: str, legacy: LegacyUser, unified: UnifiedUser) -> list[Drift]:
    if legacy.session_id != unified.session_id:
        # What else differs follows from that.
        return [Drift(user_id, "session", legacy.session_id, unified.session_id)]
    drifts = []
    if legacy.backend_route != unified.backend_route:
        drifts.append(Drift(user_id, "backend_route", legacy.backend_route, unified.backend_route))
    if unified.status != doc.ONLINE:
        drifts.append(Drift(user_id, "status", "registered", unified.status))
    if _is_older(unified.last_seen_at, legacy.last_seen_at):
        drifts.append(Drift(user_id, "last_seen_at", legacy.last_seen_at, unified.last_seen_at))
    return drifts


def _is_older(unified: str, legacy: str) -> bool:
    """Legacy times have whole seconds: a unified one of the same second is the later one."""
    unified_at, legacy_at = read_time(unified), read_time(legacy)
    return legacy_at is not None and (unified_at is None or unified_at < legacy_at)
