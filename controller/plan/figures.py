"""Counters of the API's pods made into figures of one interval: differences, restarts, sums. Reading them is I/O."""

from collections.abc import Mapping
from itertools import zip_longest

from controller.model.counters import PodCounters
from controller.model.rollout_status import CohortFigures, RolloutFigures

NOTHING = RolloutFigures()


def tally(
    so_far: RolloutFigures,
    before: Mapping[str, PodCounters],
    now: Mapping[str, PodCounters],
    looked_at: float | None,
) -> RolloutFigures:
    """`so_far` and what was counted since the last look (`before`, at `looked_at`), by pod.

    Of each pod in this order: a process seen before → what is more; one that started since the last look → all of it;
    else nothing: it began to count before anybody looked. `looked_at` None: this is the first look.
    Example: 100 calls before, the process restarted, 7 now → 7 more.
    """
    total = so_far
    for pod, counters in now.items():
        known = before.get(pod)
        if known is not None and known.started_at == counters.started_at:
            total = add(total, subtract(counters.counted, known.counted))
        elif looked_at is not None and counters.started_at > looked_at:
            total = add(total, counters.counted)
        elif known is not None:
            # The same pod, another process, and clocks that disagree: it has begun anew.
            total = add(total, counters.counted)
    return total


def add(left: RolloutFigures, right: RolloutFigures) -> RolloutFigures:
    return RolloutFigures(
        on=_add(left.on, right.on), off=_add(left.off, right.off), fallbacks=left.fallbacks + right.fallbacks
    )


def _add(left: CohortFigures, right: CohortFigures) -> CohortFigures:
    return CohortFigures(
        calls=left.calls + right.calls,
        errors=left.errors + right.errors,
        latency=tuple(a + b for a, b in zip_longest(left.latency, right.latency, fillvalue=0)),
    )


def subtract(now: RolloutFigures, before: RolloutFigures) -> RolloutFigures:
    """What is more. What fell all the same (a counter, or what Prometheus reckons) counts as none more."""
    return RolloutFigures(
        on=_subtract(now.on, before.on),
        off=_subtract(now.off, before.off),
        fallbacks=max(0, now.fallbacks - before.fallbacks),
    )


def _subtract(now: CohortFigures, before: CohortFigures) -> CohortFigures:
    return CohortFigures(
        calls=max(0, now.calls - before.calls),
        errors=max(0, now.errors - before.errors),
        latency=tuple(max(0, a - b) for a, b in zip_longest(now.latency, before.latency, fillvalue=0)),
    )
