"""Conditions, phase, and when a status is worth a write."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.manifests.target import Target
from controller.model.kinds import DEPLOYMENT, SERVICE, STATEFUL_SET
from controller.model.observed import ObjectRef, Refusal
from controller.model.service import InvalidSpec, PinnokioService
from controller.model.status import REASON, Status
from controller.plan.audience import choose_audience
from controller.plan.conditions import Finding, plan_conditions
from controller.plan.generated import plan_flag
from controller.plan.health import Part, Problem
from controller.plan.rollout import Requests, enter_rollout
from controller.plan.scaling import QueueView, Reading, plan_farewell
from controller.plan.status import next_status_write, plan_farewells, plan_status
from tests.controller.builders import KEY, UID, build_spec, build_target

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
TARGET = build_target(queues=[{"name": "default"}])
API = ObjectRef(DEPLOYMENT, "demo-api")


def _parts(api_ready: int = 1) -> tuple[Part, ...]:
    refs = {"valkey": "valkey", "api": "api", "default": "worker", "beat": "beat"}
    return tuple(
        Part(name, component, API, 1, api_ready if name == "api" else 1, 1, is_current=True, needed=1)
        for name, component in refs.items()
    )


OFF = enter_rollout(TARGET.spec.unified_registry, "i", None, None, Requests(), NOW)
UP = Finding(parts=_parts())
DOWN = Finding(parts=_parts(0))
LEAVING = {"old": QueueView(Reading(2, 0, 0), plan_farewell(Reading(2, 0, 0), is_orphan=False))}
CRASH = Finding(parts=_parts(0), problems=(Problem("api", "CrashLoopBackOff", "it ends"),))


def _service(status: Status | None = None) -> PinnokioService:
    return PinnokioService(KEY, UID, 3, False, False, TARGET.spec, status)


def _status(found: Finding, previous: Status | None = None, now: datetime = NOW) -> Status:
    found = replace(found, rollout=None if found.invalid else OFF)
    return plan_status(_service(previous), None if found.invalid else TARGET, found, published=True, now=now)


def _words(status: Status) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


READY = {
    "Ready": ("True", "AllReady"),
    "Progressing": ("False", "Complete"),
    "Degraded": ("False", "AsExpected"),
    "Paused": ("False", "NotPaused"),
    "FlagRollout": ("True", "Off"),
}


@pytest.mark.parametrize(
    ("found", "phase", "changes"),
    [
        (UP, "Ready", {}),
        (DOWN, "Pending", {"Ready": ("False", "NotAllReady"), "Progressing": ("True", "RollingOut")}),
        (
            CRASH,
            "Degraded",
            {
                "Ready": ("False", "NotAllReady"),
                "Progressing": ("False", "Blocked"),
                "Degraded": ("True", "CrashLoopBackOff"),
            },
        ),
        (
            Finding(parts=_parts(), refusals=(Refusal(API, "Forbidden", "exceeded quota"),)),
            "Degraded",
            {
                "Ready": ("False", "NotApplied"),
                "Progressing": ("False", "Blocked"),
                "Degraded": ("True", "Forbidden"),
            },
        ),
        (
            Finding(parts=_parts(0), taken=(ObjectRef(SERVICE, "demo-api"),)),
            "Degraded",
            {
                "Ready": ("False", "NotAllReady"),
                "Progressing": ("False", "Blocked"),
                "Degraded": ("True", "NameTaken"),
            },
        ),
        (
            Finding(parts=_parts(), valkey_owner="place/other"),
            "Degraded",
            {
                "Ready": ("False", "NotApplied"),
                "Progressing": ("False", "Blocked"),
                "Degraded": ("True", "ValkeyInUse"),
            },
        ),
        (
            Finding(parts=_parts(), waiting=(API,)),
            "Pending",
            {"Ready": ("False", "NotApplied"), "Progressing": ("True", "WaitingForRemoval")},
        ),
        (
            Finding(invalid=InvalidSpec(("spec.image: Field required",))),
            "Degraded",
            {
                "Ready": ("False", "InvalidSpec"),
                "Progressing": ("False", "Blocked"),
                "Degraded": ("True", "InvalidSpec"),
                "FlagRollout": ("Unknown", "InvalidSpec"),
            },
        ),
        (Finding(parts=_parts(), queues=LEAVING), "Ready", {"Progressing": ("True", "ServingFormerQueues")}),
        (
            replace(CRASH, valkey_fault="Valkey at cache: refused", queues=LEAVING),
            "Degraded",
            {
                "Ready": ("False", "NotAllReady"),
                "Progressing": ("True", "ServingFormerQueues"),
                "Degraded": ("True", "ValkeyUnreachable"),
            },
        ),
        (Finding(parts=_parts(), paused=True), "Ready", {"Paused": ("True", "Annotation")}),
        (
            Finding(parts=_parts(), paused=True, held=(API,), flag_held=True),
            "Pending",
            {
                "Ready": ("False", "NotApplied"),
                "Progressing": ("False", "Paused"),
                "Paused": ("True", "Annotation"),
                "FlagRollout": ("False", "Paused"),
            },
        ),
        (
            Finding(parts=_parts(0), paused=True),
            "Pending",
            {
                "Ready": ("False", "NotAllReady"),
                "Progressing": ("False", "Paused"),
                "Paused": ("True", "Annotation"),
            },
        ),
    ],
    ids=[
        "all run",
        "starting",
        "failing",
        "refused",
        "name taken",
        "Valkey taken",
        "waiting for a namesake",
        "invalid",
        "a queue leaves",
        "Valkey away",
        "paused",
        "changed while paused",
        "paused early",
    ],
)
def test_conditions_and_phase(found: Finding, phase: str, changes: dict[str, tuple[str, str]]) -> None:
    status = _status(found)
    assert _words(status) == READY | changes
    assert status.phase == phase
    assert status.observed_generation == 3


def test_a_queue_beyond_the_spec_is_told_once() -> None:
    orphan = QueueView(Reading(1, None, 0), plan_farewell(Reading(1, None, 0), is_orphan=True))
    parts = (*_parts(), Part("lost", "worker", API, 1, 0, 0, is_current=True, needed=0))
    first = _status(Finding(parts=parts, queues={"lost": orphan}))
    (told,) = plan_farewells(_status(UP), first)
    assert (told.name, told.decision) == ("lost", "Orphaned")
    assert plan_farewells(first, first) == ()


@pytest.mark.parametrize(
    ("before", "now", "phase"),
    [(UP, DOWN, "Progressing"), (CRASH, DOWN, "Progressing"), (DOWN, DOWN, "Pending"), (CRASH, UP, "Ready")],
    ids=["it ran", "it failed while others ran", "first start", "mended"],
)
def test_the_phase_remembers_that_it_ran(before: Finding, now: Finding, phase: str) -> None:
    assert _status(now, _status(before)).phase == phase


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    first = plan_conditions(DOWN, None, 1, NOW)
    second = plan_conditions(CRASH, _status(DOWN), 2, LATER)
    times = {each.type: each.last_transition_time for each in second}
    assert {each.last_transition_time for each in first} == {"2026-11-22T12:00:00Z"}
    assert times["Ready"] == "2026-11-22T12:00:00Z"
    assert times["Degraded"] == "2026-11-22T12:05:00Z"


def test_a_statefulset_that_cannot_change_says_how_it_is_made_anew() -> None:
    said = "StatefulSet.apps is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas'"
    refusal = Refusal(ObjectRef(STATEFUL_SET, "demo-valkey"), "Invalid", said)
    degraded = _status(Finding(parts=_parts(), refusals=(refusal,))).condition("Degraded")
    assert degraded is not None
    assert f"{said} (kubectl delete statefulset demo-valkey --cascade=orphan" in degraded.message


def test_messages_say_what_is_missing_and_stay_short() -> None:
    assert "api 0/1" in str(_status(DOWN).condition("Ready"))
    long = Finding(parts=_parts(0), problems=(Problem("api", "X", "y" * 5000),))
    degraded = _status(long).condition("Degraded")
    assert degraded is not None
    assert len(degraded.message) == 1024


@pytest.mark.parametrize(
    ("flag", "word"),
    [
        ({}, "off"),
        ({"enabled": True}, "on"),
        ({"enabled": True, "audience": {"users": ["u"]}}, "audience"),
        ({"enabled": True, "audience": {"excludeUsers": ["u"]}}, "on"),
        ({"enabled": True, "audience": {"percent": 0.5}}, "0.5%"),
    ],
)
def test_the_flags_word(flag: dict[str, Any], word: str) -> None:
    spec = build_spec(queues=[{"name": "default"}], unifiedRegistry=flag)
    registry = spec.unified_registry
    state = enter_rollout(registry, spec.image, None, None, Requests(), NOW)
    target = Target(KEY, UID, spec, None, plan_flag(KEY, spec, choose_audience(registry, state), []))
    status = plan_status(_service(), target, UP, published=True, now=NOW)
    assert status.summary is not None
    assert status.summary.flag == word


def test_the_status_survives_its_own_json() -> None:
    status = _status(CRASH)
    assert Status.model_validate(status.as_json()) == status


@pytest.mark.parametrize(
    ("previous", "planned", "written_s_ago", "wait_s"),
    [
        (None, _status(UP), None, 0),
        (_status(UP), _status(UP), 1, None),
        (_status(DOWN), _status(UP), 1, 0),
        (_status(UP), _status(UP).model_copy(update={"components": ()}), 1, 9),
        (_status(UP), _status(UP).model_copy(update={"components": ()}), 30, 0),
        (_status(UP), _status(UP).model_copy(update={"components": ()}), None, 0),
    ],
    ids=["first", "the same", "a condition", "figures, just written", "figures, long ago", "figures, new process"],
)
def test_when_a_status_is_written(
    previous: Status | None, planned: Status, written_s_ago: int | None, wait_s: int | None
) -> None:
    written = None if written_s_ago is None else NOW - timedelta(seconds=written_s_ago)
    wait = next_status_write(previous, planned, written, NOW)
    assert wait == (None if wait_s is None else timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    "found",
    [
        UP,
        DOWN,
        CRASH,
        Finding(invalid=InvalidSpec(("spec.image: Field required",))),
        Finding(parts=_parts(), paused=True),
        Finding(parts=_parts(0), problems=(Problem("api", "", "no reason given"),)),
        Finding(parts=_parts(), refusals=(Refusal(API, "422 not allowed: by policy", "no"),)),
    ],
    ids=["up", "down", "crash", "invalid", "paused", "a problem without a reason", "a webhook's words"],
)
def test_conditions_follow_the_api_conventions(found: Finding) -> None:
    """metav1.Condition: type, status, a reason of one word, a message, when, and of which generation."""
    conditions = _status(found).conditions
    assert len({each.type for each in conditions}) == len(conditions)
    for each in conditions:
        assert each.status in ("True", "False", "Unknown")
        assert re.match(REASON, each.reason), each
        # The rollout's is its own, and these have none.
        assert each.message or each.type == "FlagRollout"
        assert datetime.fromisoformat(each.last_transition_time).tzinfo is UTC
        assert each.observed_generation == 3
