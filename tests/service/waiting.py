"""Waiting on a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

DEADLINE_S = 10.0


async def eventually(probe: Callable[[], Any | Awaitable[Any]], *, deadline_s: float = DEADLINE_S) -> Any:
    """The first truthy answer of `probe` (sync or async); TimeoutError with its last answer after the deadline."""
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline_s
    while True:
        answer = probe()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if loop.time() > until:
            raise TimeoutError(f"not within {deadline_s} s; last answer: {answer!r}")
        await asyncio.sleep(0.01)
