"""Checks within an interval: what is clearly worse goes back within minutes, and chance takes nothing back."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from math import log1p
from typing import Any

import pytest

from controller.model.rollout import Analysis, UnifiedRegistry
from controller.model.rollout_status import CohortFigures, RolloutCheck, RolloutFigures, RolloutPhase, RolloutStatus
from controller.plan.analysis import Verdict
from controller.plan.checks import CHECKS_IN_ALL, judge_check
from controller.plan.figures import add
from controller.plan.interval import next_look
from controller.plan.rollout import Requests
from controller.plan.rollout_events import find_rollout_events
from tests.controller.plan.test_analysis import NOBODY, build_cohort, build_figures, build_latency
from tests.controller.plan.test_rollout import MINUTE, NOW, build_registry, build_state, seen, step_on

P = RolloutPhase
DAY = build_registry(rollout={"interval": "24h"})
# Figures of a minute, by how long the interval has been watched.
Traffic = Callable[[timedelta], RolloutFigures]


def per_minute(errors: int = 0, *, calls: int = 600, **fields: Any) -> RolloutFigures:
    """As many calls of both cohorts, `errors` of those for whom it is on."""
    return build_figures(build_cohort(calls, errors, **fields), build_cohort(calls))


def steady(figures: RolloutFigures) -> Traffic:
    return lambda _: figures


class Watch:
    """A step under traffic that is looked at each minute, by an operator that begins anew each time."""

    def __init__(self, registry: UnifiedRegistry = DAY, phase: RolloutPhase = P.ANALYSING, step: int = 2) -> None:
        self.registry = registry
        self.now = NOW
        self.requests = Requests(paused=phase is P.PAUSED)
        self.counted = RolloutFigures()
        self.events: list[str] = []
        self.state = self._look(build_state(phase, step, window_started_at=None))

    def run(self, traffic: Traffic, minutes: int, until: Callable[[RolloutStatus], bool] | None = None) -> "Watch":
        """As long as it is watched, and `until` does not hold."""
        began = self.now
        for _ in range(minutes):
            self.now += MINUTE
            self.counted = add(self.counted, traffic(self.now - began))
            before = self.state.window_started_at
            self.state = self._look(RolloutStatus.model_validate_json(self.state.model_dump_json(by_alias=True)))
            if self.state.window_started_at != before:
                self.counted = RolloutFigures()
            if self.state.window_started_at is None or (until is not None and until(self.state)):
                break
        return self

    def _look(self, state: RolloutStatus) -> RolloutStatus:
        after = step_on(state, seen(self.counted), self.requests, self.registry, self.now)
        self.events += [event.reason for event in find_rollout_events(state, after)]
        return after

    @property
    def watched(self) -> timedelta:
        return self.now - NOW


BROKEN = per_minute(600)


@pytest.mark.parametrize(
    ("phase", "step", "to"),
    [(P.ANALYSING, 2, 1), (P.ANALYSING, 1, 0), (P.PAUSED, 2, 1), (P.ROLLED_BACK, 2, 1)],
    ids=["analysing", "the first step", "paused", "a step gone back to"],
)
def test_what_fails_from_the_beginning_goes_back_within_minutes(phase: RolloutPhase, step: int, to: int) -> None:
    watch = Watch(phase=phase, step=step).run(steady(BROKEN), 60)
    assert (watch.state.phase, watch.state.step) == (P.ROLLING_BACK, to)
    assert watch.watched == timedelta(minutes=4)
    failed = watch.state.failed
    assert failed is not None
    assert (failed.reason, failed.step) == ("Errors", step)
    assert "the check since 2026-11-22T12:02:00.000Z failed" in failed.message
    assert "on 1200 calls, 1200 failed" in failed.message
    assert watch.events == ["StepFailed", "RollingBack"]


def test_the_last_interval_failed_and_then_a_check_is_twice_in_a_row() -> None:
    watch = Watch()
    watch.state = watch.state.model_copy(update={"failures": 1})
    assert watch.run(steady(BROKEN), 60).watched == timedelta(minutes=2)
    assert watch.state.phase is P.ROLLING_BACK


@pytest.mark.parametrize(
    ("worse", "reason"),
    [
        (per_minute(30), "Errors"),
        (build_figures(build_cohort(600), build_cohort(600), fallbacks=30), "Fallbacks"),
        (per_minute(bound_s=1.0), "Latency"),
    ],
    ids=["5 % errors", "5 % fallbacks", "slow"],
)
def test_what_worsens_after_hours_is_not_diluted(worse: RolloutFigures, reason: str) -> None:
    fine = per_minute(1)
    watch = Watch().run(lambda past: fine if past <= timedelta(hours=20) else worse, 24 * 60)
    assert watch.state.failed is not None
    assert watch.state.failed.reason == reason
    assert watch.watched <= timedelta(hours=20, minutes=10)


def test_the_last_minute_of_an_interval_counts_too() -> None:
    fine = per_minute()
    watch = Watch().run(lambda past: BROKEN if past == timedelta(hours=24) else fine, 24 * 60)
    assert (watch.watched, watch.state.phase, watch.state.failures) == (timedelta(hours=24), P.ANALYSING, 1)
    assert watch.events == ["StepFailed"]


def test_a_bad_check_is_forgotten_after_a_clean_one_and_the_interval_begins_anew() -> None:
    """The fourth hour has one, and a whole interval without one follows."""
    watch = Watch().run(lambda past: BROKEN if past == timedelta(hours=4) else per_minute(), 4 * 60 + 1)
    assert watch.state.message.endswith("failures in a row: 1")
    watch.run(steady(per_minute()), 26 * 60)
    assert (watch.state.phase, watch.state.step) == (P.PUBLISHING, 3)
    assert watch.watched == timedelta(hours=28)
    assert watch.events == ["StepFailed", "StepPassed", "StepPublishing"]


def test_a_clean_check_does_not_make_up_for_a_failed_interval() -> None:
    """1.3 points where one is allowed: too little for a check, and the second interval takes it back, as ever."""
    watch = Watch().run(steady(per_minute(8)), 50 * 60)
    assert (watch.watched, watch.state.phase) == (timedelta(hours=48), P.ROLLING_BACK)
    assert watch.state.failed is not None
    assert "check" not in watch.state.failed.message


def test_checks_that_fail_now_and_then_take_it_back_in_the_end() -> None:
    """Never two in a row, and never a whole interval without one."""

    def traffic(past: timedelta) -> RolloutFigures:
        return BROKEN if past % timedelta(minutes=30) == timedelta() else per_minute()

    watch = Watch().run(traffic, 24 * 60)
    assert watch.state.failed is not None
    assert f"{2 * CHECKS_IN_ALL} failed checks" in watch.state.failed.message
    assert watch.watched <= timedelta(minutes=30 * (2 * CHECKS_IN_ALL + 1))


@pytest.mark.parametrize(
    ("on", "off"), [(600, 600), (100, 100), (5000, 100), (100, 5000)], ids=["halves", "few", "few off", "few on"]
)
def test_chance_fails_no_check(on: int, off: int) -> None:
    """1,440 checks of a service whose errors, fallbacks and p99 are exactly what is allowed."""
    chance, slow_s, analysis = random.Random(6), 0.5, Analysis()
    longer = build_cohort(100_000, 1000)
    mixed = CohortFigures(calls=100_000, errors=1000, latency=_latency(100_000, 1500, slow_s))
    failed = []
    for _ in range(1440):
        window = RolloutFigures(
            on=_by_chance(chance, 2 * on, 0.02, slow_s),
            off=_by_chance(chance, 2 * off, 0.01, slow_s),
            fallbacks=_count(chance, 2 * on, 0.01),
        )
        judgement = judge_check(window, RolloutFigures(off=mixed), longer, analysis)
        assert judgement.verdict is not Verdict.TOO_FEW
        failed += [judgement.message] if judgement.verdict is Verdict.FAILED else []
    assert failed == []


def _by_chance(chance: random.Random, calls: int, ratio: float, slow_s: float) -> CohortFigures:
    """1.5 % of the calls are slow, so that now and then the p99 is, too."""
    slow = _count(chance, calls, 0.015)
    return CohortFigures(calls=calls, errors=_count(chance, calls, ratio), latency=_latency(calls, slow, slow_s))


def _latency(calls: int, slow: int, slow_s: float) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(build_latency(calls - slow, 0.005), build_latency(slow, slow_s), strict=True))


def _count(chance: random.Random, calls: int, ratio: float) -> int:
    """Each call by itself, sampled by the gaps between hits."""
    hits, place = 0, int(_gap(chance, ratio))
    while place < calls:
        hits, place = hits + 1, place + 1 + int(_gap(chance, ratio))
    return hits


def _gap(chance: random.Random, ratio: float) -> float:
    return chance.expovariate(-log1p(-ratio))


def test_a_check_waits_for_calls_and_never_beyond_the_interval() -> None:
    """A call a minute, all of them failed: 200 take 3 h 20 min."""
    watch = Watch().run(steady(per_minute(1, calls=1)), 24 * 60, lambda state: state.failures > 0)
    assert watch.watched == timedelta(minutes=200)
    hour = Watch(build_registry(rollout={"interval": "1h"}))
    hour.run(steady(per_minute(1, calls=1)), 300, lambda state: state.phase is not P.ANALYSING)
    assert (hour.watched, hour.state.phase) == (timedelta(hours=1), P.INCONCLUSIVE)
    hour.run(steady(per_minute(1, calls=1)), 300, lambda state: state.failures > 0)
    assert hour.watched == timedelta(minutes=200)


def test_a_restart_forgets_neither_what_a_check_counted_nor_what_failed() -> None:
    """What an operator that begins anew finds, in the middle of the second check."""
    watch = Watch().run(steady(per_minute()), 3)
    kept = RolloutStatus.model_validate_json(watch.state.model_dump_json(by_alias=True))
    assert kept.check is not None
    assert kept.check.started_at == "2026-11-22T12:02:00.000Z"
    assert (kept.check.counted.on.calls, kept.figures and kept.figures.on.calls) == (1200, 1800)
    after = step_on(kept, seen(add(watch.counted, BROKEN)), registry=DAY, now=watch.now + MINUTE)
    assert after.failures == 1
    assert "on 1200 calls, 600 failed" in after.message
    assert after.check is not None
    assert (after.check.failures, after.check.failed) == (1, 1)


def test_an_interval_that_an_older_operator_began_is_checked_from_now_on() -> None:
    state = build_state(P.ANALYSING, 2, window_started_at="2026-11-22T06:00:00.000Z")
    after = step_on(state, seen(BROKEN), registry=DAY)
    assert after.check == RolloutCheck(started_at="2026-11-22T12:00:00.000Z", counted=BROKEN)
    assert after.failures == 0


@pytest.mark.parametrize(
    "figures",
    [None, RolloutFigures(), build_figures(build_cohort(1190, 3), build_cohort(1190))],
    ids=["unreadable", "begun anew", "reckoned a little lower"],
)
def test_figures_that_fall_or_cannot_be_had_fail_nothing(figures: RolloutFigures | None) -> None:
    watch = Watch().run(steady(per_minute(2)), 2)
    after = step_on(watch.state, seen(figures), registry=DAY, now=watch.now + 5 * MINUTE)
    assert (after.phase, after.failures, after.check) == (P.ANALYSING, 0, watch.state.check)


@pytest.mark.parametrize(
    ("interval", "check_s"),
    [("24h", 120), ("10m", 60), ("30s", 10), ("5s", 5)],
    ids=["a day", "a tenth", "at least ten seconds", "none but the end"],
)
def test_the_operator_comes_back_for_the_next_check(interval: str, check_s: int) -> None:
    registry = build_registry(rollout={"interval": interval})
    opened = Watch(registry).state
    assert next_look(registry, opened, NOW) == timedelta(seconds=check_s, milliseconds=50)
    last = datetime.fromisoformat(str(opened.next_at)) - timedelta(seconds=1)
    assert next_look(registry, opened, last) == timedelta(seconds=1, milliseconds=50)


MANY = build_cohort(1200)


@pytest.mark.parametrize(
    ("window", "interval", "baseline", "fields", "reason"),
    [
        pytest.param(build_figures(build_cohort(199, 199)), NOBODY, None, {}, "TooFewCalls", id="199 of 200"),
        pytest.param(build_figures(build_cohort(200, 200)), NOBODY, None, {}, "Errors", id="all of 200"),
        pytest.param(build_figures(build_cohort(1200, 28), MANY), MANY, None, {}, "Passed", id="by chance"),
        pytest.param(build_figures(build_cohort(1200, 29), MANY), MANY, None, {}, "Errors", id="not by chance"),
        pytest.param(
            build_figures(build_cohort(1200, 900), build_cohort(1200, 890)), MANY, None, {}, "Passed", id="both fail"
        ),
        pytest.param(
            build_figures(build_cohort(1200, 29), build_cohort(50, 50)), MANY, None, {}, "Errors", id="few off now"
        ),
        pytest.param(
            build_figures(build_cohort(1200, 29), NOBODY), NOBODY, build_cohort(1200, 60), {}, "Passed", id="remembered"
        ),
        pytest.param(build_figures(build_cohort(1200, 29), NOBODY), NOBODY, None, {}, "Errors", id="against none"),
        pytest.param(
            build_figures(build_cohort(200, 2), NOBODY), NOBODY, None, {"error_ratio": 0}, "Passed", id="two errors"
        ),
        pytest.param(
            build_figures(build_cohort(200, 3), NOBODY), NOBODY, None, {"error_ratio": 0}, "Errors", id="three errors"
        ),
        pytest.param(build_figures(MANY, MANY, fallbacks=28), MANY, None, {}, "Passed", id="fallbacks by chance"),
        pytest.param(build_figures(MANY, MANY, fallbacks=29), MANY, None, {}, "Fallbacks", id="fallbacks"),
        pytest.param(build_figures(build_cohort(1200, bound_s=0.25), MANY), MANY, None, {}, "Latency", id="slow"),
        pytest.param(build_figures(build_cohort(1200, bound_s=0.1), MANY), MANY, None, {}, "Passed", id="the floor"),
        pytest.param(
            build_figures(build_cohort(1200, bound_s=1.0), build_cohort(1200, bound_s=1.0)),
            MANY,
            None,
            {},
            "Passed",
            id="both slow now",
        ),
        pytest.param(
            build_figures(build_cohort(1200, bound_s=1.0), NOBODY), NOBODY, None, {}, "Passed", id="no p99 to compare"
        ),
        pytest.param(
            build_figures(CohortFigures(calls=300, latency=build_latency(99, 1.0)), MANY),
            MANY,
            None,
            {},
            "Passed",
            id="few whose times are compared",
        ),
    ],
)
def test_only_what_is_clear_fails(
    window: RolloutFigures,
    interval: CohortFigures,
    baseline: CohortFigures | None,
    fields: dict[str, Any],
    reason: str,
) -> None:
    judgement = judge_check(window, RolloutFigures(off=interval), baseline, Analysis(**fields))
    assert judgement.reason == reason
    assert judgement.message
