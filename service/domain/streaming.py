"""Gathers the pieces of a streamed text into few, at even distances. Pure; `now` is passed in, in seconds."""

from typing import Final

# Ten events a second at most, in any second that one looks at, its ends included.
EVERY_S: Final = 0.11
# An event holds 64 KB, and a control character takes six bytes of JSON.
MAX_CHARS: Final = 8_000


class TextBatcher:
    """The first piece goes at once, what comes within `every_s` after it waits together."""

    def __init__(self, every_s: float = EVERY_S, max_chars: int = MAX_CHARS) -> None:
        self._every_s = every_s
        self._max_chars = max_chars
        self._pending = ""
        self._due = float("-inf")

    @property
    def is_empty(self) -> bool:
        return not self._pending

    def add(self, text: str) -> None:
        self._pending += text

    def take(self, now: float) -> str:
        """What is to be sent now; empty where nothing is there, or it is too early."""
        if now < self._due or not self._pending:
            return ""
        text, self._pending = self._pending[: self._max_chars], self._pending[self._max_chars :]
        self._due = now + self._every_s
        return text

    def wait_s(self, now: float) -> float | None:
        """Until `take` has something; None: until a piece is added."""
        return max(self._due - now, 0.0) if self._pending else None
