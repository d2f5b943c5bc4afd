"""Checks within an interval: whether those for whom the flag is on fare clearly worse, long before the interval ends.

An interval of a day has hundreds of checks, so that what chance brings in one of them must not fail it: a check fails
only by figures that are four standard deviations beyond what is allowed. What is less clear is left to the judgement
of the whole interval, `controller.plan.analysis`.
"""

from datetime import datetime
from math import sqrt
from typing import Final

from controller.model.rollout import Analysis, Rollout
from controller.model.rollout_status import CohortFigures, RolloutCheck, RolloutFigures, RolloutStatus
from controller.plan.analysis import (
    P99,
    P99_LEAST_CALLS,
    Judgement,
    Verdict,
    allow_errors,
    allow_ms,
    choose_baseline,
    describe_figures,
    fail_by_errors,
    fail_by_fallbacks,
    fail_by_latency,
    p99_ms,
    quantile_ms,
)
from controller.plan.figures import subtract
from controller.plan.interval import CHECKS_AN_INTERVAL, check_end, format_time

# As many failed checks, though with clean ones between them, weigh as much as a failed interval.
CHECKS_IN_ALL: Final = CHECKS_AN_INTERVAL
DEVIATIONS: Final = 4.0
# Few events are not spread evenly about their mean (Cornish-Fisher): of 2 expected ones 8 come once in 900 checks.
SKEW: Final = (DEVIATIONS**2 - 1) / 6


def settle_check(
    rollout: Rollout, state: RolloutStatus, figures: RolloutFigures | None, now: datetime
) -> tuple[RolloutStatus, Judgement | None]:
    """What the check under way says, None: nothing yet; and the state with that counted. `figures`: of the interval.

    In this order: figures cannot be had → nothing; no check was kept (by an older operator) → one begins; before its
    end, or fewer calls than asked for → nothing, it goes on; failed → counted; else the next one begins, and failed
    checks in a row are forgotten.
    """
    if figures is None:
        return state, None
    end, check = check_end(rollout, state), state.check
    if end is None or check is None:
        return _begin(state, RolloutCheck(started_at=format_time(now), counted=figures)), None
    if now < end:
        return state, None
    window = subtract(figures, check.counted)
    judgement = judge_check(window, figures, state.baseline, rollout.analysis)
    match judgement.verdict:
        case Verdict.FAILED:
            text = f"the check since {check.started_at} failed: {judgement.message} ({describe_figures(window)})"
            counts = {"failures": check.failures + 1, "failed": check.failed + 1}
            failed = _begin(state, check.model_copy(update=counts))
            return failed, Judgement(judgement.verdict, judgement.reason, text)
        case Verdict.PASSED:
            clean = state.model_copy(update={"failures": max(0, state.failures - check.failures)})
            following = RolloutCheck(started_at=format_time(now), counted=figures, failed=check.failed)
            return _begin(clean, following), judgement
        case _:
            return state, None


def judge_check(
    window: RolloutFigures, interval: RolloutFigures, baseline: CohortFigures | None, analysis: Analysis
) -> Judgement:
    """Of what was counted in a check (`window`), in this order: fewer calls than asked for → too few; clearly more
    errors, fallbacks or a clearly longer p99 than allowed → failed; else passed.

    Compared with those for whom it is off in the check, where they called often enough; else in the whole interval;
    else with `baseline`; else with no errors at all, and no p99.
    Example: on 1,200 calls and 60 errors, off 1,200 and none, errorRatio 0.01 → failed: chance brings 29 at most.
    """
    on = window.on
    if on.calls < analysis.min_samples:
        return Judgement(Verdict.TOO_FEW, Verdict.TOO_FEW, f"{on.calls} of {analysis.min_samples} calls needed")
    longer = choose_baseline(interval, baseline, analysis)
    other = choose_baseline(window, longer, analysis)
    allowed_errors = allow_errors(other, analysis)
    if on.errors > most_by_chance(on.calls, allowed_errors, other):
        return fail_by_errors(on, allowed_errors)
    if window.fallbacks > most_by_chance(on.calls, analysis.fallback_ratio, None):
        return fail_by_fallbacks(window, analysis)
    on_ms, allowed_ms = p99_ms(on.latency), _allow_ms(other, longer, analysis)
    if on_ms is not None and allowed_ms is not None and sum(on.latency) >= analysis.min_samples:
        least_ms = quantile_ms(on.latency, P99 - _p99_spread(on))
        if least_ms is not None and least_ms > allowed_ms:
            return fail_by_latency(on_ms, allowed_ms)
    return Judgement(Verdict.PASSED, Verdict.PASSED, describe_figures(window))


def most_by_chance(calls: int, ratio: float, other: CohortFigures | None) -> float:
    """How many of `calls` chance may choose where `ratio` of them is expected. `other`: whose errors the ratio was
    reckoned from, which is no surer than they are many; None: it is sure.

    Example: 1,200 calls, 0.01, against 1,200 without errors → 12 + 4·√(12 + 1) + 2.5 = 28.9.
    """
    expected = calls * ratio
    variance = expected + ((calls / other.calls) ** 2 * (other.errors + 1) if other else 0.0)
    return expected + DEVIATIONS * sqrt(variance) + SKEW


def _allow_ms(other: CohortFigures | None, longer: CohortFigures | None, analysis: Analysis) -> float | None:
    """None: nothing to compare with. The p99 of few calls may be far too low by chance, which `longer`, of more of
    them, puts right: the longest that its p99 may be counts too."""
    found = (
        p99_ms(other.latency) if other else None,
        quantile_ms(longer.latency, min(1.0, P99 + _p99_spread(longer))) if longer else None,
    )
    known = [each for each in found if each is not None]
    return allow_ms(max(known), analysis) if known else None


def _p99_spread(cohort: CohortFigures) -> float:
    """By what share of the calls the p99 of a sample may be off."""
    return DEVIATIONS * sqrt((1 - P99) / max(sum(cohort.latency), P99_LEAST_CALLS))


def _begin(state: RolloutStatus, check: RolloutCheck) -> RolloutStatus:
    return state.model_copy(update={"check": check})
