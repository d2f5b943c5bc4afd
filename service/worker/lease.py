"""Renews the lease of the run that this process is at, from a thread, so that one that computes is not taken for dead.

A renewal also tells when the run is to stop: it was cancelled, or another attempt has taken over.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import redis
import structlog

from service.settings import Settings
from service.store.recovery import renew_lease
from service.store.tasks import Fence
from service.worker.plain_client import connect_plainly

log = structlog.get_logger("pinnokio.worker")

# A cancelled task stops within a second. A task that ends sooner costs no renewal.
RENEW_S: Final = 0.8

Stop = Callable[[bool], None]


class LeaseKeeper:
    """One per worker process. `hold` and `let_go` belong to the thread that runs tasks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._letting_go = threading.Lock()
        self._held: tuple[Fence, Stop, float] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def hold(self, fence: Fence, stop: Stop, at_most_s: float) -> None:
        """Renews until `let_go`, and no longer than `at_most_s`: a run that is stuck beyond its limit is let go.

        `stop(is_cancelled)` is called from another thread, and again at each renewal until `let_go`.
        """
        if not self._thread.is_alive():
            # Only now: before the fork there is no thread, and a process that never works needs none.
            self._thread.start()
        self._held = (fence, stop, time.monotonic() + at_most_s)

    def let_go(self) -> None:
        with self._letting_go:
            self._held = None

    def close(self) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        with connect_plainly(self._settings) as valkey:
            # By its own clock: waking it for each task would cost as much as a round trip, and most end sooner.
            while not self._closed.wait(RENEW_S):
                held = self._held
                if held is not None and time.monotonic() < held[2]:
                    self._renew(valkey, *held[:2])

    def _renew(self, valkey: redis.Redis, fence: Fence, stop: Stop) -> None:
        try:
            answer = renew_lease(valkey, fence)
        except (redis.RedisError, OSError) as fault:
            log.warning("task_lease_not_renewed", task_id=fence.task_id, run=fence.run, error=repr(fault))
            return
        if answer == "ours":
            return
        with self._letting_go:
            # Whoever let go meanwhile has ended, and its end is not to be stopped.
            if self._held is not None and self._held[0] == fence:
                stop(answer == "cancel")
