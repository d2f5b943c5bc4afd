"""What people and faults break is put right within ten seconds (measured from the fault to the service being whole)."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e import release
from tests.e2e.client import forwarded
from tests.e2e.conftest import Release

pytestmark = pytest.mark.cluster

DEADLINE_S = 10.0
POLL_S = 0.2


def read(released: Release, *what: str) -> Any:
    return json.loads(released.kubectl("get", *what, "-o", "json", "--ignore-not-found") or "null")


def wait_for(is_right: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not is_right():
        if time.monotonic() > deadline:
            pytest.fail(f"not put right within {deadline_s:.0f} s: {what}")
        time.sleep(POLL_S)


def is_available(released: Release, name: str, other_than: str = "") -> bool:
    """A Deployment of that name, not the one of uid `other_than`, has all its replicas up to date and available."""
    found = read(released, "deployment", name)
    if found is None or found["metadata"]["uid"] == other_than:
        return False
    status, wanted = found["status"], found["spec"]["replicas"]
    return bool(
        status.get("observedGeneration") == found["metadata"]["generation"]
        and status.get("availableReplicas", 0) == status.get("replicas", 0) == wanted
        and status.get("updatedReplicas", 0) == wanted
    )


@pytest.mark.parametrize("component", ["api", "worker-computation", "beat"])
def test_a_deleted_deployment_comes_back(released: Release, component: str) -> None:
    name = f"{released.name}-{component}"
    uid = read(released, "deployment", name)["metadata"]["uid"]
    released.kubectl("delete", "deployment", name, "--wait=false")
    wait_for(lambda: is_available(released, name, other_than=uid), f"deployment {name} deleted")


def test_edited_replicas_are_put_back(released: Release) -> None:
    name = f"{released.name}-worker-computation"
    wanted = read(released, "deployment", name)["spec"]["replicas"]
    released.kubectl("scale", "deployment", name, f"--replicas={wanted + 2}")
    wait_for(lambda: is_available(released, name) and read(released, "deployment", name)["spec"]["replicas"] == wanted,
             "replicas edited")  # fmt: skip


def test_a_killed_api_pod_is_replaced_and_answers(released: Release) -> None:
    selector = ["pods", "-l", "app.kubernetes.io/component=api"]
    killed = {pod["metadata"]["name"] for pod in read(released, *selector)["items"]}
    released.kubectl("delete", "pod", *killed, "--grace-period=0", "--force")
    wait_for(lambda: is_available(released, f"{released.name}-api"), "API pod killed")
    with forwarded(released.cluster, released.namespace, released.name) as client:
        assert client.get("/readyz") == {"ok": True}


def test_a_killed_operator_comes_back_and_goes_on(released: Release) -> None:
    pods = read(released, "pods", "-l", "app.kubernetes.io/component=operator")["items"]
    assert len(pods) == 1
    name = f"{released.name}-beat"
    uid = read(released, "deployment", name)["metadata"]["uid"]
    released.kubectl("delete", "pod", pods[0]["metadata"]["name"], "--grace-period=0", "--force")
    released.kubectl("delete", "deployment", name, "--wait=false")
    wait_for(lambda: is_available(released, name, other_than=uid), "operator and beat killed")
    release.wait_ready(released.cluster, released.namespace, released.name)
