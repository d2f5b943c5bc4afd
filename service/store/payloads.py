"""Arguments of tasks, kept by reference: a Celery message names its task and its run, and nothing else.

A payload belongs to one run of its task, so that dropping an old run's never takes a new one's.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from redis.asyncio.client import Pipeline

from contract import keys
from service.store.client import Valkey
from service.store.lane import Command
from service.store.scripts import script

_DELETE = script("payload_delete")


class PayloadStore:
    """Reads and writes `payload:{task_id}`."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    def build_write(self, task_id: str, run: int, body: bytes) -> tuple[Command, ...]:
        """The write of what `encode` made; it lasts as long as a queued task's entry."""
        key = keys.task_payload(task_id)
        return (
            ("HSET", key, "run", run, "body", body),
            ("EXPIRE", key, keys.TASK_QUEUED_TTL_S),
        )

    async def read(self, task_id: str, run: int) -> dict[str, Any] | None:
        """The arguments of `run`; None where they are gone or another run's."""
        answer: Any = await self._valkey.hmget(keys.task_payload(task_id), "run", "body")
        return parse(answer, run)

    def add_read(self, pipeline: Pipeline, task_id: str) -> None:
        """Adds the read to `pipeline`; `parse` takes its answer."""
        pipeline.hmget(keys.task_payload(task_id), "run", "body")

    async def delete(self, task_id: str, run: int) -> None:
        await self._valkey.eval(_DELETE, 1, keys.task_payload(task_id), str(run))

    def add_delete(self, pipeline: Pipeline, task_id: str, run: int) -> None:
        """Adds the deletion to `pipeline`."""
        pipeline.eval(_DELETE, 1, keys.task_payload(task_id), str(run))


def encode(arguments: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(arguments)


def parse(answer: list[bytes | None], run: int) -> dict[str, Any] | None:
    """The arguments of `run`; None where they are gone or another run's."""
    of_run, body = answer
    if of_run is None or body is None or int(of_run) != run:
        return None
    arguments: dict[str, Any] = msgspec.json.decode(body)
    return arguments
