"""Who acts, case by case, and what is written into the Lease."""

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.model.base import JsonObject
from controller.plan.leadership import (
    DURATION_S,
    Holder,
    Verdict,
    Watched,
    build_lease,
    build_release,
    holder_of,
    is_pod_gone,
    plan_claim,
)

NOW = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)
ME = Holder("operator-b", "uid-b")


def _lease(holder: str | None, duration_s: int | None = DURATION_S, pod_uid: str | None = None) -> JsonObject:
    spec: dict[str, Any] = {"leaseDurationSeconds": duration_s, "leaseTransitions": 3, "acquireTime": "then"}
    if holder:
        spec["holderIdentity"] = holder
    annotations = {"pinnokio.io/holder-pod": pod_uid} if pod_uid else None
    return {
        "metadata": {"name": "operator", "namespace": "place", "resourceVersion": "7", "annotations": annotations},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param(Watched(None), Verdict.CREATE, id="there is none"),
        pytest.param(Watched(_lease(None)), Verdict.TAKE, id="given back"),
        pytest.param(Watched(_lease("operator-b")), Verdict.TAKE, id="mine, from before my container restarted"),
        pytest.param(Watched(_lease("operator-a"), 14.9), Verdict.WAIT, id="renewed a moment ago"),
        pytest.param(Watched(_lease("operator-a"), 15.0), Verdict.TAKE, id="not renewed for its duration"),
        pytest.param(Watched(_lease("operator-a", 60), 30.0), Verdict.WAIT, id="a longer duration"),
        pytest.param(Watched(_lease("operator-a", None), 15.0), Verdict.TAKE, id="no duration said"),
        pytest.param(Watched(_lease("operator-a"), 1.0, is_pod_gone=True), Verdict.TAKE, id="its pod is gone"),
        pytest.param(Watched(_lease("operator-a"), 1.0, is_pod_gone=False), Verdict.WAIT, id="its pod is there"),
    ],
)
def test_what_to_do_about_a_lease(seen: Watched, verdict: Verdict) -> None:
    assert plan_claim(ME, seen) is verdict


@pytest.mark.parametrize(
    ("pod", "gone"),
    [
        pytest.param(None, True, id="not there"),
        pytest.param({"metadata": {"uid": "other"}}, True, id="another of that name"),
        pytest.param({"metadata": {"uid": "u"}, "status": {"phase": "Failed"}}, True, id="ended"),
        pytest.param({"metadata": {"uid": "u"}, "status": {"phase": "Running"}}, False, id="runs"),
        pytest.param({"metadata": {"uid": "u", "deletionTimestamp": "now"}}, False, id="going, and not gone"),
    ],
)
def test_whether_the_holders_pod_is_gone(pod: JsonObject | None, gone: bool) -> None:
    assert is_pod_gone(Holder("a", "u"), pod) is gone


def test_a_lease_tells_who_took_it_and_when() -> None:
    first = build_lease("operator", "place", ME, None, NOW)
    assert holder_of(first) == ME
    assert first["spec"]["acquireTime"] == first["spec"]["renewTime"] == "2026-11-22T12:00:00.000005Z"
    assert first["spec"]["leaseTransitions"] == 0
    taken = build_lease("operator", "place", ME, _lease("operator-a"), NOW)
    assert taken["metadata"]["resourceVersion"] == "7"
    assert taken["spec"]["leaseTransitions"] == 4
    renewed = build_lease("operator", "place", ME, _lease("operator-b"), NOW)
    assert (renewed["spec"]["acquireTime"], renewed["spec"]["leaseTransitions"]) == ("then", 3)


def test_a_lease_that_was_given_back_is_nobodys() -> None:
    given = build_release(_lease("operator-b"), NOW)
    assert holder_of(given) is None
    assert plan_claim(Holder("operator-c"), Watched(given)) is Verdict.TAKE
    assert given["spec"]["leaseTransitions"] == 3
