"""Sends many commands over the lane in batches, and raises the first error among their answers."""

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
