"""Scaling by queue: looks at the queues of each PinnokioService, keeps what was decided, and asks for a reconcile
when a decision changes. The reconcile writes the number; nothing here writes to the API server but deletion costs.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from contract import queues
from contract.kubernetes import ANNOTATION_DELETION_COST
from controller.cluster.apply import Applier
from controller.cluster.queues import QueueFigures, QueueReader
from controller.cluster.store import Store
from controller.cluster.valkey import Endpoint
from controller.handlers.metrics import OperatorMetrics
from controller.manifests.target import WORKER, Workers
from controller.model.errors import ValkeyUnavailable
from controller.model.kinds import DEPLOYMENT
from controller.model.observed import Observed, ObservedObject, ref_of
from controller.model.service import PinnokioService, ServiceKey
from controller.model.spec import QUEUE_NAME, QUEUE_NAME_MAX, PinnokioServiceSpec, QueueSpec
from controller.plan.children import ChildrenPlan
from controller.plan.scaling import (
    Pause,
    QueueView,
    Reading,
    plan_deletion_costs,
    plan_farewell,
    plan_recent,
    plan_replicas,
    read_pause,
)

LOOK_EVERY_S: Final = 2.0
# Where no worker runs, a task's start waits for the next look.
LOOK_EVERY_ASLEEP_S: Final = 0.25
# Figures that stayed other than told for this long are told: a blink of the maintenance queue is no news.
TELL_AFTER_S: Final = 10.0
# A queue that sleeps is woken by one worker; the others follow when it is heard of, or after this long.
WAKE_ALONE_S: Final = 2.0
# Until a task that ended is in no heartbeat any more: the one that tells of it is as old as this when the next comes.
RECENT_FOR_S: Final = 4.0
# A queue that left the spec must be empty for this long: API processes learn a new route within seconds.
RETIRE_AFTER_S: Final = 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Context:
    """What a service's spec and objects say, as of its last reconcile."""

    endpoint: Endpoint | None
    prefix: str
    queues: Mapping[str, QueueSpec]
    former: tuple[str, ...]
    deployed: frozenset[str]
    pause: Pause
    paused: bool


@dataclass(slots=True)
class _Watch:
    """One service.

    `current`: numbers decided; `lately`: when each number was wanted last; `woken_at_s`: when a queue got its first
    worker; `views`: seen last; `told`: what the status tells; `fault`: why Valkey could not be read last. Of queues
    that are not in the spec: `last_work_s`, when each that is served was last seen with work; `orphans`, those of them
    that were found with messages and no workers; `retired`, those that ended.
    """

    context: _Context
    current: dict[str, int] = field(default_factory=dict)
    lately: dict[str, dict[int, float]] = field(default_factory=dict)
    woken_at_s: dict[str, float] = field(default_factory=dict)
    views: dict[str, QueueView] = field(default_factory=dict)
    told: dict[str, QueueView] = field(default_factory=dict)
    news_since_s: float | None = None
    figures: dict[str, QueueFigures] = field(default_factory=dict)
    last_work_s: dict[str, float] = field(default_factory=dict)
    orphans: set[str] = field(default_factory=set)
    retired: set[str] = field(default_factory=set)
    fault: str | None = None
    task: asyncio.Task[None] | None = None


