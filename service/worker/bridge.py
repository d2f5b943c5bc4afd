"""The one bridge from Celery's synchronous tasks to the asynchronous stores: an event loop per worker process.

It also turns Celery's soft time limit into an end of the handler alone: what writes the failure down is not hit.
"""

import asyncio
import contextvars
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

from service.settings import Settings
from service.worker.services import Services

T = TypeVar("T")


class TimeIsUp(BaseException):
    """The soft time limit. No `Exception`: a handler's broad `except` must not take it for a broken document."""


class Bridge:
    """The event loop, the services and the running handler of one worker process."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self.services = Services.open(settings)
        self._handler: asyncio.Task[Any] | None = None
        self._is_time_up = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end in this process's event loop."""
        # billiard sets its own handler after the process's start-up signal: it would raise wherever the loop stands.
        signal.signal(signal.SIGUSR1, self._on_soft_limit)
        # The caller's context, not the one that the runner kept from its first run: log fields live in it.
        return self._runner.run(work, context=contextvars.copy_context())

    async def within_limit(self, handler: Coroutine[Any, Any, T]) -> T:
        """Awaits `handler`; raises TimeIsUp when the soft limit ends it."""
        self._is_time_up = False
        self._handler = asyncio.get_running_loop().create_task(handler)
        try:
            answer: T = await self._handler
        except asyncio.CancelledError:
            if self._is_time_up:
                raise TimeIsUp from None
            raise
        else:
            return answer
        finally:
            self._handler = None

    def close(self) -> None:
        self._runner.run(self.services.close())
        self._runner.close()

    def _on_soft_limit(self, _signal: int, _frame: FrameType | None) -> None:
        handler = self._handler
        if handler is None or handler.done():
            return
        self._is_time_up = True
        loop = self._runner.get_loop()
        if asyncio.current_task(loop) is handler:
            # It computes: only an exception where it stands ends that.
            raise TimeIsUp
        loop.call_soon_threadsafe(handler.cancel)
