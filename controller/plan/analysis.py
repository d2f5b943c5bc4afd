"""Whether those for whom the flag is on fare worse than the others: figures of one interval in, a verdict out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.metrics import RPC_DURATION_BOUNDS_S
from controller.model.rollout import Analysis
from controller.model.rollout_status import CohortFigures, RolloutFigures

# Of fewer calls the p99 is the worst call.
P99_LEAST_CALLS: Final = 100
P99: Final = 0.99


class Verdict(StrEnum):
    """`UNREAD`: the figures could not be had."""

    PASSED = "Passed"
    FAILED = "Failed"
    TOO_FEW = "TooFewCalls"
    UNREAD = "FiguresUnreadable"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`reason`: one word, of what failed or why nothing can be said. `message`: for a person, with the figures."""

    verdict: Verdict
    reason: str
    message: str


def judge(figures: RolloutFigures | None, baseline: CohortFigures | None, analysis: Analysis) -> Judgement:
    """In this order: no figures → unread; fewer calls than asked for → too few; errors, fallbacks, p99 → failed;
    else passed.

    Compared with those for whom it is off, where they called often enough; else with `baseline`, what they were
    like when they last did; else with no errors at all, and no p99.
    Example: on 1,000 calls and 25 errors, off 4,000 and 20, errorRatio 0.01 → failed: 2.5 % against 0.5 %.
    """
    if figures is None:
        return Judgement(Verdict.UNREAD, Verdict.UNREAD, "no figures can be had from the API's pods or Prometheus")
    on = figures.on
    if on.calls < analysis.min_samples:
        text = f"{on.calls} of {analysis.min_samples} calls needed, of users for whom it is on"
        return Judgement(Verdict.TOO_FEW, Verdict.TOO_FEW, text)
    other = choose_baseline(figures, baseline, analysis)
    allowed_errors = allow_errors(other, analysis)
    if _error_ratio(on) > allowed_errors:
        return fail_by_errors(on, allowed_errors)
    if figures.fallbacks / on.calls > analysis.fallback_ratio:
        return fail_by_fallbacks(figures, analysis)
    on_ms, other_ms = p99_ms(on.latency), p99_ms(other.latency) if other else None
    if on_ms is not None and other_ms is not None:
        allowed_ms = allow_ms(other_ms, analysis)
        if on_ms > allowed_ms:
            return fail_by_latency(on_ms, allowed_ms)
    return Judgement(Verdict.PASSED, Verdict.PASSED, describe_figures(figures))


def allow_errors(other: CohortFigures | None, analysis: Analysis) -> float:
    """Share of calls that may fail, against those of `other`; None: against none at all."""
    return (_error_ratio(other) if other else 0.0) + analysis.error_ratio


def allow_ms(other_ms: float, analysis: Analysis) -> float:
    """How long the p99 may be where the others' is `other_ms`."""
    return max(other_ms * analysis.p99_ratio, analysis.p99_floor_milliseconds)


def fail_by_errors(on: CohortFigures, allowed: float) -> Judgement:
    return _failed("Errors", f"{_error_ratio(on):.2%} of calls failed, {allowed:.2%} allowed")


def fail_by_fallbacks(figures: RolloutFigures, analysis: Analysis) -> Judgement:
    shares = f"{figures.fallbacks / figures.on.calls:.2%} of calls, {analysis.fallback_ratio:.2%} allowed"
    return _failed("Fallbacks", f"unified writes failed in {shares}")


def fail_by_latency(on_ms: float, allowed_ms: float) -> Judgement:
    return _failed("Latency", f"p99 is {on_ms:.0f} ms, {allowed_ms:.0f} ms allowed")


def choose_baseline(
    figures: RolloutFigures, baseline: CohortFigures | None, analysis: Analysis
) -> CohortFigures | None:
    """Those for whom it is off now, where they are enough; else what is remembered of them."""
    return figures.off if figures.off.calls >= analysis.min_samples else baseline


def describe_figures(figures: RolloutFigures) -> str:
    cohorts = ((("on", figures.on)), ("off", figures.off))
    parts = [f"{name} {each.calls} calls, {each.errors} failed{_p99_words(each)}" for name, each in cohorts]
    return "; ".join([*parts, f"{figures.fallbacks} fallbacks"])


def p99_ms(classes: Sequence[int]) -> float | None:
    """Of a histogram; None: too few calls to tell."""
    return quantile_ms(classes, P99)


def quantile_ms(classes: Sequence[int], share: float) -> float | None:
    """Even within a class, as Prometheus reckons it; None: too few calls to tell. Beyond every bound it is the last
    bound."""
    total, bounds_s = sum(classes), RPC_DURATION_BOUNDS_S
    if total < P99_LEAST_CALLS:
        return None
    rank, below = total * share, 0
    for place, count in enumerate(classes):
        if count and below + count >= rank:
            if place >= len(bounds_s):
                break
            low = bounds_s[place - 1] if place else 0.0
            return 1000 * (low + (bounds_s[place] - low) * (rank - below) / count)
        below += count
    return 1000 * bounds_s[-1]


def _error_ratio(figures: CohortFigures) -> float:
    return figures.errors / figures.calls if figures.calls else 0.0


def _p99_words(figures: CohortFigures) -> str:
    value = p99_ms(figures.latency)
    return "" if value is None else f", p99 {value:.0f} ms"


def _failed(reason: str, message: str) -> Judgement:
    return Judgement(Verdict.FAILED, reason, message)
