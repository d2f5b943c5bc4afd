"""The rollout of the flag, decision by decision: what is kept, and for whom it is on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.flag import FlagDocument
from controller.model.rollout import UnifiedRegistry
from controller.model.rollout_status import (
    LegacyState,
    LegacyStatus,
    RolloutCheck,
    RolloutFigures,
    RolloutPhase,
    RolloutStatus,
)
from controller.plan.audience import choose_audience, is_everybody, plan_audience, plan_share, share_bp
from controller.plan.generated import plan_flag
from controller.plan.interval import next_look
from controller.plan.rollout import (
    WATCHED,
    FlagSeen,
    Requests,
    enter_rollout,
    next_rollout_step,
)
from controller.plan.rollout_events import find_rollout_events
from service.domain.flag import is_on
from tests.controller.builders import KEY, build_spec
from tests.controller.plan.test_analysis import build_cohort, build_figures

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IMAGE = "pinnokio:1"
STEPS = [{"users": ["ann"]}, {"percent": 10}, {"percent": 50}, {"percent": 100}]
GOOD = build_figures(build_cohort(500))
BAD = build_figures(build_cohort(500, 100))
FEW = build_figures(build_cohort(3))
EVERYWHERE = FlagSeen(published=True, acknowledged=2, pods=2)


def build_registry(**fields: Any) -> UnifiedRegistry:
    rollout = {"steps": STEPS, "interval": "1m"} | fields.pop("rollout", {})
    return UnifiedRegistry.model_validate({"enabled": True, "rollout": rollout} | fields)


REGISTRY = build_registry()
NONE = Requests()


def start(registry: UnifiedRegistry = REGISTRY, known: FlagDocument | None = None) -> RolloutStatus:
    return enter_rollout(registry, IMAGE, None, known, NONE, NOW)


def build_state(phase: RolloutPhase, step: int, **fields: Any) -> RolloutStatus:
    begun = {"window_started_at": "2026-11-22T11:58:00.000Z"} if phase in WATCHED and step else {}
    return start().model_copy(update={"phase": phase, "step": step, "steps": 4} | begun | fields)


def seen(figures: RolloutFigures | None) -> FlagSeen:
    return FlagSeen(published=True, acknowledged=2, pods=2, figures=figures)


def step_on(
    state: RolloutStatus,
    flag: FlagSeen = EVERYWHERE,
    requests: Requests = NONE,
    registry: UnifiedRegistry = REGISTRY,
    now: datetime = NOW,
) -> RolloutStatus:
    return next_rollout_step(registry, IMAGE, state, flag, requests, now)


P = RolloutPhase
ANALYSING = build_state(P.ANALYSING, 2)


@pytest.mark.parametrize(
    ("state", "flag", "phase", "step"),
    [
        pytest.param(build_state(P.PUBLISHING, 1), FlagSeen(), P.PUBLISHING, 1, id="not published"),
        pytest.param(build_state(P.PUBLISHING, 1), FlagSeen(True, None, 2), P.PUBLISHING, 1, id="not known who has it"),
        pytest.param(build_state(P.PUBLISHING, 1), FlagSeen(True, 1, 2), P.PUBLISHING, 1, id="one pod of two has it"),
        pytest.param(build_state(P.PUBLISHING, 1), FlagSeen(True, 0, 0), P.PUBLISHING, 1, id="no pod is ready"),
        pytest.param(build_state(P.PUBLISHING, 1), FlagSeen(True, 2, 2), P.ANALYSING, 1, id="every pod has it"),
        pytest.param(
            build_state(P.PUBLISHING, 1), FlagSeen(True, 3, 2), P.ANALYSING, 1, id="a pod that goes has it too"
        ),
        pytest.param(ANALYSING, seen(GOOD), P.PUBLISHING, 3, id="passed: on"),
        pytest.param(ANALYSING, seen(FEW), P.INCONCLUSIVE, 2, id="too few: held"),
        pytest.param(ANALYSING, seen(None), P.INCONCLUSIVE, 2, id="unreadable: held"),
        pytest.param(ANALYSING, seen(BAD), P.ANALYSING, 2, id="failed once: again"),
        pytest.param(
            build_state(P.ANALYSING, 2, failures=1), seen(BAD), P.ROLLING_BACK, 1, id="failed twice: the step before"
        ),
        pytest.param(
            build_state(P.ANALYSING, 1, failures=1), seen(BAD), P.ROLLING_BACK, 0, id="first step failed: off"
        ),
        pytest.param(build_state(P.ANALYSING, 4), seen(GOOD), P.COMPLETE, 4, id="the last step passed"),
        pytest.param(build_state(P.INCONCLUSIVE, 2), seen(FEW), P.INCONCLUSIVE, 2, id="still too few"),
        pytest.param(build_state(P.INCONCLUSIVE, 2), seen(GOOD), P.PUBLISHING, 3, id="enough at last: on"),
        pytest.param(build_state(P.INCONCLUSIVE, 2), seen(BAD), P.ANALYSING, 2, id="enough at last: failed once"),
        pytest.param(
            build_state(P.INCONCLUSIVE, 2, failures=1), seen(BAD), P.ROLLING_BACK, 1, id="enough at last: failed twice"
        ),
        pytest.param(build_state(P.COMPLETE, 4), seen(BAD), P.COMPLETE, 4, id="complete stays"),
        pytest.param(build_state(P.ROLLING_BACK, 1), FlagSeen(True, 1, 2), P.ROLLING_BACK, 1, id="going back"),
        pytest.param(build_state(P.ROLLING_BACK, 1), EVERYWHERE, P.ROLLED_BACK, 1, id="gone back to a step"),
        pytest.param(build_state(P.ROLLING_BACK, 0), EVERYWHERE, P.ROLLED_BACK, 0, id="gone back to off"),
        pytest.param(build_state(P.ROLLING_BACK, 0), FlagSeen(True, 0, 0), P.ROLLED_BACK, 0, id="gone back, no pods"),
        pytest.param(build_state(P.ROLLED_BACK, 1), seen(GOOD), P.ROLLED_BACK, 1, id="a step gone back to is not left"),
        pytest.param(
            build_state(P.ROLLED_BACK, 1, failures=1), seen(BAD), P.ROLLING_BACK, 0, id="a step gone back to fails too"
        ),
        pytest.param(build_state(P.ROLLED_BACK, 0), seen(BAD), P.ROLLED_BACK, 0, id="off is not watched"),
    ],
)
def test_phases(state: RolloutStatus, flag: FlagSeen, phase: RolloutPhase, step: int) -> None:
    after = step_on(state, flag)
    assert (after.phase, after.step) == (phase, step)
    assert after.message


def test_before_the_end_of_the_interval_and_of_the_check_nothing_is_decided() -> None:
    check = RolloutCheck(started_at="2026-11-22T11:59:58.000Z")
    state = build_state(P.ANALYSING, 2, failures=1, window_started_at="2026-11-22T11:59:30.000Z", check=check)
    after = step_on(state, seen(BAD))
    assert (after.phase, after.step, after.failures) == (P.ANALYSING, 2, 1)
    assert after.figures is not None
    assert after.figures.on.errors == 100
    assert next_look(REGISTRY, after, NOW) == timedelta(seconds=8, milliseconds=50)


def test_a_step_has_an_interval_of_its_own() -> None:
    registry = build_registry(rollout={"steps": [*STEPS[:3], {"percent": 100, "interval": "24h"}]})
    state = build_state(P.ANALYSING, 4)
    assert step_on(state, seen(GOOD), registry=registry).phase is P.ANALYSING
    assert step_on(state, seen(GOOD), registry=registry, now=NOW + timedelta(hours=24)).phase is P.COMPLETE


def test_a_failure_is_forgotten_once_an_interval_passes() -> None:
    once = step_on(ANALYSING, seen(BAD))
    assert (once.failures, once.window_started_at) == (1, "2026-11-22T12:00:00.000Z")
    paused = build_state(P.PAUSED, 2, failures=1)
    assert step_on(paused, seen(GOOD), Requests(paused=True)).failures == 0


def test_those_for_whom_it_is_off_are_remembered() -> None:
    after = step_on(build_state(P.ANALYSING, 3), seen(build_figures(build_cohort(500, 9), build_cohort(900, 10))))
    assert after.baseline is not None
    assert after.baseline.calls == 900


PAUSED = Requests(paused=True)


@pytest.mark.parametrize(
    ("state", "flag", "requests", "phase", "step"),
    [
        pytest.param(build_state(P.PUBLISHING, 2), EVERYWHERE, PAUSED, P.PAUSED, 2, id="published, then held"),
        pytest.param(ANALYSING, seen(GOOD), PAUSED, P.PAUSED, 2, id="a passed step is not left"),
        pytest.param(build_state(P.PAUSED, 2), seen(GOOD), PAUSED, P.PAUSED, 2, id="held on"),
        pytest.param(
            build_state(P.PAUSED, 2, failures=1), seen(BAD), PAUSED, P.ROLLING_BACK, 1, id="worse: taken back"
        ),
        pytest.param(
            build_state(P.PAUSED, 2, window_started_at="2026-11-22T11:59:59.000Z"),
            seen(GOOD),
            NONE,
            P.ANALYSING,
            2,
            id="resumed",
        ),
        pytest.param(
            build_state(P.PAUSED, 2), seen(GOOD), Requests("x", "", True), P.PUBLISHING, 3, id="promoted while paused"
        ),
        pytest.param(ANALYSING, seen(GOOD), Requests("x"), P.PUBLISHING, 3, id="promote goes one on"),
        pytest.param(
            build_state(P.INCONCLUSIVE, 2), seen(FEW), Requests("x"), P.PUBLISHING, 3, id="promote goes on from too few"
        ),
        pytest.param(ANALYSING, seen(BAD), Requests("all 12:00"), P.PUBLISHING, 4, id="promote to the last"),
        pytest.param(build_state(P.ANALYSING, 4), seen(FEW), Requests("x"), P.COMPLETE, 4, id="promote at the last"),
        pytest.param(build_state(P.COMPLETE, 4), seen(FEW), Requests("x"), P.COMPLETE, 4, id="nothing to promote"),
        pytest.param(build_state(P.ROLLED_BACK, 1), seen(FEW), Requests("x"), P.PUBLISHING, 2, id="tried again"),
        pytest.param(
            build_state(P.ROLLED_BACK, 0), seen(FEW), Requests("x"), P.PUBLISHING, 1, id="tried again from off"
        ),
        pytest.param(
            build_state(P.ANALYSING, 3), seen(GOOD), Requests("", "x"), P.ROLLING_BACK, 0, id="rollback goes to off"
        ),
        pytest.param(
            build_state(P.ANALYSING, 3), seen(GOOD), Requests("", "previous 1"), P.ROLLING_BACK, 2, id="rollback by one"
        ),
        pytest.param(
            build_state(P.COMPLETE, 4), seen(GOOD), Requests("", "x"), P.ROLLING_BACK, 0, id="rollback of all"
        ),
        pytest.param(
            build_state(P.PUBLISHING, 1), EVERYWHERE, Requests("x", "y"), P.ROLLING_BACK, 0, id="rollback wins"
        ),
        pytest.param(
            build_state(P.ANALYSING, 2, handled_rollback="x", handled_promote="y", window_started_at=None),
            seen(GOOD),
            Requests("y", "x"),
            P.ANALYSING,
            2,
            id="done already",
        ),
        pytest.param(
            build_state(P.ANALYSING, 2, handled_rollback="x", window_started_at=None),
            seen(GOOD),
            NONE,
            P.ANALYSING,
            2,
            id="an annotation that went asks for nothing",
        ),
    ],
)
def test_what_a_person_asks_for(
    state: RolloutStatus, flag: FlagSeen, requests: Requests, phase: RolloutPhase, step: int
) -> None:
    after = step_on(state, flag, requests)
    assert (after.phase, after.step) == (phase, step)
    assert after.handled_rollback == requests.rollback or requests.rollback == ""


DIRECT = UnifiedRegistry.model_validate({"enabled": True})


def test_a_flag_without_steps_is_taken_back_by_hand_and_stays_so_until_it_is_promoted() -> None:
    state = start(DIRECT)
    assert state.phase is P.DIRECT
    back = step_on(state, requests=Requests("", "now"), registry=DIRECT)
    assert back.phase is P.ROLLING_BACK
    kept = enter_rollout(DIRECT, IMAGE, back, None, Requests("", "now"), NOW)
    assert not choose_audience(DIRECT, kept).enabled
    again = step_on(kept, requests=Requests("yes", "now"), registry=DIRECT)
    assert again.phase is P.DIRECT
    assert is_everybody(choose_audience(DIRECT, again))


GOING_BACK = step_on(build_state(P.ANALYSING, 2, failures=1), seen(BAD))
FAILED = step_on(GOING_BACK)


@pytest.mark.parametrize(
    ("registry", "image", "known", "phase", "step"),
    [
        pytest.param(
            REGISTRY, IMAGE, FlagDocument(enabled=True, users=("ann",)), P.ROLLED_BACK, 1, id="the same again"
        ),
        pytest.param(
            build_registry(debug=True, rollout={"paused": True}), IMAGE, None, P.ROLLED_BACK, 1, id="debug and pause"
        ),
        pytest.param(
            build_registry(rollout={"interval": "2m"}),
            IMAGE,
            FlagDocument(enabled=True, users=("ann",)),
            P.PUBLISHING,
            1,
            id="another interval",
        ),
        pytest.param(
            REGISTRY, "pinnokio:2", FlagDocument(enabled=True, users=("ann",)), P.PUBLISHING, 1, id="another image"
        ),
        pytest.param(REGISTRY, "pinnokio:2", None, P.PUBLISHING, 1, id="another image, nothing on"),
        pytest.param(build_registry(enabled=False), IMAGE, None, P.OFF, 0, id="switched off"),
        pytest.param(DIRECT, IMAGE, None, P.DIRECT, 0, id="no steps any more"),
    ],
)
def test_a_failed_spec_is_not_tried_again_until_it_changes(
    registry: UnifiedRegistry, image: str, known: FlagDocument | None, phase: RolloutPhase, step: int
) -> None:
    assert FAILED.failed is not None
    assert (FAILED.failed.step, FAILED.failed.reason) == (2, "Errors")
    after = enter_rollout(registry, image, FAILED, known, NONE, NOW)
    assert (after.phase, after.step) == (phase, step)


@pytest.mark.parametrize(
    ("registry", "image", "legacy"),
    [
        pytest.param(REGISTRY, "pinnokio:2", LegacyState.WRITTEN, id="another image, not published yet"),
        pytest.param(REGISTRY, "pinnokio:2", LegacyState.STOPPED, id="another image, before the copy"),
        pytest.param(REGISTRY, "pinnokio:2", LegacyState.RESTORING, id="another image, during the copy"),
        pytest.param(build_registry(rollout={"interval": "2m"}), IMAGE, LegacyState.RESTORING, id="other steps"),
        pytest.param(DIRECT, IMAGE, LegacyState.RESTORING, id="no steps any more"),
    ],
)
def test_going_back_is_ended_before_anything_else_is_tried(
    registry: UnifiedRegistry, image: str, legacy: LegacyState
) -> None:
    """The document that stands is then the one that is taken back: everybody's."""
    complete = build_state(P.COMPLETE, 4, legacy=LegacyStatus(state=legacy))
    back = step_on(complete, requests=Requests(rollback="now"))
    entered = enter_rollout(registry, image, back, _known(), Requests(rollback="now"), NOW)
    assert entered == back
    off = enter_rollout(registry.model_copy(update={"enabled": False}), image, back, _known(), NONE, NOW)
    assert off.phase is P.OFF


