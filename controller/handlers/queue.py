"""The reconcile queue: each PinnokioService at most once at a time, many marks become one run, failures back off."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from controller.model.errors import ApiConflict, OperatorError
from controller.model.service import ServiceKey

# Events of one change come within a few milliseconds of each other.
COALESCE: Final = timedelta(milliseconds=50)
BACKOFF_FIRST: Final = timedelta(seconds=0.5)
BACKOFF_MAX: Final = timedelta(minutes=2)
log = logging.getLogger(__name__)


class ReconcileQueue:
    """`reconcile` says when it wants to be called again; None: only when marked. `observe`: result and duration;
    `observe_error`: the word for what went wrong."""

    def __init__(
        self,
        reconcile: Callable[[ServiceKey], Awaitable[timedelta | None]],
        parallel: int = 8,
        observe: Callable[[str, float], None] = lambda _result, _duration_s: None,
        observe_error: Callable[[str], None] = lambda _error: None,
    ) -> None:
        self._reconcile = reconcile
        self._observe = observe
        self._observe_error = observe_error
        self._due: dict[ServiceKey, float] = {}
        self._running: dict[ServiceKey, asyncio.Task[None]] = {}
        self._failures: dict[ServiceKey, int] = {}
        self._wake = asyncio.Event()
        self._parallel = parallel

    def mark(self, key: ServiceKey, after: timedelta = COALESCE) -> None:
        """Runs `key` after that time; an earlier mark stays."""
        due = asyncio.get_running_loop().time() + after.total_seconds()
        self._due[key] = min(due, self._due.get(key, due))
        self._wake.set()

    def drop(self, key: ServiceKey) -> None:
        self._due.pop(key, None)
        self._failures.pop(key, None)

    async def run(self) -> None:
        """Until cancelled; runs that are under way are cancelled with it."""
        try:
            while True:
                self._wake.clear()
                self._start_due()
                await self._sleep()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _start_due(self) -> None:
        now = asyncio.get_running_loop().time()
        for key in [key for key, due in self._due.items() if due <= now and key not in self._running]:
            if len(self._running) >= self._parallel:
                return
            del self._due[key]
            self._running[key] = asyncio.create_task(self._run_one(key), name=f"reconcile {key}")

    async def _sleep(self) -> None:
        """Until something is due or marked, or a run ends."""
        full = len(self._running) >= self._parallel
        waiting = [due for key, due in self._due.items() if not full and key not in self._running]
        timeout = max(0.0, min(waiting) - asyncio.get_running_loop().time()) if waiting else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()

    async def _run_one(self, key: ServiceKey) -> None:
        began, result = time.monotonic(), "failed"
        try:
            again = await self._reconcile(key)
        except ApiConflict as error:
            result = "conflict"
            self._observe_error(type(error).__name__)
            log.info("reconcile of %s met a change, planning again: %s", key, error)
            self.mark(key, self._backoff(key))
        except OperatorError as error:
            self._observe_error(type(error).__name__)
            log.warning("reconcile of %s failed, trying again: %s", key, error)
            self.mark(key, self._backoff(key))
        except Exception as error:
            # The edge of the loop: one broken service must not stop the others.
            self._observe_error(type(error).__name__)
            log.exception("reconcile of %s failed unexpectedly, trying again", key)
            self.mark(key, self._backoff(key))
        else:
            result = "done"
            self._failures.pop(key, None)
            if again is not None:
                self.mark(key, again)
        finally:
            self._observe(result, time.monotonic() - began)
            del self._running[key]
            self._wake.set()

    def _backoff(self, key: ServiceKey) -> timedelta:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: timedelta = min(BACKOFF_MAX, BACKOFF_FIRST * (1 << min(failures, 10)))
        return delay * random.uniform(0.8, 1.2)  # noqa: S311
