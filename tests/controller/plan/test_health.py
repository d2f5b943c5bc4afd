"""Figures of the parts, and what stands in their way."""

import copy
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.manifests.target import Workers
from controller.model.base import JsonObject
from controller.model.kinds import DEPLOYMENT
from controller.model.observed import ObjectRef, Observed
from controller.plan.health import Part, find_problems, next_check, plan_parts
from tests.controller.builders import all_seen, build_pod, build_target, running

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
TARGET = build_target(queues=[{"name": "default"}])


def _seen(*pods: JsonObject, api: dict[str, Any] | None = None) -> Observed:
    """Everything runs but the API, whose Deployment says `api`."""
    documents = []
    for seen in all_seen(TARGET, **running()).objects.values():
        document = copy.deepcopy(seen.document)
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "demo-api":
            document["status"] = {"observedGeneration": 1, "replicas": 1} | (api or {})
        documents.append(document)
    return Observed.of(documents, pods)


def _waiting(reason: str, message: object = "", **more: Any) -> JsonObject:
    state = {"name": "api", "image": "pinnokio:1", "state": {"waiting": {"reason": reason, "message": message}}}
    return build_pod(containerStatuses=[state | more])


def _condition(kind: str, ago_s: int, message: str = "") -> JsonObject:
    since = (NOW - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"type": kind, "status": "False", "lastTransitionTime": since, "message": message}
    return build_pod(conditions=[said | ({"reason": "Unschedulable"} if kind == "PodScheduled" else {})])


CRASHED: dict[str, Any] = {
    "lastState": {"terminated": {"reason": "Error", "exitCode": 1, "message": "first\nlast words"}}
}


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        (_waiting("ErrImagePull", "no such image"), "ImagePullBackOff", "image pinnokio:1 cannot be had"),
        (_waiting("ImagePullBackOff", "Back-off pulling"), "ImagePullBackOff", "correct the image"),
        (_waiting("CreateContainerConfigError", 'secret "x" not found'), "CreateContainerConfigError", "not found"),
        (_waiting("CrashLoopBackOff", **CRASHED), "CrashLoopBackOff", "(Error, exit code 1): first last words"),
        (
            _waiting("CrashLoopBackOff", lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}}),
            "OOMKilled",
            "(OOMKilled, exit code 137)",
        ),
        (_waiting("", restartCount=2, **CRASHED), "CrashLoopBackOff", "ends again and again"),
        (_condition("PodScheduled", 30, "0/1 nodes"), "Unschedulable", "cannot be placed: 0/1 nodes"),
        (_condition("ContainersReady", 90, "unready"), "NotReady", "runs but its probes fail: unready"),
    ],
)
def test_a_failing_pod_says_why(pod: JsonObject, reason: str, words: str) -> None:
    observed = _seen(pod)
    (problem,) = find_problems(plan_parts(TARGET, observed), observed, NOW)
    assert problem.part == "api"
    assert problem.reason == reason
    assert words in problem.message


@pytest.mark.parametrize(
    "pod",
    [
        _waiting("ContainerCreating"),
        _waiting("", restartCount=1, **CRASHED),
        _condition("PodScheduled", 5),
        _condition("ContainersReady", 5),
        _waiting("CrashLoopBackOff") | {"metadata": build_pod("worker", queue="other")["metadata"]},
    ],
    ids=["being made", "one restart", "placed in a moment", "starting", "another part's"],
)
def test_what_may_pass_by_itself_is_no_problem(pod: JsonObject) -> None:
    observed = _seen(pod)
    assert find_problems(plan_parts(TARGET, observed), observed, NOW) == ()


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}], "FailedCreate"),
        (
            [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"}],
            "ProgressDeadlineExceeded",
        ),
        ([{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": ""}], None),
    ],
)
def test_a_deployment_says_why(conditions: list[JsonObject], reason: str | None) -> None:
    observed = _seen(api={"conditions": conditions})
    problems = find_problems(plan_parts(TARGET, observed), observed, NOW)
    assert [problem.reason for problem in problems] == ([reason] if reason else [])


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (running(), True),
        (running() | {"observedGeneration": 0}, False),
        (running() | {"replicas": 2}, False),
        (running() | {"updatedReplicas": 0}, False),
        ({}, False),
    ],
    ids=["all run", "not seen by its controller yet", "an old pod is left", "the old pod alone", "nothing yet"],
)
def test_ready_means_that_the_wanted_pods_run_what_the_spec_says(status: dict[str, int], ready: bool) -> None:
    parts = plan_parts(TARGET, _seen(api={"replicas": 0} | status))
    assert {part.name: part.is_ready for part in parts} == {
        "valkey": True,
        "api": ready,
        "default": True,
        "beat": True,
    }


