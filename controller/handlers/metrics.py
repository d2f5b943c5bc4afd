"""The operator's own /metrics: reconciles, what it asks the API server, services, and each queue as decided last."""

import logging
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from contract import metrics as names
from controller.manifests.target import API
from controller.model.errors import (
    ApiConflict,
    ApiExpired,
    ApiNotFound,
    ApiRefused,
    ApiUnavailable,
    ValkeyUnavailable,
)
from controller.model.service import ServiceKey
from controller.model.status import Status
from controller.plan.scaling import QueueView

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_RECONCILE_ERRORS: Final = (ApiConflict, ApiExpired, ApiNotFound, ApiRefused, ApiUnavailable, ValkeyUnavailable)
log = logging.getLogger(__name__)

Views = Callable[[], Iterable[tuple[ServiceKey, str, QueueView]]]
# None: nothing was told yet.
Statuses = Callable[[], Iterable[tuple[ServiceKey, Status | None]]]


class OperatorMetrics:
    """Counters for whoever counts; `queues` is asked at each scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciles = Counter(*names.declare(names.OPERATOR_RECONCILES), registry=self.registry)
        # From the start, so that it is seen that none is done.
        for result in ("done", "failed", "conflict"):
            self.reconciles.labels(result)
        self.duration = Histogram(*names.declare(names.OPERATOR_RECONCILE_DURATION), registry=self.registry)
        self.decisions = Counter(*names.declare(names.OPERATOR_DECISIONS), registry=self.registry)
        self.errors = Counter(*names.declare(names.OPERATOR_ERRORS), registry=self.registry)
        for kind in _RECONCILE_ERRORS:
            # At 0 from the start: Prometheus sees no rise in a series that begins with its first event.
            self.errors.labels(kind.__name__)
        self.requests = Counter(*names.declare(names.OPERATOR_API_REQUESTS), registry=self.registry)
        self.leader = Gauge(*names.declare(names.OPERATOR_LEADER), registry=self.registry)
        self.tell_nothing()
        self.registry.register(_QueueCollector(lambda: self.queues()))
        self.registry.register(_ServiceCollector(lambda: self.statuses()))
        self.registry.register(_FlagCollector(lambda: self.statuses()))

    def tell_nothing(self) -> None:
        """Who stands by tells of no service: another one acts."""
        self.queues: Views = tuple
        self.statuses: Statuses = tuple

    def count_reconcile(self, result: str, duration_s: float) -> None:
        self.reconciles.labels(result).inc()
        self.duration.observe(duration_s)

    def count_error(self, error: str) -> None:
        self.errors.labels(error).inc()

    def count_request(self, verb: str, resource: str, status: int) -> None:
        self.requests.labels(verb, resource, str(status)).inc()

    def count_decision(self, key: ServiceKey, queue: str, reason: str) -> None:
        self.decisions.labels(key.namespace, key.name, queue, reason).inc()

    def forget(self, key: ServiceKey) -> None:
        """Its series would stay as long as this process does."""
        self.decisions.remove_by_labels({"namespace": key.namespace, "service": key.name})


class _ServiceCollector(Collector):
    """PinnokioServices by what was told of each last."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        number = _gauge(names.OPERATOR_SERVICES)
        of_each = _gauge(names.OPERATOR_SERVICE_PHASE)
        ready = _gauge(names.OPERATOR_API_READY)
        desired = _gauge(names.OPERATOR_API_DESIRED)
        numbers: Counts[str] = Counts()
        for key, status in self._statuses():
            names_of = (key.namespace, key.name)
            phase: str = "Pending" if status is None else status.phase
            numbers[phase] += 1
            of_each.add_metric((*names_of, phase), 1)
            for component in () if status is None else status.components:
                if component.name == API:
                    ready.add_metric(names_of, component.ready)
                    desired.add_metric(names_of, component.desired)
        for phase, count in sorted(numbers.items()):
            number.add_metric((phase,), count)
        yield from (number, of_each, ready, desired)


class _FlagCollector(Collector):
    """The flag and its rollout as told last. What is not known has no sample."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        percent = _gauge(names.OPERATOR_FLAG_PERCENT)
        acknowledged = _gauge(names.OPERATOR_FLAG_ACKNOWLEDGED)
        step = _gauge(names.OPERATOR_ROLLOUT_STEP)
        phase = _gauge(names.OPERATOR_ROLLOUT_PHASE)
        for key, status in self._statuses():
            flag, rollout = (None, None) if status is None else (status.flag, status.rollout)
            if flag is None or rollout is None:
                continue
            names_of = (key.namespace, key.name)
            if rollout.percent is not None:
                percent.add_metric(names_of, rollout.percent)
            if flag.acknowledged is not None:
                acknowledged.add_metric(names_of, flag.acknowledged)
            step.add_metric(names_of, rollout.step)
            phase.add_metric((*names_of, rollout.phase.value), 1)
        yield from (percent, acknowledged, step, phase)


class _QueueCollector(Collector):
    """What is not known has no sample: it is not 0."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def collect(self) -> Iterator[Metric]:
        waiting = _gauge(names.OPERATOR_QUEUE_WAITING)
        in_flight = _gauge(names.OPERATOR_QUEUE_IN_FLIGHT)
        unacked = _gauge(names.OPERATOR_QUEUE_UNACKED)
        desired = _gauge(names.OPERATOR_QUEUE_DESIRED)
        readable = _gauge(names.OPERATOR_QUEUE_READABLE)
        for key, queue, view in self._views():
            labels = (key.namespace, key.name, queue)
            desired.add_metric(labels, view.decision.desired)
            readable.add_metric(labels, float(view.reading is not None))
            if view.reading is None:
                continue
            waiting.add_metric(labels, view.reading.waiting)
            unacked.add_metric(labels, view.reading.unacked)
            if view.reading.active is not None:
                in_flight.add_metric(labels, view.reading.active)
        yield from (waiting, in_flight, unacked, desired, readable)


def _gauge(name: str) -> GaugeMetricFamily:
    name, meaning, labels = names.declare(name)
    return GaugeMetricFamily(name, meaning, labels=labels)


async def serve_metrics(metrics: OperatorMetrics, port: int) -> web.AppRunner:
    """Answers GET /metrics until the runner is cleaned up. A port that is taken is said, and no reason to stop."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "0.0.0.0", port).start()
    except OSError as error:
        log.error("no metrics: port %d cannot be had: %s", port, error)
    return runner
