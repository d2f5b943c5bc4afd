"""A task that runs while operator, chart and CRD are upgraded under it: it ends, in the pod in which it began."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import CRD
from tests.chart.releases import Release, wait_until
from tests.chart.rendering import Helm
from tests.chart.test_release import add_column, operator_variable, package_with, write_older_crd
from tests.cluster.model import Cluster
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.conftest import broker, image, server
from tests.e2e.images import Images

pytestmark = pytest.mark.cluster

__all__ = ["broker", "image", "server"]
NAME = "books"
UNPLACEABLE = {"requests": {"cpu": "1000"}}
TYPES = (
    "document_analysis",
    "vector_embeddings",
    "report_generation",
    "data_transformation",
    "ml_analysis",
    "llm_conversation",
    "cleanup",
    "health_check",
)


@pytest.fixture
def release(live_helm: Helm, cluster: Cluster, namespace: str, image: str, own_crd: Path) -> Iterator[Release]:
    made = Release(live_helm, cluster, namespace, Images(app=image, valkey=""))
    yield made
    made.command("uninstall", "--ignore-not-found")


def _values(broker: Broker, image: str, **operator: Any) -> dict[str, Any]:
    """One queue with one worker; the service's own image stays as the operator's changes."""
    spec = {
        "image": image,
        "api": {"resources": UNPLACEABLE},
        "beat": {"enabled": False},
        "queues": [{"name": "default", "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}],
        "routes": dict.fromkeys(TYPES, "default"),
        "valkey": {"mode": "external", "external": {"host": broker.address, "port": broker.port}},
    }
    return {"service": {"enabled": True, "name": NAME, "spec": spec}, "operator": operator}


def _workers(release: Release) -> dict[str, tuple[str, int]]:
    """Uid and restarts by name."""
    selector = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=worker"
    pods = json.loads(release.kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            sum(each["restartCount"] for each in pod["status"].get("containerStatuses", [])),
        )
        for pod in pods
    }


def test_running_tasks_survive_an_upgrade_of_operator_and_crd(
    release: Release, broker: Broker, image: str, own_crd: Path, tmp_path: Path
) -> None:
    write_older_crd(own_crd, tmp_path)
    release.install(_values(broker, image))
    broker.send(1, "default")
    wait_until(lambda: broker.started() == 1, "a worker has taken the task")
    before = _workers(release)
    assert len(before) == 1

    newer = package_with(release.helm, tmp_path, add_column)
    release.upgrade(_values(broker, image, logLevel="DEBUG", replicas=2), newer)
    assert operator_variable(release, "LOG_LEVEL") == "DEBUG"
    assert release.crd(CRD)["spec"]["versions"][0]["additionalPrinterColumns"][-1]["name"] == "Novelty"
    # The new operator acts: it puts right what is deleted.
    release.kubectl("delete", "service", f"{NAME}-api")
    wait_until(lambda: bool(release.names("services", "--selector", f"app.kubernetes.io/instance={NAME}")), "back")

    assert _workers(release) == before
    assert (broker.started(), broker.ended()) == (1, 0)
    broker.open_gate()
    wait_until(lambda: broker.ended() == 1, "the task has ended")
    assert broker.started() == 1
    wait_until(lambda: broker.unacked() == 0, "its message is gone")
    assert _workers(release) == before
