"""Which registry is right about a session: where the unified one follows the legacy one, and where it does not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.domain.following import UnifiedSession, plan_following
from service.domain.legacy import LegacyUser

NOW = datetime(2030, 1, 31, 12, 0, 0, tzinfo=UTC)
AT = "2030-01-31T11:00:00Z"
LEGACY = LegacyUser("u", "s", "r", AT)
UNIFIED = UnifiedSession("s", "r", "online", "2030-01-31T11:00:00.250000+00:00", AT)
ALONE = replace(UNIFIED, legacy_at="")
LATER = replace(LEGACY, session_id="t", last_seen_at="2030-01-31T11:30:00Z")


@pytest.mark.parametrize(
    ("legacy", "unified", "step"),
    [
        pytest.param(LEGACY, UNIFIED, "stay", id="written together"),
        pytest.param(LEGACY, replace(UNIFIED, status="offline"), "stay", id="ended in the unified one alone"),
        pytest.param(LATER, UNIFIED, "adopt", id="registered while the flag was off"),
        pytest.param(LATER, replace(UNIFIED, status="offline"), "adopt", id="came back while the flag was off"),
        pytest.param(replace(LEGACY, session_id="t"), UNIFIED, "adopt", id="two in one second, written crosswise"),
        pytest.param(replace(LATER, last_seen_at="2030-01-31T10:00:00Z"), UNIFIED, "adopt", id="a late clock"),
        pytest.param(LATER, ALONE, "adopt", id="newer than a session of the unified one alone"),
        pytest.param(replace(LEGACY, session_id="t"), ALONE, "stay", id="older than such a one"),
        pytest.param(replace(LATER, last_seen_at="?"), ALONE, "stay", id="a time that nobody can read"),
        pytest.param(LEGACY, replace(ALONE, registered_at=""), "adopt", id="an entry of unknown age"),
        pytest.param(None, UNIFIED, "leave", id="left while the flag was off"),
        pytest.param(None, replace(UNIFIED, status="offline"), "stay", id="had left before"),
        pytest.param(None, ALONE, "stay", id="never had a legacy entry"),
        pytest.param(None, replace(UNIFIED, legacy_at="2030-01-30T11:30:00Z"), "stay", id="its day is over"),
    ],
)  # fmt: skip
def test_plan(legacy: LegacyUser | None, unified: UnifiedSession, step: str) -> None:
    assert plan_following(legacy, unified, NOW) == step


def test_what_has_just_ended_was_there_whatever_its_age() -> None:
    old = replace(UNIFIED, legacy_at="2030-01-29T11:00:00Z")
    assert plan_following(None, old, NOW, has_just_ended=True) == "leave"
