"""Many commands over the lane: in batches, or from several callers in one write; the first error is raised."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from service.store.lane import Command, Lane

# Enough to save round trips, few enough to leave room for others between them.
BATCH: Final = 250


async def run_batches(lane: Lane, commands: list[Command]) -> list[Any]:
    """The answers in order."""
    answers: list[Any] = []
    for start in range(0, len(commands), BATCH):
        answers += await lane.run(*commands[start : start + BATCH])
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


async def together(*work: Awaitable[Any]) -> None:
    """Awaits all of it, which then leaves in one write, and raises the first fault when all has ended."""
    for answer in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
