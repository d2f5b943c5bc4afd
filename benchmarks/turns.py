"""Compares two ways in which one server works, switched while it runs, in short turns under one load.

Two processes, and two minutes of a noisy machine, differ by more than what is measured. Each turn is compared with its
neighbour; the medians of these ratios come with their standard error.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.load import CONNECTIONS, load
from benchmarks.serving import read_run_s

TURNS: Final = 200
TURN_S: Final = 0.2
SETTLE_S: Final = 0.02
# Until each user was registered once.
WARM_UP_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """Calls a second, and the server's CPU time a call."""

    per_s: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """A median of ratios and its standard error, by the quartiles: some turns are disturbed."""

    median: float
    error: float

    @classmethod
    def of(cls, ones: Sequence[float], others: Sequence[float]) -> "Ratio":
        ratios = [one / other for one, other in zip(ones, others, strict=True)]
        low, median, high = statistics.quantiles(ratios, n=4)
        # Of normal figures a standard deviation is 1/1.35 of what lies between the quartiles, and a median's standard
        # error 1.25 times a mean's.
        return cls(median, 1.25 * (high - low) / 1.35 / len(ratios) ** 0.5)


async def take_turns(
    pid: int, call: Callable[[int], dict[str, object]], ways: Mapping[str, Callable[[], None]]
) -> dict[str, list[Turn]]:
    """The turns of each way, which its function switches to."""
    taken: dict[str, list[Turn]] = {name: [] for name in ways}
    called = 0

    def counted(number: int) -> dict[str, object]:
        nonlocal called
        called += 1
        return call(number)

    under_load = asyncio.create_task(load(counted, sys.maxsize, CONNECTIONS))
    await asyncio.sleep(WARM_UP_S)
    for turn in range(TURNS):
        for name in sorted(ways, reverse=bool(turn % 2)):
            ways[name]()
            await asyncio.sleep(SETTLE_S)
            before, cpu_s, started = called, read_run_s(pid), time.perf_counter()
            await asyncio.sleep(TURN_S)
            calls, used_s, seconds = called - before, read_run_s(pid) - cpu_s, time.perf_counter() - started
            taken[name].append(Turn(calls / seconds, used_s / calls * 1e6))
    under_load.cancel()
    await asyncio.gather(under_load, return_exceptions=True)
    return taken


def print_turns(taken: Mapping[str, Sequence[Turn]]) -> None:
    print(f"{CONNECTIONS} connections, {TURNS} turns of {TURN_S} s each way, one server")
    for name, turns in taken.items():
        per_s, cpu_us = (
            statistics.median(turn.per_s for turn in turns),
            statistics.median(turn.cpu_us for turn in turns),
        )
        print(f"{name:14}{per_s:8.0f} calls/s{cpu_us:8.1f} us CPU a call")