def _known(**fields: Any) -> FlagDocument:
    return FlagDocument(enabled=True, **fields)


@pytest.mark.parametrize(
    ("known", "steps", "step", "share"),
    [
        pytest.param(None, STEPS, 1, 0, id="nothing is on"),
        pytest.param(FlagDocument(enabled=False, percent_bp=5000), STEPS, 1, 0, id="off"),
        pytest.param(_known(users=("ann",)), STEPS, 1, 0, id="the first step is on"),
        pytest.param(_known(users=("ann",), percent_bp=1000), STEPS, 2, 1000, id="the second is on"),
        pytest.param(_known(percent_bp=2500), STEPS, 2, 2500, id="more than a step, less than the next"),
        pytest.param(_known(percent_bp=5000), [{"percent": 60}, {"percent": 90}], 1, 6000, id="less than the first"),
        pytest.param(_known(percent_bp=5000), [{"percent": 5}, {"percent": 20}], 2, 2000, id="as far as the last goes"),
        pytest.param(_known(), STEPS, 4, 10000, id="everybody"),
        pytest.param(_known(users=("bob",)), STEPS, 1, 0, id="someone else"),
    ],
)
def test_a_rollout_begins_where_the_flag_is(
    known: FlagDocument | None, steps: list[dict[str, Any]], step: int, share: int
) -> None:
    registry = build_registry(rollout={"steps": steps})
    state = start(registry, known)
    assert (state.phase, state.step) == (P.PUBLISHING, step)
    assert share_bp(choose_audience(registry, state)) == share


