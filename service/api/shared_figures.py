"""What is the whole service's, not this process's, as families for /metrics: made at each scrape of what Valkey told.

What is not known has no sample. Each API pod tells the same, so queries take one of them: `max by (…)`.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from contract import metrics as names
from contract.queues import CHORES, celery_name
from service.domain.figures import OLD_S, DriftFigures, Figures, QuotaUse
from service.domain.health import OK, Answer, choose_answers
from service.domain.tasks import CANCELLED, COMPLETED, FAILED
from service.families import build_counter, build_gauge
from service.store.figures import Scrape, ValkeyFigures
from service.tasks.declaring import TASKS

ENDINGS: Final = (COMPLETED, FAILED, CANCELLED)
CHORE_ENDINGS: Final = (COMPLETED, FAILED)

# Made here, at each scrape: no instrument of the process stands for them.
MADE_AT_SCRAPE: Final = frozenset(
    {
        names.DEPENDENCY_UP,
        names.DEPENDENCY_LATENCY,
        names.VALKEY_MEMORY_USED,
        names.VALKEY_MEMORY_MAX,
        names.VALKEY_CLIENTS,
        names.VALKEY_EVICTED,
        names.TASKS_STUCK,
        names.TASK_ENDS,
        names.CHORE_ENDS,
        names.TASK_LOSSES,
        names.QUEUE_OLDEST,
        names.REGISTRY_USERS,
        names.REGISTRY_SESSIONS,
        names.REGISTRY_ACTIVE_USERS,
        names.REGISTRY_COMPARED,
        names.REGISTRY_DRIFTED,
        names.REGISTRY_DRIFTS,
        names.QUOTA_USED,
        names.QUOTA_LIMIT,
        names.FIGURES_AGE,
        names.LISTENERS,
    }
)


class SharedFigures(Collector):
    """`valkey`: how it answered this scrape; `listeners`: this process's, by kind, empty where there are none."""

    def __init__(self, scrape: Scrape, valkey: Answer, listeners: Mapping[str, int]) -> None:
        self._scrape = scrape
        self._valkey = valkey
        self._listeners = listeners
        self._now = time.time()

    def collect(self) -> Iterator[Metric]:
        yield from _dependencies({**choose_answers(self._scrape.health, self._now), "redis": self._valkey})
        yield from _valkey(self._scrape.valkey)
        yield build_gauge(names.TASKS_STUCK, {(): self._scrape.stuck})
        yield from _task_counts(self._scrape.task_counts)
        yield build_gauge(names.QUEUE_OLDEST, {(queue,): age for queue, age in self._scrape.oldest_s.items()})
        yield build_gauge(names.LISTENERS, {(kind,): count for kind, count in self._listeners.items()})
        figures = self._scrape.figures
        age_s = None if figures is None else max(0.0, self._now - figures.counted_at)
        yield build_gauge(names.FIGURES_AGE, {(): age_s})
        if figures is not None and age_s is not None and age_s <= OLD_S:
            yield from _counted(figures)


def _dependencies(answers: Mapping[str, Answer]) -> Iterator[Metric]:
    yield build_gauge(names.DEPENDENCY_UP, {(name,): answer.status == OK for name, answer in answers.items()})
    latencies: dict[tuple[str, ...], float | None] = {
        (name,): None if answer.latency_ms is None else answer.latency_ms / 1000 for name, answer in answers.items()
    }
    yield build_gauge(names.DEPENDENCY_LATENCY, latencies)


def _valkey(figures: ValkeyFigures) -> Iterator[Metric]:
    yield build_gauge(names.VALKEY_MEMORY_USED, {(): figures.memory_used_bytes})
    yield build_gauge(names.VALKEY_MEMORY_MAX, {(): figures.memory_max_bytes})
    yield build_gauge(names.VALKEY_CLIENTS, {(): figures.clients})
    yield build_counter(names.VALKEY_EVICTED, {(): figures.evicted})


def _task_counts(counts: Mapping[tuple[str, str], int] | None) -> Iterator[Metric]:
    """Each type from 0 on: Prometheus sees no rise in a series that begins with its first event."""
    families = (
        (names.TASK_ENDS, TASKS, ENDINGS),
        (names.CHORE_ENDS, CHORES, CHORE_ENDINGS),
        (names.TASK_LOSSES, TASKS, names.LOSSES),
    )
    for name, kinds, words in families:
        told = {} if counts is None else {(kind, word): counts.get((kind, word), 0) for kind in kinds for word in words}
        yield build_counter(name, {(celery_name(kind), word): number for (kind, word), number in told.items()})


def _counted(figures: Figures) -> Iterator[Metric]:
    yield build_gauge(names.REGISTRY_USERS, {(registry,): count for registry, count in figures.users.items()})
    yield build_gauge(names.REGISTRY_SESSIONS, {(): figures.sessions})
    yield build_gauge(names.REGISTRY_ACTIVE_USERS, {(name,): count for name, count in figures.active_users.items()})
    yield from _drift(figures.drift)
    uses: dict[tuple[str, str], QuotaUse] = {
        (company, quota): use for quota, of_companies in figures.quotas.items() for company, use in of_companies.items()
    }
    yield build_gauge(names.QUOTA_USED, {labels: use.used for labels, use in uses.items()})
    yield build_gauge(names.QUOTA_LIMIT, {labels: use.limit for labels, use in uses.items()})


def _drift(drift: DriftFigures) -> Iterator[Metric]:
    yield build_gauge(names.REGISTRY_COMPARED, {(): drift.compared})
    yield build_gauge(names.REGISTRY_DRIFTED, {(): drift.drifted})
    yield build_gauge(names.REGISTRY_DRIFTS, {(kind,): count for kind, count in drift.kinds.items()})
