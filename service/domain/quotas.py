"""A company's quotas: which limit holds, and what is said when it is reached.

Counting is `service.store.quotas`' (tasks, LLM requests) and `service.store.storage`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.domain.errors import QuotaExceeded
from service.domain.storage import MB, format_size
from service.domain.unified import QUOTAS

# Tasks of a user that are queued or running at a time.
MAX_TASKS_PER_USER: Final = "max_tasks_per_user"
# Conversations' turns that a company starts within any hour.
MAX_LLM_REQUESTS_PER_HOUR: Final = "max_llm_requests_per_hour"
# What a company's collections take up in Chroma, in MB of 1,048,576 bytes.
STORAGE_LIMIT_MB: Final = "storage_limit_mb"

# Asking again sooner is of no use, later than this a caller has forgotten.
_SOONEST_MS: Final = 1_000
_LATEST_MS: Final = 300_000
_UNKNOWN_MS: Final = 30_000
# Far above any limit that is meant, and what Lua still counts exactly.
_MOST: Final = 2**32


def choose_limit(
    quota: str, of_company: Mapping[str, int], in_firestore: Mapping[str, int], of_service: Mapping[str, int]
) -> int:
    """Cases in order: the company's entry; Firestore; the service's (the flag document's); the contract's default.

    Example: a company that neither its entry nor Firestore says anything of, in a service that says 50 → 50.
    """
    for limits in (of_company, in_firestore, of_service):
        if quota in limits:
            return limits[quota]
    return QUOTAS[quota]


def parse_limits(raw: Any) -> dict[str, int]:
    """Quotas and their limits out of a map of whatever somebody wrote; what is no limit is left out."""
    if not isinstance(raw, Mapping):
        return {}
    limits: dict[str, int] = {}
    for quota in QUOTAS:
        value = raw.get(quota)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and 0 <= value < _MOST
            and value == int(value)
        ):
            limits[quota] = int(value)
    return limits


def choose_retry_ms(mean_duration_s: float | None) -> int:
    """When a retry can succeed: a task's mean duration, between a second and five minutes; None: half a minute."""
    if mean_duration_s is None:
        return _UNKNOWN_MS
    return min(max(round(mean_duration_s * 1000), _SOONEST_MS), _LATEST_MS)


def choose_storage_retry_ms(held_for_ms: int | None) -> int:
    """When storage may be free: when the next reservation ends (`held_for_ms`); None: somebody has to delete first."""
    return _LATEST_MS if held_for_ms is None else min(max(held_for_ms, _SOONEST_MS), _LATEST_MS)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A quota that is used up: `held` and `needed` (bytes) are storage's. The text is a sentence for the caller."""

    quota: str
    limit: int
    retry_ms: int
    held: int = 0
    needed: int = 0

    def __str__(self) -> str:
        start = f"quota {self.quota} is used up: "
        seconds = max(1, round(self.retry_ms / 1000))
        match self.quota:
            case "max_llm_requests_per_hour":
                return start + (
                    f"{self.limit} LLM requests of this company were made within an hour; try again in {seconds} s"
                )
            case "storage_limit_mb":
                needs = f", and this needs {format_size(self.needed)} more" if self.needed else ""
                return start + (
                    f"the collections of this company hold {format_size(self.held)} of {format_size(self.limit * MB)}"
                    f"{needs}; delete documents first, or try again in about {seconds} s"
                )
        return start + (
            f"{self.limit} tasks of this user are queued or running in this company;"
            f" try again when one has ended, in about {seconds} s"
        )

    def error(self) -> QuotaExceeded:
        return QuotaExceeded(str(self), retry_after_ms=self.retry_ms)
