"""What counts as worse: errors, fallbacks, p99; too few calls; what is compared where nobody is off any more."""

from typing import Any

import pytest

from contract.metrics import RPC_DURATION_BOUNDS_S
from controller.model.rollout import Analysis
from controller.model.rollout_status import CohortFigures, RolloutFigures
from controller.plan.analysis import Verdict, judge, p99_ms

CLASSES = len(RPC_DURATION_BOUNDS_S) + 1


def build_latency(calls: int, bound_s: float) -> tuple[int, ...]:
    """All calls in the class that ends at `bound_s`."""
    place = RPC_DURATION_BOUNDS_S.index(bound_s)
    return tuple(calls if each == place else 0 for each in range(CLASSES))


def build_cohort(calls: int, errors: int = 0, bound_s: float = 0.005) -> CohortFigures:
    return CohortFigures(calls=calls, errors=errors, latency=build_latency(calls, bound_s))


def build_figures(on: CohortFigures, off: CohortFigures | None = None, fallbacks: int = 0) -> RolloutFigures:
    return RolloutFigures(on=on, off=off or build_cohort(1000), fallbacks=fallbacks)


NOBODY = CohortFigures()


@pytest.mark.parametrize(
    ("figures", "baseline", "fields", "verdict", "reason"),
    [
        pytest.param(None, None, {}, Verdict.UNREAD, "FiguresUnreadable", id="no figures"),
        pytest.param(build_figures(build_cohort(199)), None, {}, Verdict.TOO_FEW, "TooFewCalls", id="199 of 200"),
        pytest.param(build_figures(build_cohort(200)), None, {}, Verdict.PASSED, "Passed", id="just enough"),
        pytest.param(
            build_figures(build_cohort(5)), None, {"min_samples": 5}, Verdict.PASSED, "Passed", id="few are enough"
        ),
        pytest.param(build_figures(build_cohort(1000, 10)), None, {}, Verdict.PASSED, "Passed", id="one point worse"),
        pytest.param(build_figures(build_cohort(1000, 11)), None, {}, Verdict.FAILED, "Errors", id="more than a point"),
        pytest.param(
            build_figures(build_cohort(1000, 60), build_cohort(1000, 50)),
            None,
            {},
            Verdict.PASSED,
            "Passed",
            id="both fail",
        ),
        pytest.param(
            build_figures(build_cohort(1000, 30)),
            None,
            {"error_ratio": 0.05},
            Verdict.PASSED,
            "Passed",
            id="more is allowed",
        ),
        pytest.param(
            build_figures(build_cohort(1000), fallbacks=10), None, {}, Verdict.PASSED, "Passed", id="1 % fell"
        ),
        pytest.param(
            build_figures(build_cohort(1000), fallbacks=11), None, {}, Verdict.FAILED, "Fallbacks", id="more fell back"
        ),
        pytest.param(
            build_figures(build_cohort(1000, bound_s=0.1)),
            None,
            {},
            Verdict.PASSED,
            "Passed",
            id="twenty times as slow, below the floor",
        ),
        pytest.param(
            build_figures(build_cohort(1000, bound_s=0.25)),
            None,
            {},
            Verdict.FAILED,
            "Latency",
            id="slow above the floor",
        ),
        pytest.param(
            build_figures(build_cohort(1000, bound_s=0.5), build_cohort(1000, bound_s=0.25)),
            None,
            {"p99_ratio": 3},
            Verdict.PASSED,
            "Passed",
            id="at most thrice as slow",
        ),
        pytest.param(
            build_figures(build_cohort(1000, bound_s=1.0), build_cohort(1000, bound_s=0.25)),
            None,
            {},
            Verdict.FAILED,
            "Latency",
            id="four times as slow",
        ),
        pytest.param(
            build_figures(build_cohort(1000, 5), NOBODY),
            None,
            {},
            Verdict.PASSED,
            "Passed",
            id="nobody off, nothing remembered: against none",
        ),
        pytest.param(
            build_figures(build_cohort(1000, 15), NOBODY),
            None,
            {},
            Verdict.FAILED,
            "Errors",
            id="nobody off, nothing remembered: errors",
        ),
        pytest.param(
            build_figures(build_cohort(1000, 15), NOBODY),
            build_cohort(1000, 10),
            {},
            Verdict.PASSED,
            "Passed",
            id="nobody off: what is remembered",
        ),
        pytest.param(
            build_figures(build_cohort(1000, bound_s=1.0), NOBODY),
            build_cohort(1000),
            {},
            Verdict.FAILED,
            "Latency",
            id="nobody off: remembered p99",
        ),
        pytest.param(
            build_figures(build_cohort(1000, bound_s=10.0), NOBODY),
            None,
            {},
            Verdict.PASSED,
            "Passed",
            id="nobody off, nothing remembered: no p99",
        ),
        pytest.param(
            build_figures(build_cohort(1000, 40), build_cohort(100, 100)),
            build_cohort(1000, 0),
            {},
            Verdict.FAILED,
            "Errors",
            id="too few off to be compared with",
        ),
    ],
)
def test_the_verdict(
    figures: RolloutFigures | None,
    baseline: CohortFigures | None,
    fields: dict[str, Any],
    verdict: Verdict,
    reason: str,
) -> None:
    judgement = judge(figures, baseline, Analysis(**fields))
    assert (judgement.verdict, judgement.reason) == (verdict, reason)
    assert judgement.message


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((), None),
        (build_latency(99, 0.001), None),
        (build_latency(100, 0.001), 0.99),
        (build_latency(1000, 0.5), 497.5),
        ((0, *build_latency(1000, 120.0)[1:-1], 100), 120_000.0),
        (tuple(a + b for a, b in zip(build_latency(980, 0.005), build_latency(20, 1.0), strict=True)), 750.0),
    ],
    ids=["none", "too few", "all in the first", "within a class", "beyond every bound", "the worst two of a hundred"],
)
def test_the_p99_of_classes(classes: tuple[int, ...], expected: float | None) -> None:
    found = p99_ms(classes)
    assert found == (None if expected is None else pytest.approx(expected))