def test_steps_that_change_meanwhile_take_nobody_away() -> None:
    state = build_state(P.ANALYSING, 2)
    known = choose_audience(REGISTRY, state)
    registry = build_registry(rollout={"steps": [{"users": ["ann", "bob"]}, {"percent": 5}, {"percent": 80}]})
    after = enter_rollout(registry, IMAGE, state, known, NONE, NOW)
    assert (after.phase, after.step) == (P.PUBLISHING, 2)
    audience = choose_audience(registry, after)
    assert audience.users == ("ann", "bob")
    assert audience.percent_bp == 1000


def test_annotations_from_before_ask_for_nothing() -> None:
    requests = Requests("old", "older")
    state = enter_rollout(REGISTRY, IMAGE, None, None, requests, NOW)
    assert step_on(state, requests=requests).phase is P.ANALYSING


def test_entering_again_changes_nothing() -> None:
    """What an operator that is killed after publishing and before writing the status finds."""
    state = start()
    document = choose_audience(REGISTRY, state)
    again = enter_rollout(REGISTRY, IMAGE, None, document, NONE, NOW + MINUTE)
    assert choose_audience(REGISTRY, again) == document
    kept = enter_rollout(REGISTRY, IMAGE, ANALYSING, FlagDocument(), NONE, NOW + MINUTE)
    assert kept == ANALYSING


