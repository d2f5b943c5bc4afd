"""Enqueues tasks for Celery's workers. What a message holds: a task's id and its run; arguments go by reference."""

from typing import Final

from redis.exceptions import OutOfMemoryError

from contract.queues import celery_name
from service.domain.errors import DependencyUnavailable
from service.settings import Settings
from service.store.celery_message import build_message
from service.store.client import VALKEY_FAULTS
from service.store.lane import Command, Lane

DOES_NOT_ANSWER: Final = "the task queue does not answer"


class TaskQueue:
    """The sending side of Celery, over the lane."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self._prefix = settings.celery_key_prefix
        self._lane = lane

    def build_push(
        self,
        task_type: str,
        queue: str,
        *,
        task_id: str,
        run: int,
        celery_task_id: str,
        trace_id: str | None = None,
        is_next: bool = False,
    ) -> Command:
        """The command that queues a run, for `send` or behind others in one round trip.

        `is_next`: before all that wait, for workers take from the tail.
        """
        arguments = {"task_id": task_id, "run": run}
        message = build_message(celery_name(task_type), queue, celery_task_id, arguments, trace_id)
        return "RPUSH" if is_next else "LPUSH", f"{self._prefix}{queue}", message

    async def send(self, push: Command) -> None:
        """Raises DependencyUnavailable where the broker did not take the message, OutOfMemoryError where it is full.

        After a timeout the message may still arrive: the caller gives its claim back, so that the worker finds the
        run unknown and drops it.
        """
        try:
            await self._lane.ask(*push)
        except OutOfMemoryError:
            raise
        except VALKEY_FAULTS as fault:
            raise DependencyUnavailable(DOES_NOT_ANSWER) from fault