class Scaler:
    """`mark` asks for a reconcile."""

    def __init__(
        self,
        reader: QueueReader,
        store: Store,
        mark: Callable[[ServiceKey], None],
        metrics: OperatorMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._metrics = metrics
        self._store = store
        self._mark = mark
        self._clock = clock
        self._watches: dict[ServiceKey, _Watch] = {}

    def follow(
        self,
        service: PinnokioService,
        spec: PinnokioServiceSpec,
        endpoint: Endpoint | None,
        observed: Observed,
        *,
        is_guest: bool = False,
    ) -> Workers:
        """What is to run for the queues now; from here on the service is looked at by itself. `is_guest`: its Valkey is
        another's, whose tasks it must not take: no worker is started. Those that run stay: an owner whose operator was
        away may find itself a guest, and goes on serving.
        """
        by_name = {queue.name: queue for queue in spec.queues}
        deployed = _find_deployed(observed)
        context = _Context(
            endpoint=None if is_guest else endpoint,
            prefix=spec.celery_key_prefix,
            queues=by_name,
            former=tuple(sorted({*queues.QUEUES, *deployed, *_told(service)} - by_name.keys())),
            deployed=frozenset(deployed),
            pause=read_pause(service.scaling_pause),
            paused=service.paused,
        )
        watch = self._watches.get(service.key)
        if watch is None:
            watch = self._watches[service.key] = _Watch(context)
            watch.task = asyncio.create_task(self._run(service.key, watch), name=f"scale {service.key}")
        watch.context = context
        for name, queue in by_name.items():
            held = watch.current.get(name, deployed.get(name, queue.min_replicas))
            watch.current[name] = plan_replicas(queue, None, held, (), context.pause).desired
        watch.current = {name: watch.current[name] for name in by_name}
        watch.lately = {name: each for name, each in watch.lately.items() if name in by_name}
        watch.woken_at_s = {name: at_s for name, at_s in watch.woken_at_s.items() if name in by_name}
        former = deployed.keys() - by_name.keys()
        watch.retired &= former
        for name in former - watch.retired:
            if deployed[name]:
                watch.last_work_s.setdefault(name, self._clock())
        served = watch.last_work_s.keys() - by_name.keys()
        watch.last_work_s = {name: watch.last_work_s[name] for name in served}
        kept = frozenset(name for name in served if deployed.get(name))
        replicas = {name: 0 if is_guest and not deployed.get(name) else each for name, each in watch.current.items()}
        return Workers(replicas, kept, adopted=tuple(sorted(served - kept)))

    def views(self, key: ServiceKey) -> dict[str, QueueView]:
        """What the status is to tell of the queues."""
        watch = self._watches.get(key)
        return watch.told if watch else {}

    def fault(self, key: ServiceKey) -> str | None:
        """Why Valkey cannot be read, for as long as the status tells so; None: it can be, or there is none yet."""
        watch = self._watches.get(key)
        is_told = watch is not None and any(view.reading is None for view in watch.told.values())
        return watch.fault if watch is not None and is_told else None

    def live_views(self) -> Iterator[tuple[ServiceKey, str, QueueView]]:
        """What was seen last, for metrics; nothing of a paused service, whose queues nobody looks at."""
        for key, watch in self._watches.items():
            if not watch.context.paused:
                for queue, view in watch.views.items():
                    yield key, queue, view

    async def prepare_removal(self, applier: Applier, key: ServiceKey, plan: ChildrenPlan, observed: Observed) -> None:
        """Tells Kubernetes, before a Deployment of workers shrinks, which of its pods have something to do."""
        watch = self._watches.get(key)
        for change in plan.changes:
            seen = observed.objects.get(change.ref)
            if watch is None or seen is None or seen.queue is None or change.ref.kind is not DEPLOYMENT:
                continue
            if change.manifest["spec"]["replicas"] < seen.document["spec"].get("replicas", 1):
                figures = watch.figures.get(seen.queue)
                if figures is None:
                    # Not known, which is not 0: what was said last stands.
                    continue
                costs = plan_deletion_costs(figures.active, self._read_costs(key, seen.queue))
                await asyncio.gather(*(applier.price_pod(key, pod, cost) for pod, cost in costs.items()))

    def forget(self, key: ServiceKey) -> None:
        self._metrics.forget(key)
        watch = self._watches.pop(key, None)
        if watch is not None and watch.task is not None:
            watch.task.cancel()
        self._reader.forget(key)

    async def close(self) -> None:
        tasks = [watch.task for watch in self._watches.values() if watch.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._watches.clear()
        self._reader.close()

    async def _run(self, key: ServiceKey, watch: _Watch) -> None:
        while True:
            try:
                await self._look(key, watch)
            except Exception:
                # The edge of the loop: one broken service must not stop its own scaling for ever.
                log.exception("look at the queues of %s failed", key)
            asleep = bool(watch.woken_at_s) or not all(watch.current.values())
            await asyncio.sleep(LOOK_EVERY_ASLEEP_S if asleep else LOOK_EVERY_S)

    async def _look(self, key: ServiceKey, watch: _Watch) -> None:
        """One look: read, decide for each queue, ask for a reconcile where that changes what is to run or be told."""
        context = watch.context
        if context.paused:
            return
        figures = await self._read(key, context, watch)
        if watch.context != context:
            # The spec changed meanwhile: the next look decides by it.
            return
        now = self._clock()
        watch.figures = figures or {}
        going = {pod.ref.name for pod in self._workers(key) if pod.going}
        before = _to_run(watch)
        readings = {name: _reading(each, going) for name, each in (figures or {}).items()}
        watch.views = {
            name: self._decide(watch, queue, readings.get(name), now) for name, queue in context.queues.items()
        }
        self._judge_former(watch, self._former(watch), readings, now)
        is_back = figures is not None and any(view.reading is None for view in watch.told.values())
        if _to_run(watch) != before:
            for name in [name for name in watch.current if watch.current[name] != before[0].get(name)]:
                view = watch.views[name]
                log.info("queue %s of %s: %s, %s", name, key, view.decision.reason, view.decision.message)
                self._metrics.count_decision(key, name, view.decision.reason)
            self._tell(key, watch)
        elif is_back:
            self._tell(key, watch)
        elif watch.views == watch.told:
            watch.news_since_s = None
        elif watch.news_since_s is None:
            watch.news_since_s = now
        if watch.news_since_s is not None and now - watch.news_since_s >= TELL_AFTER_S:
            self._tell(key, watch)

    def _tell(self, key: ServiceKey, watch: _Watch) -> None:
        watch.told, watch.news_since_s = dict(watch.views), None
        self._mark(key)

    async def _read(self, key: ServiceKey, context: _Context, watch: _Watch) -> dict[str, QueueFigures] | None:
        """None: it cannot be read now."""
        if context.endpoint is None:
            watch.fault = None
            return None
        names = [*context.queues, *sorted(self._former(watch))]
        try:
            figures = await self._reader.read(key, context.endpoint, context.prefix, names)
        except ValkeyUnavailable as error:
            if watch.fault is None:
                log.warning("queues not read, their workers are held: %s", error)
            watch.fault = str(error)
            return None
        else:
            watch.fault = None
            return figures

    def _former(self, watch: _Watch) -> set[str]:
        """Queues that the spec does not have and that may hold something: usual ones, earlier ones, handed out ones."""
        names = {*watch.context.former, *watch.last_work_s, *watch.figures} - watch.context.queues.keys()
        return {name for name in names if _is_name(name)}

    def _decide(self, watch: _Watch, queue: QueueSpec, reading: Reading | None, now: float) -> QueueView:
        """Keeps what is wanted for the cooldown. What was held while nothing could be read counts as wanted then."""
        current = watch.current.get(queue.name, queue.min_replicas)
        lately = watch.lately.setdefault(queue.name, {current: now})
        if reading is not None:
            recent = plan_recent(queue, reading)
            lately[recent] = max(lately.get(recent, -math.inf), now - RECENT_FOR_S)
        for wanted in [each for each, at_s in lately.items() if now - at_s >= queue.scaling.cooldown_seconds]:
            del lately[wanted]
        is_waking = self._is_waking(watch, queue.name, current, reading, now)
        decision = plan_replicas(queue, reading, current, lately, watch.context.pause, is_waking=is_waking)
        lately[decision.desired if decision.wanted is None else decision.wanted] = now
        if not current and decision.desired:
            watch.woken_at_s[queue.name] = now
        watch.current[queue.name] = decision.desired
        return QueueView(reading, decision)

    def _is_waking(self, watch: _Watch, queue: str, current: int, reading: Reading | None, now: float) -> bool:
        is_heard = reading is not None and reading.active is not None
        if current and (is_heard or now - watch.woken_at_s.get(queue, -math.inf) >= WAKE_ALONE_S):
            watch.woken_at_s.pop(queue, None)
        return not is_heard and (not current or queue in watch.woken_at_s)

    def _judge_former(self, watch: _Watch, names: Iterable[str], readings: Mapping[str, Reading], now: float) -> None:
        """Queues that are no longer in the spec are served until they were seen empty for a while."""
        for name in names:
            reading = readings.get(name)
            if reading is None:
                # Not known: what is served goes on being served.
                watch.last_work_s.update({name: now} if name in watch.last_work_s else {})
            elif not reading.is_empty:
                if name not in watch.last_work_s and name not in watch.context.deployed:
                    watch.orphans.add(name)
                watch.last_work_s[name] = now
                watch.retired.discard(name)
            elif name in watch.last_work_s and now - watch.last_work_s[name] >= RETIRE_AFTER_S:
                del watch.last_work_s[name]
                watch.orphans.discard(name)
                watch.retired.add(name)
            if name in watch.last_work_s:
                watch.views[name] = QueueView(reading, plan_farewell(reading, is_orphan=name in watch.orphans))

    def _workers(self, key: ServiceKey) -> Iterator[ObservedObject]:
        for document in self._store.pods(key):
            pod = ObservedObject(ref_of(document), document)
            if pod.component == WORKER:
                yield pod

    def _read_costs(self, key: ServiceKey, queue: str) -> dict[str, str | None]:
        return {
            pod.ref.name: (pod.document["metadata"].get("annotations") or {}).get(ANNOTATION_DELETION_COST)
            for pod in self._workers(key)
            if pod.queue == queue and not pod.going
        }


def _to_run(watch: _Watch) -> tuple[dict[str, int], set[str]]:
    return dict(watch.current), set(watch.last_work_s)


def _told(service: PinnokioService) -> set[str]:
    """Queues that the status tells of: they were in the spec, or served, a while ago."""
    return {queue.name for queue in service.status.queues} if service.status else set()


def _reading(figures: QueueFigures, going: set[str]) -> Reading:
    leaving = sum(active for worker, active in figures.active.items() if worker in going)
    recent = sum(peak for worker, peak in figures.peaks.items() if worker not in going)
    active = sum(figures.active.values()) if figures.active else None
    return Reading(figures.waiting, active, figures.unacked, leaving, recent)


def _find_deployed(observed: Observed) -> dict[str, int]:
    """Replicas by queue of the Deployments of workers."""
    return {
        seen.queue: seen.document["spec"].get("replicas", 1)
        for seen in observed.objects.values()
        if seen.ref.kind is DEPLOYMENT and seen.queue is not None and not seen.going
    }


def _is_name(name: str) -> bool:
    return len(name) <= QUEUE_NAME_MAX and re.fullmatch(QUEUE_NAME, name) is not None