def _elastic(status: dict[str, Any], generation: int, unscaled: int | None) -> tuple[Part, Observed]:
    """A queue of which three workers are wanted and one is the fewest."""
    target = dataclasses.replace(TARGET, workers=Workers({"default": 3}))
    ref = ObjectRef(DEPLOYMENT, "demo-worker-default")
    documents = []
    for seen in all_seen(target, **running()).objects.values():
        document = copy.deepcopy(seen.document)
        if seen.ref == ref:
            document["metadata"]["generation"] = generation
            document["status"] = {"observedGeneration": 1} | status
        documents.append(document)
    observed = Observed.of(documents, (), {}, {} if unscaled is None else {ref: unscaled})
    return next(part for part in plan_parts(target, observed) if part.name == "default"), observed


@pytest.mark.parametrize(
    ("status", "generation", "unscaled", "ready"),
    [
        (running(3), 1, None, True),
        (running(1), 1, None, True),
        (running(1), 2, 1, True),
        (running(1), 2, None, False),
        (running(0), 1, None, False),
        (running(2) | {"updatedReplicas": 1}, 1, None, False),
    ],
    ids=["all", "its fewest", "just scaled", "just changed", "none", "an old pod is left"],
)
def test_a_queue_is_ready_with_its_fewest_workers(
    status: dict[str, int], generation: int, unscaled: int | None, ready: bool
) -> None:
    part, _ = _elastic(status, generation, unscaled)
    assert part.is_ready is ready
    assert (part.desired, part.needed) == (3, 1)


def test_a_queue_that_is_ready_and_cannot_grow_says_why() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    part, observed = _elastic(running(1) | {"conditions": [refused]}, 1, None)
    (problem,) = find_problems([part], observed, NOW)
    assert (part.is_ready, problem.reason) == (True, "FailedCreate")


def test_it_is_looked_at_again_when_patience_ends() -> None:
    assert next_check(_seen(_condition("PodScheduled", 5)), NOW) == timedelta(seconds=16)
    assert next_check(_seen(_condition("PodScheduled", 25)), NOW) is None
    assert next_check(_seen(), NOW) is None


@pytest.mark.parametrize(
    ("replicas", "ready", "expected"),
    [
        pytest.param(2, 2, (2, 2, True), id="at its fewest"),
        pytest.param(4, 4, (4, 2, True), id="grown"),
        pytest.param(4, 3, (4, 2, True), id="growing"),
        pytest.param(2, 1, (2, 2, False), id="one missing"),
        pytest.param(1, 1, (1, 1, True), id="not yet looked at by the autoscaler"),
    ],
)
def test_an_autoscaled_api_is_ready_with_its_fewest_pods(
    replicas: int, ready: int, expected: tuple[int, int, bool]
) -> None:
    target = build_target(api={"autoscaling": {"minReplicas": 2, "maxReplicas": 5}})
    documents = [each.document for each in all_seen(target, **running(ready)).objects.values()]
    for document in documents:
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "demo-api":
            document["spec"]["replicas"] = replicas
    (api,) = [part for part in plan_parts(target, Observed.of(documents)) if part.name == "api"]
    assert (api.desired, api.needed, api.is_ready) == expected


def test_flower_is_a_part_where_it_runs() -> None:
    target = build_target(flower={"enabled": True})
    assert "flower" in {part.name for part in plan_parts(target, all_seen(target, **running()))}
