"""What a person does first when called: opens the status page, and asks the running pods to say more."""

import re
import time

import httpx
import pytest

from tests.e2e.client import forwarded
from tests.e2e.conftest import Release

pytestmark = pytest.mark.cluster

TOLD_S = 30.0
COMPONENTS = ("api", "worker", "beat")


def test_the_status_page_opens_by_port_forward(released: Release) -> None:
    with forwarded(released.cluster, released.namespace, released.name) as client:
        url = f"http://{client.address}/status"
        assert httpx.get(url).status_code == 401
        deadline = time.monotonic() + TOLD_S
        # A pod that has just come is there after its first heartbeat.
        while missing := _workers(released) - _shown(url, client.token or ""):
            assert time.monotonic() < deadline, f"the page lacks {missing}"
            time.sleep(0.5)


def _workers(released: Release) -> set[str]:
    pods = released.kubectl("get", "pods", "-l", "app.kubernetes.io/component=worker", "-o", "name").split()
    assert pods
    return {pod.removeprefix("pod/") for pod in pods}


def _shown(url: str, token: str) -> set[str]:
    """The words of the page."""
    page = httpx.get(url, auth=("anybody", token))
    assert page.status_code == 200
    return set(re.findall(r"[\w-]+", page.text))


def test_every_pod_changes_its_level_without_a_restart(released: Release) -> None:
    before = released.pod_uids("!=flower")
    for level in ("DEBUG", "INFO"):
        released.change(logLevel=level)
        for component in COMPONENTS:
            _wait_until_told(released, component, level)
    assert released.pod_uids("!=flower") == before


def _wait_until_told(released: Release, component: str, level: str) -> None:
    """Until each of its pods has said that it logs at `level` now."""
    selector = f"app.kubernetes.io/instance={released.name},app.kubernetes.io/component={component}"
    pods = released.kubectl("get", "pods", "-l", selector, "-o", "name").split()
    deadline = time.monotonic() + TOLD_S
    for pod in pods:
        while f'"level_now":"{level}"' not in released.kubectl("logs", pod):
            assert time.monotonic() < deadline, f"{pod} does not log at {level}"
            time.sleep(0.2)
