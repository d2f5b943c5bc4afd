"""Chores that beat runs itself, in a thread of its own: those of a queue whose workers sleep while there is no task.

A message each ten seconds would never let them sleep. Which chores these are says BEAT_RUNS, set by who knows how many
workers a queue keeps.
"""

import asyncio
import queue
import threading
from collections.abc import Coroutine
from functools import partial
from typing import Any

import structlog

from service.settings import Settings
from service.tasks.services import Services
from service.worker.chore import CHORES, run_chore

log = structlog.get_logger("pinnokio.beat")

# Beat ends when the thread does, and a chore is a matter of seconds; what it leaves undone the next one does.
END_S = 5.0


class LimitReached(Exception):
    """A chore took longer than it may."""


class OwnChores:
    """Runs what `start` asks for until `stop`, side by side: none waits for another, none runs twice at once."""

    def __init__(self, settings: Settings) -> None:
        self.names = frozenset(settings.beat_runs) & CHORES.keys()
        if unknown := frozenset(settings.beat_runs) - self.names:
            # An operator that is newer than this image knows more of them: the others must go on.
            log.error("beat_chore_unknown", names=sorted(unknown), known=sorted(CHORES))
        self._settings = settings
        # One that is asked for while it runs is left out: the next comes by itself.
        self._busy: set[str] = set()
        self._asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)

    def start(self, name: str) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        if name not in self._busy:
            self._busy.add(name)
            self._asked.put(name)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._asked.put(None)
            self._thread.join(END_S)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        services = Services.open(self._settings)
        async with asyncio.TaskGroup() as running:
            while (name := await asyncio.to_thread(self._asked.get)) is not None:
                running.create_task(self._run_one(name, services))
        await services.close()

    async def _run_one(self, name: str, services: Services) -> None:
        chore = CHORES[name]
        fields: dict[str, Any] = {"task_type": name}
        with structlog.contextvars.bound_contextvars(**fields):
            try:
                await run_chore(chore, services, partial(_within, chore.max_duration_s))
            except Exception:
                # The edge of the chore: one that fails must not end the others.
                log.exception("chore_failed")
            finally:
                self._busy.discard(name)


async def _within(limit_s: float, work: Coroutine[Any, Any, None]) -> None:
    """Raises LimitReached; a TimeoutError of the chore itself may be Valkey's."""
    try:
        async with asyncio.timeout(limit_s) as limit:
            await work
    except TimeoutError:
        if limit.expired():
            raise LimitReached(f"it took more than {limit_s:g} s") from None
        raise
