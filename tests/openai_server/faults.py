"""What the stand-in does instead of answering well: a fault for each of the next requests, in order."""

from dataclasses import dataclass
from typing import Literal

Break = Literal["end", "hang up", "error", "stall", "garbage"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One spoilt answer. `status`: refused with it. `delay_s`: answered well, later. `is_truncated`: cut off in the
    middle. `garbage`: a body that is not the protocol's. `drop`: answers the last items but these many.

    Of a streamed answer: `token_delay_s` comes before each token; after `break_after` tokens it breaks as `how` says
    (`end`: a proper end of the body, without finish reason; `error`: an error in the stream's own words); `has_usage`
    False: the tokens are not counted; `finish`: its finish reason."""

    status: int | None = None
    retry_after: str | None = None
    message: str = "the stand-in refuses"
    delay_s: float = 0.0
    is_truncated: bool = False
    garbage: bytes | None = None
    drop: int = 0
    token_delay_s: float = 0.0
    break_after: int | None = None
    how: Break = "end"
    has_usage: bool = True
    finish: str = "stop"


def rate_limited(retry_after: str = "0.05") -> Fault:
    return Fault(status=429, retry_after=retry_after, message="Rate limit reached")


def broken() -> Fault:
    return Fault(status=500, retry_after="0.05", message="The server had an error")


def cut_after(tokens: int, how: Break = "end") -> Fault:
    return Fault(break_after=tokens, how=how)


def slow(token_delay_s: float) -> Fault:
    return Fault(token_delay_s=token_delay_s)
