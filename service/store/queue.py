"""Enqueues tasks for Celery's workers. What a message holds: a task's id and its run; arguments go by reference.

kombu publishes synchronously, so that it runs in a few threads, each with a connection of kombu's pool.
"""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from contract.queues import celery_name
from service.domain.errors import DependencyUnavailable
from service.settings import Settings
from service.store.broker import broker_configuration

if TYPE_CHECKING:
    from celery import Celery

# One thread publishes some 1,000 messages a second and more do no more under the GIL; they are for a broker that
# answers slowly.
THREADS: Final = 4
# Longer than one connection attempt with its retry; the caller's own limit is far above.
ENQUEUE_TIMEOUT_S: Final = 5.0


class TaskQueue:
    """The sending side of Celery. Opens no connection, and does not even import Celery, before the first message."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._celery: Celery | None = None
        self._making = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="enqueue")

    async def enqueue(
        self,
        task_type: str,
        queue: str,
        *,
        task_id: str,
        run: int,
        celery_task_id: str,
        trace_id: str | None = None,
    ) -> None:
        """Raises DependencyUnavailable where the broker did not take the message.

        After a timeout the message may still arrive: the caller gives its claim back, so that the worker finds the
        run unknown and drops it.
        """

        def send(producer: "Celery") -> None:
            from kombu.exceptions import OperationalError

            try:
                producer.send_task(
                    celery_name(task_type),
                    kwargs={"task_id": task_id, "run": run},
                    task_id=celery_task_id,
                    queue=queue,
                    headers={"trace_id": trace_id} if trace_id else {},
                )
            except (OperationalError, OSError) as fault:
                raise DependencyUnavailable("the task queue does not answer") from fault

        loop = asyncio.get_running_loop()
        # Importing Celery takes a third of a second, once, and no broker's time.
        producer = self._celery
        if producer is None:
            producer = await loop.run_in_executor(self._threads, self._make_producer)
        try:
            async with asyncio.timeout(ENQUEUE_TIMEOUT_S):
                await loop.run_in_executor(self._threads, send, producer)
        except TimeoutError as fault:
            raise DependencyUnavailable("the task queue does not answer") from fault

    async def close(self) -> None:
        """Waits for messages under way, then closes the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._celery is not None:
            await asyncio.to_thread(self._celery.close)

    def _make_producer(self) -> "Celery":
        with self._making:
            if self._celery is None:
                from celery import Celery

                celery = Celery("pinnokio-producer", set_as_current=False)
                celery.conf.update(
                    broker_configuration(self._settings),
                    task_ignore_result=True,
                    broker_pool_limit=THREADS,
                    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1},
                )
                self._celery = celery
            return self._celery
