"""A computation that is a generator of steps: yields (step, percent) when each is done, returns its result."""

from collections.abc import Callable, Generator
from typing import Any

Steps = Generator[tuple[str, int], None, dict[str, Any]]


def run_to_end(steps: Steps, on_step: Callable[[str, int], None] | None = None) -> dict[str, Any]:
    """The result; `on_step(step, percent)` is called after each step. Raises what a step raises."""
    while True:
        try:
            step, percent = next(steps)
        except StopIteration as end:
            result: dict[str, Any] = end.value
            return result
        if on_step is not None:
            on_step(step, percent)
