"""What the stand-in does instead of answering well: a fault for each of the next requests, in order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One spoilt answer. `status`: refused with it. `delay_s`: answered well, later. `is_truncated`: cut off in the
    middle. `garbage`: a body that is not the protocol's. `drop`: answers the last items but these many."""

    status: int | None = None
    retry_after: str | None = None
    message: str = "the stand-in refuses"
    delay_s: float = 0.0
    is_truncated: bool = False
    garbage: bytes | None = None
    drop: int = 0


def rate_limited(retry_after: str = "0.05") -> Fault:
    return Fault(status=429, retry_after=retry_after, message="Rate limit reached")


def broken() -> Fault:
    return Fault(status=500, retry_after="0.05", message="The server had an error")
