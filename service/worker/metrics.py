"""A worker's figures under celery-exporter's names, counted in its parent process, which sees each task come and go.

Failed is what ended as failed for its user: to Celery such a task has succeeded, for its failure was written down.
A process that died at a task counts as retried. A queue whose length cannot be read is left out, never 0.
What a child alone knows it tells with its answer (`service.worker.report`).
"""

from collections import Counter as Counts
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import redis
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contract import keys
from contract import metrics as names
from service.domain.conversation import LlmUse
from service.domain.tasks import CANCELLED, FAILED
from service.families import build_gauge
from service.settings import Settings
from service.tasks.declaring import TaskFailure
from service.worker.forking import no_fork_meanwhile
from service.worker.plain_client import connect_plainly
from service.worker.report import RunReport

log = structlog.get_logger("pinnokio.worker")

# From a no-op to the longest limit.
_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0)
# From a free worker to a queue that nobody serves.
_WAITING_BUCKETS_S: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
_FIRST_TOKEN_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)

# Names and queues of the tasks that run now.
Running = Callable[[], list[tuple[str, str]]]


class WorkerMetrics:
    """One per worker; `hostname` is the worker's name in Celery, `running` is asked at each scrape."""

    def __init__(self, settings: Settings, hostname: str, running: Running = list) -> None:
        self._settings = settings
        self._hostname = hostname
        self.registry = CollectorRegistry()
        self._started = self._counter(names.CELERY_TASK_STARTED)
        self._succeeded = self._counter(names.CELERY_TASK_SUCCEEDED)
        self._failed = self._counter(names.CELERY_TASK_FAILED)
        self._revoked = self._counter(names.CELERY_TASK_REVOKED)
        self._rejected = self._counter(names.CELERY_TASK_REJECTED)
        self._retried = self._counter(names.CELERY_TASK_RETRIED)
        self._redeliveries = self._counter(names.TASK_REDELIVERIES)
        self._runtime = self._histogram(names.CELERY_TASK_RUNTIME, _BUCKETS_S)
        self._waiting = self._histogram(names.TASK_WAITING, _WAITING_BUCKETS_S)
        self._llm = LlmMetrics(settings, self.registry)
        up = Gauge(*names.declare(names.CELERY_WORKER_UP), registry=self.registry)
        up.labels(hostname).set(1)
        self.registry.register(RunningTasks(hostname, running))
        self.registry.register(QueueLengths(settings))

    # Finding a series by its labels takes longer than counting: each is found once.

    def _counter(self, name: str) -> Callable[..., Counter]:
        return cache(Counter(*names.declare(name), registry=self.registry).labels)

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Callable[..., Histogram]:
        return cache(Histogram(*names.declare(name), buckets=buckets, registry=self.registry).labels)

    def serve(self) -> None:
        """Answers scrapes from a thread. A port that is taken (two workers on one machine) costs the figures alone."""
        port = self._settings.worker_metrics_port
        if not port:
            return
        try:
            start_http_server(port, registry=self.registry)
        except OSError as fault:
            log.warning("worker_metrics_not_served", port=port, error=repr(fault))

    def expect(self, name: str, queue: str) -> None:
        """Begins a type's counters at 0: Prometheus sees no rise in a series that begins with its first event."""
        for counter in (self._started, self._succeeded, self._revoked, self._rejected, self._retried):
            counter(name, self._hostname, queue)
        self._failed(name, self._hostname, queue, TaskFailure.__name__)
        for effect in (names.RUN_AGAIN, names.WITHOUT_EFFECT):
            self._redeliveries(name, queue, effect)

    def started(self, name: str, queue: str, waited_s: float | None) -> None:
        """`waited_s` None: not known, or not the first time that the message was handed out."""
        self._started(name, self._hostname, queue).inc()
        if waited_s is not None:
            # Clocks of two machines: a message from the future did not wait.
            self._waiting(name, queue).observe(max(0.0, waited_s))

    def ended(self, name: str, queue: str, report: RunReport | None, runtime_s: float) -> None:
        """`report`: what the child told of its run; None: a chore."""
        self._runtime(name, self._hostname, queue).observe(runtime_s)
        if report is None or report.status not in (FAILED, CANCELLED):
            self._succeeded(name, self._hostname, queue).inc()
        elif report.status == FAILED:
            self.failed(name, queue, report.exception or "")
        else:
            self.revoked(name, queue)
        if report is None:
            return
        if report.status is None:
            self._redeliveries(name, queue, names.WITHOUT_EFFECT).inc()
        elif report.attempt > 1:
            self._redeliveries(name, queue, names.RUN_AGAIN).inc()
        if report.llm is not None:
            self._llm.count(report.llm)

    def failed(self, name: str, queue: str, exception: str) -> None:
        self._failed(name, self._hostname, queue, exception).inc()

    def revoked(self, name: str, queue: str) -> None:
        self._revoked(name, self._hostname, queue).inc()

    def rejected(self, name: str, queue: str) -> None:
        self._rejected(name, self._hostname, queue).inc()

    def died(self, name: str, queue: str) -> None:
        self._retried(name, self._hostname, queue).inc()


