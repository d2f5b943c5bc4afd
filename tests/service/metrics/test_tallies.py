"""What the event loop counts in plain numbers stands in a scrape exactly as prometheus_client's own counters would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from contract import metrics as names
from service.tallies import CallTally, Tally

METHODS = st.sampled_from(["REGISTRY.register_user", "TASK.get_task_status"])
COHORTS = st.sampled_from(["on", "off", "none"])
# On the bounds, just beside them, and past the last.
SECONDS = st.one_of(st.sampled_from(names.RPC_DURATION_BOUNDS_S), st.floats(0, 300))
CALLS = st.lists(st.tuples(METHODS, st.sampled_from(["OK", "INTERNAL"]), COHORTS, SECONDS))


def samples(registry: CollectorRegistry) -> dict[str, float]:
    """Each line's number by what stands before it; without when each series began, which a tally does not tell."""
    lines = (line.rpartition(" ") for line in generate_latest(registry).decode().splitlines() if line[0] != "#")
    return {series: float(value) for series, _, value in lines if "_created" not in series}


@given(CALLS)
def test_calls_are_told_as_a_counter_and_a_histogram_tell_them(calls: list[tuple[str, str, str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = CallTally(ours)
    requests = Counter(*names.declare(names.RPC_REQUESTS), registry=theirs)
    durations = Histogram(*names.declare(names.RPC_DURATION), buckets=names.RPC_DURATION_BOUNDS_S, registry=theirs)
    for method, code, cohort, seconds in calls:
        tally.count(method, code, cohort, seconds)
        requests.labels(method, code, cohort).inc()
        durations.labels(method, cohort).observe(seconds)
    assert samples(ours) == pytest.approx(samples(theirs))


def test_a_tally_begins_at_0_and_ends() -> None:
    registry = CollectorRegistry()
    tally = Tally(names.FLAG_DECISIONS, registry)
    tally.begin("on", 7)
    assert registry.get_sample_value(names.FLAG_DECISIONS, {"cohort": "on", "revision": "7"}) == 0
    tally.count("on", 7)
    tally.begin("on", 7)
    assert registry.get_sample_value(names.FLAG_DECISIONS, {"cohort": "on", "revision": "7"}) == 1
    tally.clear()
    assert registry.get_sample_value(names.FLAG_DECISIONS, {"cohort": "on", "revision": "7"}) is None
