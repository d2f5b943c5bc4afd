"""What keeps the Job of a registry from its work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest

from contract.kubernetes import LABEL_JOB
from controller.manifests.job import build_job
from controller.manifests.target import RegistryJob
from controller.model.base import JsonObject
from controller.model.kinds import JOB
from controller.model.observed import ObjectRef, Observed, Refusal
from controller.plan.jobs import find_job_problem, next_job_check
from tests.controller.builders import as_seen, build_pod, build_target

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
TARGET = build_target()
Command = Literal["verify", "restore-legacy"]


def _observed(
    *pods: JsonObject, command: Command = "restore-legacy", age_s: int = 60, **status: Any
) -> tuple[Any, Observed]:
    """A target with that Job, and the Job with its pods."""
    asked = RegistryJob(command, 1)
    job = as_seen(build_job(TARGET, asked), **status)
    job["metadata"]["creationTimestamp"] = (NOW - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number, pod in enumerate(pods):
        pod["metadata"] |= {"name": f"pod-{number}"}
        pod["metadata"]["labels"][LABEL_JOB] = job["metadata"]["name"]
    return replace(TARGET, jobs=(asked,)), Observed.of([job], pods)


def _pod(phase: str, **container: Any) -> JsonObject:
    state = {"name": "registry-job", "image": "pinnokio:1", "restartCount": 0} | container
    return build_pod("registry-job", phase=phase, containerStatuses=[state])


def _failed(second: int, words: str) -> JsonObject:
    ended = {"reason": "Error", "exitCode": 1, "message": words, "finishedAt": f"2026-11-22T11:59:{second:02}Z"}
    pod = _pod("Failed", ready=False, state={"terminated": ended})
    stale = {"type": "ContainersReady", "status": "False", "lastTransitionTime": "2026-11-22T11:00:00Z"}
    pod["status"]["conditions"] = [stale]
    return pod


UNPLACED = build_pod(
    "registry-job",
    phase="Pending",
    conditions=[
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes",
            "lastTransitionTime": "2026-11-22T11:59:00Z",
        }
    ],
)
DONE: dict[str, Any] = {"conditions": [{"type": "Complete", "status": "True"}]}
GAVE_UP: dict[str, Any] = {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}


@pytest.mark.parametrize(
    ("case", "reason", "words"),
    [
        (_observed(_pod("Pending", state={"waiting": {"reason": "ErrImagePull"}})), "ImagePullBackOff", "pinnokio:1"),
        (_observed(UNPLACED), "Unschedulable", "cannot be placed: 0/1 nodes"),
        (_observed(), "FailedCreate", "no pod is made for it"),
        (_observed(_failed(2, "later"), _failed(1, "sooner")), "JobFails", "(Error, exit code 1): later"),
        (_observed(_failed(2, "later"), _failed(1, "sooner"), **GAVE_UP), "JobFails", "one after another"),
        (
            _observed(_pod("Pending", state={"waiting": {"reason": "ErrImagePull"}}), command="verify"),
            "ImagePullBackOff",
            "",
        ),
    ],
    ids=["no image", "no room", "no pod", "its pods fail", "it gave up", "a verification"],
)
def test_a_job_that_cannot_work_says_why(case: tuple[Any, Observed], reason: str, words: str) -> None:
    problem = find_job_problem(*case, (), NOW)
    assert problem is not None
    assert problem.part.startswith("Job demo-")
    assert problem.reason == reason
    assert words in problem.message


@pytest.mark.parametrize(
    "case",
    [
        _observed(age_s=5),
        _observed(_pod("Running", ready=True, state={"running": {}})),
        _observed(_failed(1, "once"), _pod("Running", ready=True, state={"running": {}})),
        _observed(_failed(1, "a"), _failed(2, "b"), command="verify", **GAVE_UP),
        _observed(_pod("Succeeded"), **DONE),
        (TARGET, Observed.of([])),
    ],
    ids=["just made", "runs", "failed once", "a verification gave up", "done", "none is asked for"],
)
def test_what_may_pass_or_is_told_elsewhere_is_no_problem(case: tuple[Any, Observed]) -> None:
    assert find_job_problem(*case, (), NOW) is None


def test_a_job_that_is_refused_says_why() -> None:
    target, observed = _observed()
    ref = next(iter(observed.objects))
    assert ref.kind is JOB
    refusals = (Refusal(ObjectRef(JOB, "another"), "Forbidden", "no"), Refusal(ref, "Forbidden", "exceeded quota"))
    problem = find_job_problem(target, Observed.of([]), refusals, NOW)
    assert problem is not None
    assert str(problem) == f"{ref}: exceeded quota"


def test_a_job_without_a_pod_is_looked_at_again_when_one_is_due() -> None:
    assert next_job_check(*_observed(age_s=5), NOW) == timedelta(seconds=16)
    assert next_job_check(*_observed(), NOW) is None
    assert next_job_check(TARGET, Observed.of([]), NOW) is None