class LlmMetrics:
    """Tokens, what they cost, and how soon the first came, by model; models are callers' words, so they are few."""

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        self._prices = settings.llm_prices
        self._tokens = Counter(*names.declare(names.LLM_TOKENS), registry=registry)
        self._cost = Counter(*names.declare(names.LLM_COST), registry=registry)
        self._first_token = Histogram(
            *names.declare(names.LLM_FIRST_TOKEN), buckets=_FIRST_TOKEN_BUCKETS_S, registry=registry
        )
        # One that has a price is always told apart.
        self._models = set(self._prices)
        self._most = len(self._models) + names.MODELS_NAMED

    def count(self, use: LlmUse) -> None:
        if len(self._models) < self._most:
            self._models.add(use.model)
        model = use.model if use.model in self._models else names.OTHER
        self._tokens.labels(model, names.PROMPT).inc(use.prompt_tokens)
        self._tokens.labels(model, names.COMPLETION).inc(use.completion_tokens)
        if use.first_token_s is not None:
            self._first_token.labels(model).observe(use.first_token_s)
        price = self._prices.get(model)
        if price is not None:
            self._cost.labels(model).inc(price.of(use.prompt_tokens, use.completion_tokens))


class RunningTasks(Collector):
    """What runs in this worker now, counted at each scrape, so that no task pays for it."""

    def __init__(self, hostname: str, running: Running) -> None:
        self._hostname = hostname
        self._running = running

    def collect(self) -> Iterator[GaugeMetricFamily]:
        running = self._running()
        yield build_gauge(names.CELERY_WORKER_TASKS_ACTIVE, {(self._hostname,): len(running)})
        yield build_gauge(names.TASKS_RUNNING, Counts(running))


class QueueLengths(Collector):
    """What waits in this worker's queues, read at each scrape."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Without this, registering would read Valkey."""
        yield build_gauge(names.CELERY_QUEUE_LENGTH, {})

    def collect(self) -> Iterator[GaugeMetricFamily]:
        lengths: dict[tuple[str, ...], int] = {}
        try:
            with no_fork_meanwhile(), connect_plainly(self._settings) as valkey:
                for queue in self._settings.celery_queues:
                    lengths[queue,] = self._read(valkey, queue)
        except (redis.RedisError, OSError) as fault:
            log.warning("queue_length_unknown", error=repr(fault))
        yield build_gauge(names.CELERY_QUEUE_LENGTH, lengths)

    def _read(self, valkey: redis.Redis, queue: str) -> int:
        prefix = self._settings.celery_key_prefix
        lengths: list[Any] = [valkey.llen(prefix + name) for name in keys.backlog_lists(queue)]
        return sum(lengths)
