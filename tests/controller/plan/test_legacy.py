"""When legacy writes stop, what must hold before, and the way back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.flag import FlagDocument
from contract.restoring import RestoreProgress
from controller.manifests.all import build_workloads
from controller.model.observed import Observed
from controller.model.rollout import UnifiedRegistry
from controller.model.rollout_status import LegacyState, LegacyStatus, RolloutPhase, RolloutStatus
from controller.plan.interval import format_time
from controller.plan.jobs import plan_jobs, read_job
from controller.plan.legacy import (
    Asked,
    JobState,
    LegacySeen,
    describe_restoring,
    next_legacy,
    next_legacy_look,
    read_asked,
)
from controller.plan.rollout import FlagSeen, Requests, enter_rollout
from tests.controller.builders import as_seen, build_spec, build_target

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
EVERYWHERE = FlagSeen(published=True, acknowledged=2, pods=2)
HALFWAY = FlagSeen(published=True, acknowledged=1, pods=2)
S = LegacyState


def build_registry(**fields: Any) -> UnifiedRegistry:
    return UnifiedRegistry.model_validate({"enabled": True, "legacyWrites": False} | fields)


WANTED = build_registry()
NOT_WANTED = build_registry(legacyWrites=True)
OFF = build_registry(enabled=False)
HALF = build_registry(audience={"percent": 50})
EXCLUDING = build_registry(audience={"excludeUsers": ["ann"]})
KNOWN = FlagDocument(enabled=True, legacy_writes=False)


def build_state(
    registry: UnifiedRegistry,
    state: LegacyState = S.WRITTEN,
    whole_for: timedelta | None = DAY,
    since: timedelta = timedelta(),
    copying: bool = False,
    phase: RolloutPhase | None = None,
) -> RolloutStatus:
    entered = enter_rollout(registry, "i", None, None, Requests(), NOW)
    legacy = LegacyStatus(state=state, attempt=3, since=format_time(NOW - since), copying=copying)
    whole = format_time(NOW - whole_for) if whole_for is not None else None
    return entered.model_copy(update={"legacy": legacy, "whole_since": whole, "phase": phase or entered.phase})


# How it stands (arguments of `build_state`), and what is seen.
Stands = dict[str, Any]
NEW: Stands = {}
VERIFYING: Stands = {"state": S.VERIFYING}
STOPPED: Stands = {"state": S.STOPPED}
RESTORING: Stands = {"state": S.RESTORING}
COPYING: Stands = RESTORING | {"copying": True}
UNSEEN, STOPPED_BEFORE = LegacySeen(), LegacySeen(known=KNOWN)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def _drifted_for(since: timedelta) -> Stands:
    return {"state": S.DRIFTED, "since": since}


def _copying_for(since: timedelta) -> Stands:
    return COPYING | {"since": since}


def _verified(how: JobState) -> LegacySeen:
    return LegacySeen(verify=how)


def _copied(how: JobState) -> LegacySeen:
    return LegacySeen(known=KNOWN, restore=how)


# What is wanted, how it stands, who serves by the flag, what is seen; state, attempt and copying after it.
STEPS: dict[str, tuple[UnifiedRegistry, Stands, FlagSeen, LegacySeen, tuple[LegacyState, int, bool]]] = {
    "not wanted": (NOT_WANTED, NEW, EVERYWHERE, UNSEEN, (S.WRITTEN, 3, False)),
    "not every pod": (WANTED, {"whole_for": None}, HALFWAY, UNSEEN, (S.WAITING, 3, False)),
    "not yet a day": (WANTED, {"whole_for": DAY - SECOND}, EVERYWHERE, UNSEEN, (S.WAITING, 3, False)),
    "a day: verified first": (WANTED, NEW, EVERYWHERE, UNSEEN, (S.VERIFYING, 4, False)),
    "the last step is watched": (WANTED, {"phase": RolloutPhase.ANALYSING}, EVERYWHERE, UNSEEN, (S.WAITING, 3, False)),
    "verifying": (WANTED, VERIFYING, EVERYWHERE, _verified(JobState.RUNNING), (S.VERIFYING, 3, False)),
    "no drift: stopped": (WANTED, VERIFYING, EVERYWHERE, _verified(JobState.SUCCEEDED), (S.STOPPED, 3, False)),
    "drift: not stopped": (WANTED, VERIFYING, EVERYWHERE, _verified(JobState.DRIFT), (S.DRIFTED, 3, False)),
    "not verified: not stopped": (WANTED, VERIFYING, EVERYWHERE, _verified(JobState.FAILED), (S.DRIFTED, 3, False)),
    "not wanted any more": (NOT_WANTED, VERIFYING, EVERYWHERE, _verified(JobState.SUCCEEDED), (S.WRITTEN, 3, False)),
    "drifted: later": (WANTED, _drifted_for(59 * MINUTE), EVERYWHERE, _verified(JobState.DRIFT), (S.DRIFTED, 3, False)),
    "drifted: again": (WANTED, _drifted_for(HOUR), EVERYWHERE, _verified(JobState.DRIFT), (S.VERIFYING, 4, False)),
    "stopped, Valkey away": (WANTED, STOPPED, FlagSeen(), STOPPED_BEFORE, (S.STOPPED, 3, False)),
    "written again": (NOT_WANTED, STOPPED, EVERYWHERE, STOPPED_BEFORE, (S.RESTORING, 3, False)),
    "off: not at once": (OFF, STOPPED, EVERYWHERE, STOPPED_BEFORE, (S.RESTORING, 3, False)),
    "fewer: not at once": (HALF, STOPPED, EVERYWHERE, STOPPED_BEFORE, (S.RESTORING, 3, False)),
    "one more excluded: not at once": (EXCLUDING, STOPPED, EVERYWHERE, STOPPED_BEFORE, (S.RESTORING, 3, False)),
    "not every pod writes yet": (OFF, RESTORING, HALFWAY, STOPPED_BEFORE, (S.RESTORING, 3, False)),
    "every pod writes: copy": (OFF, RESTORING, EVERYWHERE, STOPPED_BEFORE, (S.RESTORING, 4, True)),
    "copying": (OFF, COPYING, HALFWAY, _copied(JobState.RUNNING), (S.RESTORING, 3, True)),
    "copied": (OFF, COPYING, EVERYWHERE, _copied(JobState.SUCCEEDED), (S.WRITTEN, 3, False)),
    "failed: later": (OFF, _copying_for(59 * SECOND), EVERYWHERE, _copied(JobState.FAILED), (S.RESTORING, 3, True)),
    "failed: again": (OFF, _copying_for(MINUTE), EVERYWHERE, _copied(JobState.FAILED), (S.RESTORING, 4, True)),
}


@pytest.mark.parametrize(("registry", "stands", "flag", "seen", "after"), STEPS.values(), ids=STEPS.keys())
def test_the_legacy_registry(
    registry: UnifiedRegistry,
    stands: Stands,
    flag: FlagSeen,
    seen: LegacySeen,
    after: tuple[LegacyState, int, bool],
) -> None:
    state = build_state(registry, **stands)
    legacy = next_legacy(registry, state, flag, seen, NOW, Asked.NOTHING).legacy
    assert (legacy.state, legacy.attempt, legacy.copying) == after
    assert legacy.message or legacy.state in (S.WRITTEN, state.legacy.state)


def test_a_person_has_it_verified_again() -> None:
    state = build_state(WANTED, S.DRIFTED)
    assert next_legacy(WANTED, state, EVERYWHERE, LegacySeen(), NOW, Asked.PROMOTED).legacy.state is S.VERIFYING


def test_the_copy_back_says_that_it_is_not_instant_and_how_far_it_is() -> None:
    words = describe_restoring(RestoreProgress(server="s", scanned=300, live=40, restored=12), 1200)
    state, seen = build_state(OFF, S.RESTORING, copying=True), LegacySeen(KNOWN, None, JobState.RUNNING, words)
    message = next_legacy(OFF, state, EVERYWHERE, seen, NOW, Asked.NOTHING).legacy.message
    assert message.startswith("not instant")
    assert message.endswith("25% of the keys looked at, 40 live users, 12 copied")


@pytest.mark.parametrize("job", [JobState.RUNNING, JobState.FAILED])
def test_a_copy_that_cannot_run_says_why_and_the_way_out(job: JobState) -> None:
    state = build_state(OFF, S.RESTORING, copying=True)
    seen = LegacySeen(KNOWN, restore=job, restored="25% of the keys", trouble="Job demo-restore-3: no such image")
    message = next_legacy(OFF, state, EVERYWHERE, seen, NOW, Asked.NOTHING).legacy.message
    assert "Job demo-restore-3: no such image; mend that, or" in message
    assert message.endswith("kubectl pinnokio rollback --force")


def test_a_verification_that_cannot_run_says_why_as_long_as_it_cannot() -> None:
    state = build_state(WANTED, S.VERIFYING)
    for trouble, message in (("no such image", "no such image"), ("", "a Job compares both registries")):
        seen = LegacySeen(verify=JobState.RUNNING, trouble=trouble)
        state = next_legacy(WANTED, state, EVERYWHERE, seen, NOW, Asked.NOTHING)
        assert state.legacy.message == message


@pytest.mark.parametrize("state", [S.STOPPED, S.RESTORING])
def test_a_person_may_go_back_without_the_copy(state: LegacyState) -> None:
    kept = build_state(OFF, state, copying=state is S.RESTORING)
    after = next_legacy(OFF, kept, EVERYWHERE, LegacySeen(known=KNOWN), NOW, Asked.FORCED)
    assert after.legacy.state is S.WRITTEN
    assert not plan_jobs(after.legacy)


@pytest.mark.parametrize(
    ("requests", "asked"),
    [
        (Requests(), Asked.NOTHING),
        (Requests(promote="new"), Asked.PROMOTED),
        (Requests(promote="done"), Asked.NOTHING),
        (Requests(rollback="new"), Asked.NOTHING),
        (Requests(rollback="force 1"), Asked.FORCED),
        (Requests(rollback="force done"), Asked.NOTHING),
        (Requests(promote="new", rollback="force 1"), Asked.FORCED),
    ],
)
def test_what_has_just_been_asked(requests: Requests, asked: Asked) -> None:
    handled = {"handled_promote": "done", "handled_rollback": "force done"}
    assert read_asked(build_state(WANTED).model_copy(update=handled), requests) is asked


@pytest.mark.parametrize(
    ("registry", "whole_for", "flag", "after"),
    [
        pytest.param(WANTED, None, HALFWAY, None, id="not every pod"),
        pytest.param(WANTED, None, FlagSeen(True, 0, 0), None, id="no pod"),
        pytest.param(WANTED, None, EVERYWHERE, NOW, id="begins"),
        pytest.param(WANTED, DAY, FlagSeen(), NOW - DAY, id="Valkey away changes nothing"),
        pytest.param(HALF, DAY, EVERYWHERE, None, id="not everybody"),
        pytest.param(OFF, DAY, EVERYWHERE, None, id="off"),
    ],
)
def test_since_when_it_is_on_for_everybody(
    registry: UnifiedRegistry, whole_for: timedelta | None, flag: FlagSeen, after: datetime | None
) -> None:
    state = build_state(registry, whole_for=whole_for)
    found = next_legacy(registry, state, flag, LegacySeen(), NOW, Asked.NOTHING).whole_since
    assert found == (format_time(after) if after else None)


def test_when_to_look_again() -> None:
    waiting = build_state(WANTED, S.WAITING, whole_for=timedelta(hours=20))
    assert next_legacy_look(waiting, NOW) == timedelta(hours=4)
    assert next_legacy_look(build_state(WANTED, S.DRIFTED, since=timedelta(minutes=50)), NOW) == timedelta(minutes=10)
    assert next_legacy_look(build_state(WANTED, S.STOPPED), NOW) is None


@pytest.mark.parametrize(
    ("state", "copying", "command"),
    [
        (S.WRITTEN, False, None),
        (S.WAITING, False, None),
        (S.VERIFYING, False, "verify"),
        (S.DRIFTED, False, "verify"),
        (S.STOPPED, False, None),
        (S.RESTORING, False, None),
        (S.RESTORING, True, "restore-legacy"),
    ],
)
def test_the_job_that_runs(state: LegacyState, copying: bool, command: str | None) -> None:
    jobs = plan_jobs(LegacyStatus(state=state, copying=copying, attempt=2))
    assert [each.command for each in jobs] == ([command] if command else [])


def _condition(kind: str, reason: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": "True", "reason": reason}]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, JobState.RUNNING),
        ({"active": 1, "failed": 1}, JobState.RUNNING),
        (_condition("SuccessCriteriaMet"), JobState.RUNNING),
        (_condition("Complete"), JobState.SUCCEEDED),
        (_condition("Failed", "PodFailurePolicy"), JobState.DRIFT),
        (_condition("Failed", "BackoffLimitExceeded"), JobState.FAILED),
        (_condition("Failed", "DeadlineExceeded"), JobState.FAILED),
    ],
    ids=["new", "between two tries", "ending", "done", "drift", "failed", "too long"],
)
def test_how_the_job_fares(status: dict[str, Any], expected: JobState) -> None:
    target = replace(build_target(), jobs=plan_jobs(LegacyStatus(state=S.VERIFYING, attempt=1)))
    (job,) = [each for each in build_workloads(target) if each["kind"] == "Job"]
    assert read_job(target, "verify", Observed.of([])) is None
    seen = as_seen(job)
    seen["status"] = status
    assert read_job(target, "verify", Observed.of([seen])) is expected
    assert read_job(target, "restore-legacy", Observed.of([seen])) is None
    # Another image is another Job: the pod of one cannot change.
    other = replace(target, spec=build_spec(image="pinnokio:2"))
    assert read_job(other, "verify", Observed.of([seen])) is None
