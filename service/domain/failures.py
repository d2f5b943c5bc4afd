"""A task that failed, as operators are told of it: which, when, and its error without what its user sent."""

from typing import Final

import msgspec

# An error is a sentence; a longer one is somebody's text.
MAX_ERROR_CHARS: Final = 300


class Failure(msgspec.Struct, frozen=True):
    """`error`: what the log says of it."""

    task_id: str
    task_type: str
    run: int
    error: str
    trace_id: str | None = None

    def shortened(self) -> "Failure":
        if len(self.error) <= MAX_ERROR_CHARS:
            return self
        return msgspec.structs.replace(self, error=f"{self.error[: MAX_ERROR_CHARS - 1]}…")
