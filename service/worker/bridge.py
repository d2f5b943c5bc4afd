"""The one bridge from Celery's synchronous tasks to the asynchronous stores: an event loop per worker process.

It also ends the handler alone at Celery's soft time limit, when its task is cancelled and when another attempt has
taken over: what writes the end down is not hit.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, TypeVar

from service.settings import Settings
from service.store.direct_lane import DirectLane
from service.store.tasks import Fence
from service.tasks.services import Services
from service.worker.lease import LeaseKeeper

T = TypeVar("T")


class TimeIsUp(BaseException):
    """The soft time limit. No `Exception`: a handler's broad `except` must not take it for a broken document."""


class Cancelled(BaseException):
    """The task's user wants it no more."""


class Superseded(BaseException):
    """Another attempt or run has taken over, and whatever this one writes is refused."""


Reason = type[TimeIsUp] | type[Cancelled] | type[Superseded]


class Bridge:
    """The event loop, the services and the running handler of one worker process."""

    def __init__(self, settings: Settings) -> None:
        # No asyncio.Runner: it asks for the signal handlers of each run anew, for an interrupt that no child gets.
        self._loop = asyncio.new_event_loop()
        self._is_listening = False
        self.services = Services.open(settings, DirectLane(settings.valkey))
        self._lease = LeaseKeeper(settings)
        self._handler: asyncio.Task[Any] | None = None
        self._reason: Reason | None = None
        # What a signal means that nobody else has given a meaning: Celery's parent sends it at the soft limit.
        self._asked: Reason = TimeIsUp

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end in this process's event loop."""
        if not self._is_listening:
            # Only now: billiard sets its own handler after the process's start-up signal, and it would raise wherever
            # the loop stands.
            signal.signal(signal.SIGUSR1, self._on_signal)
            self._is_listening = True
        return self._loop.run_until_complete(work)

    async def within_limit(self, handler: Coroutine[Any, Any, T]) -> T:
        """Awaits `handler`; raises TimeIsUp, Cancelled or Superseded when that ends it."""
        self._reason, self._asked = None, TimeIsUp
        self._handler = asyncio.get_running_loop().create_task(handler)
        try:
            answer: T = await self._handler
        except asyncio.CancelledError:
            if self._reason is not None:
                raise self._reason from None
            raise
        else:
            return answer
        finally:
            self._handler = None

    async def with_lease(self, handler: Coroutine[Any, Any, T], fence: Fence, at_most_s: float) -> T:
        """`within_limit`, while the lease of the attempt is renewed, for `at_most_s` at most."""
        self._lease.hold(fence, self._stop, at_most_s)
        try:
            return await self.within_limit(handler)
        finally:
            self._lease.let_go()

    def close(self) -> None:
        self._lease.close()
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            # It also ends what handlers have left behind.
            runner.run(self.services.close())

    def _stop(self, is_cancelled: bool) -> None:
        """Called from the lease's thread: the signal runs where the handler does."""
        self._asked = Cancelled if is_cancelled else Superseded
        os.kill(os.getpid(), signal.SIGUSR1)

    def _on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        handler, reason = self._handler, self._asked
        self._asked = TimeIsUp
        if handler is None or handler.done():
            return
        self._reason = reason
        if asyncio.current_task(self._loop) is handler:
            # It computes: only an exception where it stands ends that.
            raise reason
        self._loop.call_soon_threadsafe(handler.cancel)
