"""A worker's figures under celery-exporter's names, counted in its parent process, which sees each task come and go.

Failed is what ended as failed for its user: to Celery such a task has succeeded, for its failure was written down.
A process that died at a task counts as retried. A queue whose length cannot be read is left out, never 0.
"""

from collections.abc import Iterator
from typing import Any, Final

import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contract import metrics as names
from service.domain.tasks import CANCELLED, FAILED
from service.settings import Settings
from service.worker.plain_client import connect_plainly

log = structlog.get_logger("pinnokio.worker")

# From a no-op to the longest limit.
_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
# kombu keeps a list a priority: the plain name, and these suffixes.
_PRIORITIES: Final = ("", "\x06\x163", "\x06\x166", "\x06\x169")


class WorkerMetrics:
    """One per worker; `hostname` is the worker's name in Celery."""

    def __init__(self, settings: Settings, hostname: str) -> None:
        self._settings = settings
        self._hostname = hostname
        self.registry = CollectorRegistry()
        self._started = Counter(*names.declare(names.CELERY_TASK_STARTED), registry=self.registry)
        self._succeeded = Counter(*names.declare(names.CELERY_TASK_SUCCEEDED), registry=self.registry)
        self._failed = Counter(*names.declare(names.CELERY_TASK_FAILED), registry=self.registry)
        self._retried = Counter(*names.declare(names.CELERY_TASK_RETRIED), registry=self.registry)
        self._runtime = Histogram(*names.declare(names.CELERY_TASK_RUNTIME), buckets=_BUCKETS_S, registry=self.registry)
        up = Gauge(*names.declare(names.CELERY_WORKER_UP), registry=self.registry)
        up.labels(hostname).set(1)
        self.registry.register(QueueLengths(settings))

    def serve(self) -> None:
        """Answers scrapes from a thread. A port that is taken (two workers on one machine) costs the figures alone."""
        port = self._settings.worker_metrics_port
        if not port:
            return
        try:
            start_http_server(port, registry=self.registry)
        except OSError as fault:
            log.warning("worker_metrics_not_served", port=port, error=repr(fault))

    def started(self, name: str, queue: str) -> None:
        self._started.labels(name, self._hostname, queue).inc()

    def ended(self, name: str, queue: str, status: str | None, runtime_s: float) -> None:
        """`status`: how the task ended; None: a chore, or a message without effect."""
        self._runtime.labels(name, self._hostname, queue).observe(runtime_s)
        if status == FAILED:
            self.failed(name, queue)
        elif status != CANCELLED:
            self._succeeded.labels(name, self._hostname, queue).inc()

    def failed(self, name: str, queue: str) -> None:
        self._failed.labels(name, self._hostname, queue).inc()

    def died(self, name: str, queue: str) -> None:
        self._retried.labels(name, self._hostname, queue).inc()


class QueueLengths(Collector):
    """What waits in this worker's queues, read at each scrape."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Without this, registering would read Valkey."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = self._family()
        try:
            with connect_plainly(self._settings) as valkey:
                for queue in self._settings.celery_queues:
                    family.add_metric([queue], self._read(valkey, queue))
        except (redis.RedisError, OSError) as fault:
            log.warning("queue_length_unknown", error=repr(fault))
        yield family

    def _read(self, valkey: redis.Redis, queue: str) -> int:
        key = f"{self._settings.celery_key_prefix}{queue}"
        lengths: list[Any] = [valkey.llen(key + suffix) for suffix in _PRIORITIES]
        return sum(lengths)

    def _family(self) -> GaugeMetricFamily:
        name, meaning, labels = names.declare(names.CELERY_QUEUE_LENGTH)
        return GaugeMetricFamily(name, meaning, labels=labels)
