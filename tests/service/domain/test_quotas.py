"""Which limit holds, and when to try again."""

from typing import Any

import pytest

from service.domain.errors import QuotaExceeded
from service.domain.quotas import Refusal, choose_limit, choose_retry_ms, choose_storage_retry_ms, parse_limits


@pytest.mark.parametrize(
    ("of_company", "in_firestore", "of_service", "limit"),
    [
        pytest.param(None, None, None, 10, id="the contract's"),
        pytest.param(None, None, 50, 50, id="the service's"),
        pytest.param(None, 7, 50, 7, id="Firestore's"),
        pytest.param(3, 7, 50, 3, id="the company's"),
        pytest.param(0, 7, None, 0, id="none at all"),
    ],
)
def test_which_limit_holds(
    of_company: int | None, in_firestore: int | None, of_service: int | None, limit: int
) -> None:
    told = ({"max_tasks_per_user": one} if one is not None else {} for one in (of_company, in_firestore, of_service))
    assert choose_limit("max_tasks_per_user", *told) == limit


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (0, 0),
        ("many", None),
        (-1, None),
        (5.5, None),
        (True, None),
        (None, None),
        (1e300, None),
    ],
)
def test_what_is_a_limit(value: Any, limit: int | None) -> None:
    assert parse_limits({"storage_limit_mb": value, "unknown": 3}).get("storage_limit_mb") == limit


@pytest.mark.parametrize("raw", [None, [], "5", {}])
def test_no_map_names_no_limit(raw: Any) -> None:
    assert parse_limits(raw) == {}


@pytest.mark.parametrize(("mean_s", "retry_ms"), [(None, 30_000), (0.01, 1_000), (12.0, 12_000), (3600.0, 300_000)])
def test_when_to_try_again(mean_s: float | None, retry_ms: int) -> None:
    assert choose_retry_ms(mean_s) == retry_ms


@pytest.mark.parametrize(("held_for_ms", "retry_ms"), [(None, 300_000), (5, 1_000), (12_000, 12_000), (10**9, 300_000)])
def test_when_storage_may_be_free(held_for_ms: int | None, retry_ms: int) -> None:
    assert choose_storage_retry_ms(held_for_ms) == retry_ms


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        pytest.param(Refusal("max_tasks_per_user", 10, 12_000), ("max_tasks_per_user", "10 tasks", "12 s"), id="tasks"),
        pytest.param(
            Refusal("max_llm_requests_per_hour", 1000, 90_000),
            ("max_llm_requests_per_hour", "1000 LLM requests", "90 s"),
            id="requests",
        ),
        pytest.param(
            Refusal("storage_limit_mb", 5, 300_000, held=4 * 1024**2, needed=2048),
            ("storage_limit_mb", "4.00 MB of 5.00 MB", "2.00 KB more", "delete documents", "300 s"),
            id="storage",
        ),
    ],
)
def test_a_refusal_names_quota_limit_and_time(refusal: Refusal, words: tuple[str, ...]) -> None:
    assert all(word in str(refusal) for word in words), str(refusal)
    fault = refusal.error()
    assert isinstance(fault, QuotaExceeded)
    assert fault.retry_after_ms == refusal.retry_ms
