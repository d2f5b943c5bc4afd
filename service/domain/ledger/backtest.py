"""Chooses a method for a series by what it would have got wrong: forecasts made from each of the last months' pasts.

The errors give three things: which method to take, how far its forecasts may be off (the interval), and the figure by
which a reader can judge it, beside that of a baseline that anybody could have used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean, pstdev
from typing import Final

from service.domain.ledger.smoothing import MEAN, METHODS, SAME_MONTH, Method

_MOST_ORIGINS: Final = 12
_FEWEST_ERRORS: Final = 3
# A method must beat the baseline by this much, or the simpler is taken: less is luck.
_CLEARLY: Final = 0.95


@dataclass(frozen=True)
class Trial:
    """What a method got wrong. `errors[h]`: actual - forecast, h + 1 months ahead, one an origin."""

    method: Method
    errors: tuple[tuple[float, ...], ...]

    @property
    def mean_error(self) -> float:
        return fmean(abs(error) for errors in self.errors for error in errors)


@dataclass(frozen=True)
class Choice:
    """The method taken, its trial and the baseline's; `origins`: months that were forecast again, 0 where too few."""

    method: Method
    origins: int
    trial: Trial | None
    baseline: Trial | None


def choose_method(history: Sequence[float], horizon: int) -> Choice:
    """The method for a series of two months at least. Cases in order:

    1. fewer than six months → the mean of the last ones, untried
    2. none beats the baseline (last year's month, or the mean where there is no such year) by 5 % → the baseline
    3. the one with the least mean absolute error
    """
    origins = min(_MOST_ORIGINS, len(history) // 3)
    if len(history) < 6:
        return Choice(MEAN, 0, None, None)
    first = len(history) - origins
    trials = [_try(method, history, first, horizon) for method in METHODS if method.fewest <= first]
    baseline = next((trial for trial in trials if trial.method is SAME_MONTH), trials[0])
    best = min(trials, key=lambda trial: trial.mean_error)
    if best.mean_error >= baseline.mean_error * _CLEARLY:
        best = baseline
    return Choice(best.method, origins, best, baseline)


def spread_by_month(history: Sequence[float], choice: Choice, horizon: int) -> list[float]:
    """The standard error 1 to `horizon` months ahead, never shrinking. Untried: the series' own deviation."""
    if choice.trial is None:
        return [pstdev(history) * sqrt(step) for step in range(1, horizon + 1)]
    spreads: list[float] = []
    for step in range(horizon):
        errors = choice.trial.errors[step] if step < len(choice.trial.errors) else ()
        if len(errors) >= _FEWEST_ERRORS or not spreads:
            spread = sqrt(fmean(error**2 for error in errors)) if errors else pstdev(history)
        else:
            spread = spreads[0] * sqrt(step + 1)
        spreads.append(max(spread, spreads[-1] if spreads else 0.0))
    return spreads


def interval_factor(confidence: float) -> float:
    """How many standard errors to each side: 1.28 for 80 %."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _try(method: Method, history: Sequence[float], first: int, horizon: int) -> Trial:
    """Weights are fitted once, on what precedes the first origin: nothing of what is forecast is known."""
    weights = method.fit(history[:first])
    errors: list[list[float]] = [[] for _ in range(min(horizon, len(history) - first))]
    for origin in range(first, len(history)):
        ahead = min(horizon, len(history) - origin)
        expected = method.carry_on(history[:origin], ahead, weights)
        for step in range(ahead):
            errors[step].append(history[origin + step] - expected[step])
    return Trial(method, tuple(tuple(by_origin) for by_origin in errors))
