"""Which limit holds, and when to try again."""

import pytest

from service.domain.quotas import build_refusal, choose_limit, choose_retry_ms


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


def test_a_refusal_names_quota_limit_and_time() -> None:
    text = build_refusal("max_tasks_per_user", 10, 12_000)
    assert all(word in text for word in ("max_tasks_per_user", "10 tasks", "12 s"))
