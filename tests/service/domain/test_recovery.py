"""What maintenance decides about a task, by its entry and the clock."""

import pytest

from service.domain.recovery import LOOK_EVERY_S, choose_action, next_look_ms
from service.domain.tasks import TaskEntry, parse_entry

NOW_MS = 1_000_000_000
LIMIT_S = 300
LEASE_MS, RENEW_MS, CHORE_MS = 25_000, 800, 10_000


@pytest.mark.parametrize(
    ("fields", "action"),
    [
        pytest.param(None, "forget", id="no entry"),
        pytest.param({"status": "completed", "announced": "1"}, "forget", id="ended and told"),
        pytest.param({"status": "failed"}, "tell", id="ended, not told"),
        pytest.param({"status": "cancelled"}, "tell", id="cancelled, not told"),
        pytest.param({"status": "queued"}, "find_message", id="queued"),
        pytest.param({"status": "processing", "lease_until": str(NOW_MS + 1)}, "wait", id="a lease"),
        pytest.param({"status": "processing", "lease_until": str(NOW_MS)}, "take_back", id="a lease that ran out"),
        pytest.param(
            {"status": "processing", "lease_until": str(NOW_MS - LIMIT_S * 1000)}, "take_back", id="just within limit"
        ),
        pytest.param({"status": "processing", "lease_until": str(NOW_MS - LIMIT_S * 1000 - 1)}, "give_up", id="stuck"),
        pytest.param({"status": "processing", "lease_until": "0"}, "take_back", id="given back, not ended"),
        pytest.param({"status": "queued", "celery_task_id": ""}, "forget", id="somebody else's, queued"),
        pytest.param({"status": "processing", "celery_task_id": ""}, "forget", id="somebody else's, running"),
        pytest.param({"status": "failed", "celery_task_id": ""}, "forget", id="somebody else's, ended"),
    ],
)
def test_what_is_done(fields: dict[str, str] | None, action: str) -> None:
    entry = None
    if fields is not None:
        entry = parse_entry("t1", {"user_id": "u1", "max_duration": str(LIMIT_S), **fields})
    assert choose_action(entry, NOW_MS) == action


@pytest.mark.parametrize("chore_phase_ms", range(0, CHORE_MS, 500))
def test_a_dead_workers_run_is_taken_back_within_lease_and_one_round(chore_phase_ms: int) -> None:
    """Whenever its worker dies, and whatever a look found just before: a worker renews, maintenance looks each 10 s."""
    for died_ms in range(0, 60_000, RENEW_MS):
        # It was queued at 0, and taken up at once.
        due_ms, now_ms = round(LOOK_EVERY_S * 1000), chore_phase_ms
        while True:
            entry = _running_entry(lease_until_ms=min(now_ms - now_ms % RENEW_MS, died_ms) + LEASE_MS)
            if now_ms >= due_ms:
                if choose_action(entry, now_ms) == "take_back":
                    break
                due_ms = next_look_ms(entry, now_ms)
            now_ms += CHORE_MS
        assert now_ms - died_ms <= max(LEASE_MS, round(LOOK_EVERY_S * 1000)) + CHORE_MS


def test_a_queued_task_is_looked_at_each_half_minute() -> None:
    entry = parse_entry("t1", {"user_id": "u1", "max_duration": "300", "status": "queued", "lease_until": "0"})
    assert entry is not None
    assert next_look_ms(entry, NOW_MS) == NOW_MS + 30_000


def _running_entry(lease_until_ms: int) -> TaskEntry:
    fields = {"user_id": "u1", "max_duration": str(LIMIT_S), "status": "processing", "lease_until": str(lease_until_ms)}
    entry = parse_entry("t1", fields)
    assert entry is not None
    return entry