def test_while_live_users_are_copied_back_everybody_stays() -> None:
    known = FlagDocument(revision=7, enabled=True, percent_bp=10_000, legacy_writes=False, salt="s", routes={"a": "b"})
    off = build_registry(enabled=False)
    for legacy, written in ((LegacyState.STOPPED, False), (LegacyState.RESTORING, True)):
        state = start(off).model_copy(update={"legacy": LegacyStatus(state=legacy)})
        audience = plan_audience(off, state, known)
        assert (audience.enabled, audience.percent_bp, audience.legacy_writes) == (True, 10_000, written)
        assert not audience.routes


def test_a_way_back_waits_for_the_copy() -> None:
    restoring = LegacyStatus(state=LegacyState.RESTORING, message="not instant")
    state = build_state(P.ROLLING_BACK, 0, legacy=restoring)
    after = step_on(state, EVERYWHERE)
    assert (after.phase, after.message) == (P.ROLLING_BACK, "not instant")


def test_events_tell_each_step_once() -> None:
    state, told = start(), []
    for flag, now in ((EVERYWHERE, NOW), (seen(FEW), NOW + MINUTE), (seen(GOOD), NOW + 2 * MINUTE)):
        after = step_on(state, flag, now=now)
        told += [event.reason for event in find_rollout_events(state, after)]
        assert find_rollout_events(after, after) == []
        state = after
    assert told == ["StepAnalysing", "StepInconclusive", "StepPassed", "StepPublishing"]
    back = step_on(state, requests=Requests("", "x"))
    assert [each.reason for each in find_rollout_events(state, back)] == ["RollbackRequested", "RollingBack"]


