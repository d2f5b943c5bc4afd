"""Methods that carry a monthly series on: plain means, last year's month, and exponential smoothing.

Smoothing as in Hyndman and Athanasopoulos, Forecasting: Principles and Practice (3rd ed., chapter 8): Holt's with a
damped trend, and Holt-Winters with an additive season of twelve months. Additive, since an account's month may be zero
or negative. Weights are those of a small grid with the least squared error one month ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Final

SEASON: Final = 12
_RECENT: Final = 6
# Trends of an account do not go on for ever: each month ahead adds a tenth less.
_DAMPING: Final = 0.9
_LEVEL: Final = (0.1, 0.3, 0.6)
_TREND: Final = (0.0, 0.1)
_SEASONAL: Final = (0.1, 0.3)

Weights = tuple[float, ...]


@dataclass(frozen=True)
class Method:
    """`fewest`: months of history that it needs. `words`: what it does, for a sentence that says why."""

    name: str
    words: str
    fewest: int
    fit: Callable[[Sequence[float]], Weights]
    carry_on: Callable[[Sequence[float], int, Weights], list[float]]


def _mean(history: Sequence[float], horizon: int, _: Weights) -> list[float]:
    return [fmean(history[-_RECENT:])] * horizon


def _same_month(history: Sequence[float], horizon: int, _: Weights) -> list[float]:
    return [history[len(history) - SEASON + step % SEASON] for step in range(horizon)]


def _same_month_moved(history: Sequence[float], horizon: int, _: Weights) -> list[float]:
    drift = fmean(history[-SEASON:]) - fmean(history[-2 * SEASON : -SEASON])
    return [history[len(history) - SEASON + step % SEASON] + drift * (1 + step // SEASON) for step in range(horizon)]


def _damped(history: Sequence[float], horizon: int, weights: Weights) -> list[float]:
    level, trend, _ = _run_damped(history, weights)
    return [level + trend * _sum_damped(step) for step in range(1, horizon + 1)]


def _run_damped(history: Sequence[float], weights: Weights) -> tuple[float, float, float]:
    """Level, trend and the sum of squared errors one month ahead."""
    alpha, beta = weights
    level, trend, squared = history[0], 0.0, 0.0
    for value in history[1:]:
        expected = level + _DAMPING * trend
        squared += (value - expected) ** 2
        before = level
        level = alpha * value + (1 - alpha) * expected
        trend = beta * (level - before) + (1 - beta) * _DAMPING * trend
    return level, trend, squared


def _seasonal(history: Sequence[float], horizon: int, weights: Weights) -> list[float]:
    level, trend, season, _ = _run_seasonal(history, weights)
    start = len(history)
    return [level + trend * _sum_damped(step) + season[(start + step - 1) % SEASON] for step in range(1, horizon + 1)]


def _run_seasonal(history: Sequence[float], weights: Weights) -> tuple[float, float, list[float], float]:
    """Level, trend, season by month and the sum of squared errors; started from the first two years."""
    alpha, beta, gamma = weights
    first, second = fmean(history[:SEASON]), fmean(history[SEASON : 2 * SEASON])
    level, trend, squared = first, (second - first) / SEASON, 0.0
    season = [(history[at] - first + history[at + SEASON] - second) / 2 for at in range(SEASON)]
    for at, value in enumerate(history):
        expected = level + _DAMPING * trend
        squared += (value - expected - season[at % SEASON]) ** 2
        before = level
        level = alpha * (value - season[at % SEASON]) + (1 - alpha) * expected
        trend = beta * (level - before) + (1 - beta) * _DAMPING * trend
        season[at % SEASON] = gamma * (value - level) + (1 - gamma) * season[at % SEASON]
    return level, trend, season, squared


def _sum_damped(steps: int) -> float:
    """d + d^2 + … + d^steps."""
    return _DAMPING * (1 - _DAMPING**steps) / (1 - _DAMPING)


def _no_weights(_: Sequence[float]) -> Weights:
    return ()


def _fit_damped(history: Sequence[float]) -> Weights:
    return min(product(_LEVEL, _TREND), key=lambda weights: _run_damped(history, weights)[-1])


def _fit_seasonal(history: Sequence[float]) -> Weights:
    return min(product(_LEVEL, _TREND, _SEASONAL), key=lambda weights: _run_seasonal(history, weights)[-1])


MEAN: Final = Method("recent_mean", f"the mean of the last {_RECENT} months", 2, _no_weights, _mean)
SAME_MONTH: Final = Method("seasonal_naive", "the same month a year before", SEASON, _no_weights, _same_month)
SAME_MONTH_MOVED: Final = Method(
    "seasonal_drift",
    "the same month a year before, moved by the last year's change,",
    2 * SEASON,
    _no_weights,
    _same_month_moved,
)
DAMPED: Final = Method("holt_damped", "a smoothed level with a damped trend", 6, _fit_damped, _damped)
SEASONAL: Final = Method(
    "holt_winters", "a smoothed level with a trend and a season of twelve months", 2 * SEASON, _fit_seasonal, _seasonal
)
# The simpler first: of equals, the first is taken.
METHODS: Final = (MEAN, SAME_MONTH, SAME_MONTH_MOVED, DAMPED, SEASONAL)
