"""A company's quotas: which limit holds, and what is said when it is reached. Counting is `service.store.quotas`'."""

from collections.abc import Mapping
from typing import Final

from service.domain.unified import QUOTAS

MAX_TASKS_PER_USER: Final = "max_tasks_per_user"

# Asking again sooner is of no use, later than this a caller has forgotten.
_SOONEST_MS: Final = 1_000
_LATEST_MS: Final = 300_000
_UNKNOWN_MS: Final = 30_000


def choose_limit(quota: str, of_company: str | None, of_service: Mapping[str, int]) -> int:
    """Cases in order: the company's own limit; the service's (the flag document's); the contract's default.

    Example: a company without one, in a service that says 50 → 50.
    """
    if of_company is not None and of_company.isascii() and of_company.isdigit():
        return int(of_company)
    return of_service.get(quota, QUOTAS[quota])


def choose_retry_ms(mean_duration_s: float | None) -> int:
    """When a retry can succeed: a task's mean duration, between a second and five minutes; None: half a minute."""
    if mean_duration_s is None:
        return _UNKNOWN_MS
    return min(max(round(mean_duration_s * 1000), _SOONEST_MS), _LATEST_MS)


def build_refusal(quota: str, limit: int, retry_ms: int) -> str:
    """A sentence for the caller."""
    return (
        f"quota {quota} is used up: {limit} tasks of this user are queued or running in this company;"
        f" try again when one has ended, in about {round(retry_ms / 1000)} s"
    )