@given(
    outcomes=st.lists(st.sampled_from([GOOD, FEW, None, BAD]), max_size=30),
    promotions=st.lists(st.integers(0, 29), max_size=4),
    percents=st.lists(st.floats(0, 100), min_size=1, max_size=6).map(sorted),
    known_bp=st.none() | st.integers(0, 10_000),
)
def test_revisions_only_grow_and_nobody_leaves_until_it_is_taken_back(
    outcomes: list[RolloutFigures | None], promotions: list[int], percents: list[float], known_bp: int | None
) -> None:
    """Whatever is measured and promoted, and with an operator that begins anew at each look."""
    registry = build_registry(
        rollout={"steps": [{"users": ["ann"]}, *({"percent": each} for each in percents)], "interval": "1m"}
    )
    published = plan_flag(KEY, build_spec(), FlagDocument(), [])
    if known_bp is not None:
        published = msgspec.structs.replace(
            published, enabled=True, percent_bp=min(known_bp, round(percents[-1] * 100))
        )
    before: RolloutStatus | None = None
    users = [f"user{number}" for number in range(40)]
    for turn, figures in enumerate(outcomes):
        now = NOW + turn * MINUTE
        requests = Requests(promote=str(sum(place <= turn for place in promotions)) if before else "")
        state = enter_rollout(registry, IMAGE, before, published, requests, now)
        state = RolloutStatus.model_validate_json(state.model_dump_json(by_alias=True))
        document = plan_flag(KEY, build_spec(), plan_audience(registry, state, published), [published])
        assert document.revision >= published.revision
        if document != published:
            assert document.revision > published.revision
        if state.failed is None:
            had = {user for user in users if is_on(published, user, None)}
            assert had <= {user for user in users if is_on(document, user, None)}
            assert plan_share(document) is None or document.percent_bp is not None
        published = document
        before = next_rollout_step(registry, IMAGE, state, seen(figures), requests, now)
