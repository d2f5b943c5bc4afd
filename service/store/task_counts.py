"""`pinnokio:tasks:counts`: how many runs ended how, and how many were lost, of the whole service and since ever.

Kept here for pods come and go: what one has counted goes with it, often before anybody asked. One command beside what
it counts, and not together with it: where a connection breaks between the two, one is missing.
"""

from collections.abc import Mapping
from typing import Any

import redis
from redis.asyncio.client import Pipeline

from contract import keys
from service.store.client import Valkey


def add_count(pipeline: Pipeline, task_type: str, word: str) -> None:
    """`word`: a status that a run ended with, or one of `contract.metrics.LOSSES`."""
    pipeline.hincrby(keys.TASK_COUNTS, f"{task_type}:{word}", 1)


async def count(valkey: Valkey, task_type: str, word: str) -> None:
    await valkey.hincrby(keys.TASK_COUNTS, f"{task_type}:{word}", 1)


def count_plainly(valkey: redis.Redis, task_type: str, word: str) -> None:
    """`count`, for a thread. Raises redis-py's errors."""
    valkey.hincrby(keys.TASK_COUNTS, f"{task_type}:{word}", 1)


def parse_counts(answer: Any) -> Mapping[tuple[str, str], int] | None:
    """Of the answer to HGETALL: (type, word) → how many. None: not known."""
    if answer is None:
        return None
    words = iter(answer)
    fields = ((field.decode().partition(":"), int(number)) for field, number in zip(words, words, strict=True))
    return {(task_type, word): number for (task_type, _, word), number in fields}
