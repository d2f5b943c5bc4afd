"""Keeps the figures of intervals that are under way: a loop a service, only while its rollout is watched."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from controller.cluster.figures import FigureReader, FiguresUnavailable
from controller.model.counters import PodCounters
from controller.model.rollout import Prometheus
from controller.model.rollout_status import RolloutFigures
from controller.model.service import ServiceKey
from controller.plan.figures import NOTHING, tally

# A tenth of the interval, within these: an interval of seconds is for trying things out.
LOOK_LEAST_S: Final = 0.5
LOOK_MOST_S: Final = 15.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Window:
    """An interval under way. `measured`: what stands in the status, from which an operator that began anew goes on."""

    name: str
    started_at: datetime
    interval_s: float
    prometheus: Prometheus | None = None
    measured: RolloutFigures | None = None


@dataclass(slots=True)
class _Watch:
    """`sum`: what was counted in the interval, None: nobody has looked yet. `counters`: each pod's, as seen last."""

    window: Window
    task: asyncio.Task[None] | None = None
    is_readable: bool = True
    sum: RolloutFigures | None = None
    counters: dict[str, PodCounters] = field(default_factory=dict)
    looked_at: float | None = None


class FigureSampler:
    """`addresses`: IP by name of the API pods that are ready now. `mark` asks for a reconcile."""

    def __init__(
        self,
        reader: FigureReader,
        addresses: Callable[[ServiceKey], dict[str, str]],
        mark: Callable[[ServiceKey], None],
    ) -> None:
        self._reader = reader
        self._addresses = addresses
        self._mark = mark
        self._watches: dict[ServiceKey, _Watch] = {}

    def follow(self, key: ServiceKey, window: Window) -> RolloutFigures | None:
        """Figures of that interval as far as they are known; from here on they are kept. None: they cannot be had."""
        watch = self._watches.get(key)
        if watch is None or (watch.window.name, watch.window.prometheus) != (window.name, window.prometheus):
            self.forget(key)
            watch = self._watches[key] = _Watch(window, sum=window.measured)
            watch.task = asyncio.create_task(self._run(key, watch), name=f"figures {key}")
        return watch.sum if watch.is_readable else None

    def forget(self, key: ServiceKey) -> None:
        watch = self._watches.pop(key, None)
        if watch is not None and watch.task is not None:
            watch.task.cancel()

    async def close(self) -> None:
        tasks = [watch.task for watch in self._watches.values() if watch.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watches.clear()
        await self._reader.close()

    async def _run(self, key: ServiceKey, watch: _Watch) -> None:
        every_s = min(max(watch.window.interval_s / 10, LOOK_LEAST_S), LOOK_MOST_S)
        while True:
            try:
                await self._look(key, watch)
            except FiguresUnavailable as error:
                if watch.is_readable:
                    log.warning("figures of %s cannot be had, its rollout is held: %s", key, error)
                watch.is_readable = False
            except Exception:
                # The edge of the loop: one broken answer must not end the watch of this rollout.
                log.exception("look at the figures of %s failed", key)
                watch.is_readable = False
            else:
                watch.is_readable = True
            self._mark(key)
            await asyncio.sleep(every_s)

    async def _look(self, key: ServiceKey, watch: _Watch) -> None:
        window, now_s = watch.window, time.time()
        if window.prometheus is not None:
            age_s = (datetime.now(UTC) - window.started_at).total_seconds()
            watch.sum = await self._reader.read_prometheus(key, window.prometheus, age_s, now_s)
            return
        counters = await self._reader.read_pods(self._addresses(key))
        watch.sum = tally(watch.sum or NOTHING, watch.counters, counters, watch.looked_at)
        # A pod that did not answer this time goes on from where it was seen last.
        watch.counters |= counters
        watch.looked_at = now_s
