"""What maintenance decides about a task, by its entry and the clock."""

import pytest

from service.domain.recovery import choose_action
from service.domain.tasks import parse_entry

NOW_MS = 1_000_000_000
LIMIT_S = 300


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
