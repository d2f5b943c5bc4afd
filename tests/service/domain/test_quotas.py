"""Which limit holds, and when to try again."""

import pytest

from service.domain.errors import QuotaExceeded
from service.domain.quotas import Refusal, choose_limit, choose_retry_ms, choose_storage_retry_ms


@pytest.mark.parametrize(
    ("of_company", "of_service", "limit"),
    [
        pytest.param(None, {}, 10, id="the contract's"),
        pytest.param(None, {"max_tasks_per_user": 50}, 50, id="the service's"),
        pytest.param("3", {"max_tasks_per_user": 50}, 3, id="the company's"),
        pytest.param("0", {}, 0, id="none at all"),
        pytest.param("many", {}, 10, id="no number"),
    ],
)
def test_which_limit_holds(of_company: str | None, of_service: dict[str, int], limit: int) -> None:
    assert choose_limit("max_tasks_per_user", of_company, of_service) == limit


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
