"""What counts as drift between the registries, and what may differ."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.drift import Comparison, Drift, UnifiedUser, UserPair, compare_user
from service.domain.legacy import LegacyUser

NOW = datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC)
LEGACY = LegacyUser("u", "s", "r", "2030-01-31T11:00:00Z")
UNIFIED = UnifiedUser(
    session_id="s",
    backend_route="r",
    last_seen_at="2030-01-31T11:00:00.250000+00:00",
    status="online",
    registered_at="2030-01-31T11:00:00.250000+00:00",
    is_in_company=True,
    collections=frozenset({"c"}),
)
PAIR = UserPair("u", LEGACY, UNIFIED, frozenset({"c"}))


@pytest.mark.parametrize(
    ("pair", "outcome"),
    [
        pytest.param(PAIR, "agrees", id="both the same"),
        pytest.param(replace(PAIR, unified=None), "waits_for_first_touch", id="registered before the flag came on"),
        pytest.param(UserPair("u", None, None), "gone", id="ended meanwhile"),
        pytest.param(
            replace(PAIR, unified=replace(UNIFIED, last_seen_at="2030-01-31T11:59:00+00:00")),
            "agrees",
            id="heartbeats are not legacy's",
        ),
        pytest.param(replace(PAIR, legacy=None, unified=replace(UNIFIED, status="offline")), "agrees", id="offline"),
        pytest.param(
            replace(PAIR, legacy=None, unified=replace(UNIFIED, registered_at="2030-01-30T11:00:00+00:00")),
            "legacy_has_ended",
            id="registered more than a day ago",
        ),
        pytest.param(
            replace(PAIR, legacy=None, unified=replace(UNIFIED, registered_at="")), "legacy_has_ended", id="long ago"
        ),
    ],
)
def test_no_drift(pair: UserPair, outcome: str) -> None:
    assert compare_user(pair, NOW, writes_legacy=True) == Comparison(outcome)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pair", "drift"),
    [
        (replace(PAIR, unified=replace(UNIFIED, session_id="t")), Drift("u", "session", "s", "t")),
        (replace(PAIR, unified=replace(UNIFIED, backend_route="x")), Drift("u", "backend_route", "r", "x")),
        (replace(PAIR, unified=replace(UNIFIED, status="offline")), Drift("u", "status", "registered", "offline")),
        (
            replace(PAIR, unified=replace(UNIFIED, last_seen_at="2030-01-31T10:59:59.9+00:00")),
            Drift("u", "last_seen_at", "2030-01-31T11:00:00Z", "2030-01-31T10:59:59.9+00:00"),
        ),
        (
            replace(PAIR, unified=replace(UNIFIED, last_seen_at="yesterday")),
            Drift("u", "last_seen_at", "2030-01-31T11:00:00Z", "yesterday"),
        ),
        (replace(PAIR, legacy=None), Drift("u", "missing_in_legacy", "", "s")),
        (replace(PAIR, unified=replace(UNIFIED, is_in_company=False)), Drift("u", "missing_in_company", "", "s")),
        (replace(PAIR, unified=replace(UNIFIED, collections=frozenset())), Drift("u", "collection", "c", "")),
    ],
    ids=lambda value: value.kind if isinstance(value, Drift) else "",
)
def test_drift(pair: UserPair, drift: Drift) -> None:
    assert compare_user(pair, NOW, writes_legacy=True) == Comparison("drifts", (drift,))


def test_without_legacy_writes_the_unified_registry_stands_alone() -> None:
    stale = replace(PAIR, legacy=replace(LEGACY, session_id="old"))
    assert compare_user(stale, NOW, writes_legacy=False) == Comparison("not_written_to_legacy")
    lost = replace(PAIR, unified=replace(UNIFIED, is_in_company=False))
    assert compare_user(lost, NOW, writes_legacy=False).outcome == "drifts"


def test_the_last_minutes_of_a_legacy_entry_are_nobodys_drift() -> None:
    registered = (NOW - timedelta(hours=23, minutes=58)).isoformat()
    pair = replace(PAIR, legacy=None, unified=replace(UNIFIED, registered_at=registered))
    assert compare_user(pair, NOW, writes_legacy=True).outcome == "legacy_has_ended"
