"""Many commands over the lane, in batches; the first error is raised.

Who asks for keys that a scan found may meet one that somebody else made, of another type than ours.
"""

from typing import Any, Final

from redis.exceptions import ResponseError

from service.store.lane import Command, Lane

# Enough to save round trips, few enough to leave room for others between them.
BATCH: Final = 250
_RAISED: Final = object()


async def run_batches(lane: Lane, commands: list[Command], *, if_other_type: Any = _RAISED) -> list[Any]:
    """The answers in order. `if_other_type`: the answer where a key is of another type than the command's."""
    answers: list[Any] = []
    for start in range(0, len(commands), BATCH):
        answers += await lane.run(*commands[start : start + BATCH])
    if if_other_type is not _RAISED:
        answers = [if_other_type if _is_of_other_type(answer) else answer for answer in answers]
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _is_of_other_type(answer: Any) -> bool:
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")
