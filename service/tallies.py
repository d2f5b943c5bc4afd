"""Figures that each call counts, in plain numbers that prometheus_client is handed at the scrape.

Its own counters take a lock each, and a call meets five of them: together some two percent of the call. These are for
the event loop alone, which needs no lock; a scrape in another thread may find a call that is half counted.
"""

from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from contract import metrics as names
from service.families import build_counter


class Tally(Collector):
    """A counter. Labels come in the order in which `contract.metrics` declares them."""

    def __init__(self, name: str, registry: CollectorRegistry = REGISTRY) -> None:
        self._name = name
        self._counts: Counts[tuple[str | int, ...]] = Counts()
        registry.register(self)

    def count(self, *labels: str | int) -> None:
        self._counts[labels] += 1

    def begin(self, *labels: str | int) -> None:
        """At 0 where it has not counted yet: Prometheus sees no rise in a series that begins with its first event."""
        self._counts[labels] += 0

    def clear(self) -> None:
        """Ends all its series."""
        self._counts.clear()

    def collect(self) -> Iterator[Metric]:
        counts = list(self._counts.items())
        yield build_counter(self._name, {tuple(map(str, labels)): count for labels, count in counts})


class CallTally(Collector):
    """RPC_REQUESTS and RPC_DURATION: one record by method, code and cohort holds both."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        # How many calls ended within each bound and within none, then the sum of their seconds.
        self._records: dict[tuple[str, str, str], list[float]] = {}
        registry.register(self)

    def count(self, method: str, code: str, cohort: str, seconds: float) -> None:
        record = self._records.get((method, code, cohort)) or self.begin(method, code, cohort)
        record[bisect_left(names.RPC_DURATION_BOUNDS_S, seconds)] += 1
        record[-1] += seconds

    def begin(self, method: str, code: str, cohort: str) -> list[float]:
        """The record, at 0 where there was none."""
        return self._records.setdefault((method, code, cohort), [0] * (len(names.RPC_DURATION_BOUNDS_S) + 2))

    def collect(self) -> Iterator[Metric]:
        records = {labels: list(record) for labels, record in list(self._records.items())}
        calls: dict[tuple[str, ...], float] = {labels: sum(record[:-1]) for labels, record in records.items()}
        yield build_counter(names.RPC_REQUESTS, calls)
        lasted: dict[tuple[str, str], list[float]] = {}
        for (method, code, cohort), record in records.items():
            if calls[method, code, cohort]:
                known = lasted.get((method, cohort), [0] * len(record))
                lasted[method, cohort] = [one + other for one, other in zip(known, record, strict=True)]
        name, meaning, labels = names.declare(names.RPC_DURATION)
        durations = HistogramMetricFamily(name, meaning, labels=labels)
        for of_call, (*counts, total_s) in lasted.items():
            durations.add_metric(of_call, _buckets(counts), total_s)
        yield durations


def _buckets(counts: Sequence[float]) -> list[tuple[str, float]]:
    """Prometheus' own: how many lasted no longer than each bound, the last of them `+Inf`."""
    bounds = [*map(floatToGoString, names.RPC_DURATION_BOUNDS_S), "+Inf"]
    return list(zip(bounds, accumulate(counts), strict=True))
