"""Metric families that are made at a scrape, with name, help and labels as `contract.metrics` declares them."""

from collections.abc import Mapping
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from contract import metrics as names

# A number by its labels, in the order of their declaration; None: it is not known, and has no sample.
Samples = Mapping[tuple[str, ...], float | None]
Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)


def build_gauge(name: str, samples: Samples) -> GaugeMetricFamily:
    name, meaning, labels = names.declare(name)
    return _fill(GaugeMetricFamily(name, meaning, labels=labels), samples)


def build_counter(name: str, samples: Samples) -> CounterMetricFamily:
    name, meaning, labels = names.declare(name)
    return _fill(CounterMetricFamily(name, meaning, labels=labels), samples)


def _fill(family: Family, samples: Samples) -> Family:
    for values, sample in sorted(samples.items()):
        if sample is not None:
            family.add_metric(values, float(sample))
    return family
