"""What is said against a request, when it is done, and what kubectl's refusals become."""

from typing import Any

import pytest

from controller.kubectl.cluster import explain
from controller.kubectl.requests import (
    build_pause,
    build_promote,
    build_resume,
    build_rollback,
    find_objection_to_promote,
    find_objection_to_rollback,
    is_settled,
)
from controller.kubectl.view import read_view
from tests.controller.kubectl.services import NOW, build_service

FORBIDDEN = (
    'Error from server (Forbidden): pinnokioservices.pinnokio.io "a" is forbidden: User "eve" cannot patch'
    ' resource "pinnokioservices" in API group "pinnokio.io" in the namespace "shop"'
)
OFF = {"phase": "Off", "step": 0, "steps": 0}


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({}, None),
        ({"rollout": {"phase": "RolledBack"}}, None),
        ({"rollout": OFF}, "set spec.unifiedRegistry.enabled: true"),
        ({"rollout": OFF | {"phase": "Direct"}}, "there are no steps"),
        ({"rollout": {"phase": "Complete"}}, "the rollout is complete"),
        ({"rollout": {"phase": "Complete", "legacy": {"state": "Drifted"}}}, None),
        ({"annotations": {"pinnokio.io/paused": "true"}}, "resume --everything first"),
    ],
    ids=["under way", "rolled back", "off", "no steps", "complete", "drifted", "all held"],
)
def test_what_is_said_against_promoting(service: dict[str, Any], words: str | None) -> None:
    objection = find_objection_to_promote(read_view(build_service(**service)))
    assert (objection is None) if words is None else (words in str(objection))


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({}, None),
        ({"rollout": {"phase": "Direct"}}, None),
        ({"rollout": {"phase": "RolledBack", "step": 2}}, None),
        ({"rollout": {"phase": "RolledBack", "step": 0}}, "rolled back already"),
        ({"rollout": OFF}, "off already"),
        ({"rollout": OFF | {"legacy": {"state": "Restoring"}}}, None),
        ({"annotations": {"pinnokio.io/paused": "true"}}, "resume --everything first"),
    ],
    ids=["under way", "no steps", "rolled back by one step", "rolled back", "off", "on until copied", "all held"],
)
def test_what_is_said_against_rolling_back(service: dict[str, Any], words: str | None) -> None:
    objection = find_objection_to_rollback(read_view(build_service(**service)))
    assert (objection is None) if words is None else (words in str(objection))


def test_values_are_new_each_time_and_begin_with_their_word() -> None:
    assert build_promote(NOW, to_the_end=False) == "2026-11-22T12:00:00.000000Z"
    assert build_promote(NOW, to_the_end=True).split()[0] == "all"
    assert build_rollback(NOW) == "2026-11-22T12:00:00.000000Z"
    assert build_rollback(NOW, one_step=True).split()[0] == "previous"
    assert build_rollback(NOW, forced=True).split()[0] == "force"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (build_pause(None, everything=False), "pinnokio.io/rollout-paused=true"),
        (build_pause("in", everything=False), "pinnokio.io/scaling-paused=in"),
        (build_pause(None, everything=True), "pinnokio.io/paused=true"),
        (build_resume(scaling=False, everything=False), "pinnokio.io/rollout-paused-"),
        (build_resume(scaling=True, everything=False), "pinnokio.io/scaling-paused-"),
        (build_resume(scaling=False, everything=True), "pinnokio.io/paused-"),
    ],
)
def test_annotations(annotation: str, expected: str) -> None:
    assert annotation == expected


@pytest.mark.parametrize(
    ("rollout", "flag", "expected"),
    [
        ({"handledRollback": "v", "phase": "RolledBack"}, {}, True),
        ({"handledRollback": "v", "phase": "RollingBack"}, {}, False),
        ({"handledRollback": "v", "phase": "Off", "legacy": {"state": "Restoring"}}, {}, False),
        ({"handledRollback": "older", "phase": "RolledBack"}, {}, False),
        ({"handledRollback": "v", "phase": "RolledBack"}, {"acknowledged": 2}, False),
        ({"handledRollback": "v", "phase": "RolledBack"}, {"acknowledged": None}, False),
        ({"handledRollback": "v", "phase": "RolledBack"}, {"published": False}, False),
    ],
    ids=["done", "under way", "on until copied", "an older one", "a pod is missing", "not known", "not in Valkey"],
)
def test_when_a_request_is_done(rollout: dict[str, Any], flag: dict[str, Any], expected: bool) -> None:
    service = build_service(rollout)
    service["status"]["flag"] |= flag
    assert is_settled(read_view(service), "v", is_rollback=True) is expected


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('error: the server doesn\'t have a resource type "pinnokioservices"', "knows no PinnokioService"),
        (
            "The connection to the server 127.0.0.1:1 was refused - right host?",
            "no cluster answers",
        ),
        ("Unable to connect to the server: dial tcp: lookup nowhere: no such host", "no cluster answers"),
        ('error: context "prod" does not exist', "no cluster is chosen"),
        ("error: You must be logged in to the server (Unauthorized)", "log in again"),
        (
            FORBIDDEN,
            "you may not patch pinnokioservices in namespace shop",
        ),
        ("E1122 12:00:00 memcache.go:265 noise\nerror: something else", "something else"),
    ],
    ids=["no CRD", "refused", "no host", "no context", "no login", "forbidden", "other words"],
)
def test_what_kubectl_says_becomes_what_to_do(said: str, words: str) -> None:
    assert words in explain(said)
