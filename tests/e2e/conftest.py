"""One released service for the tests of this folder: the chart and the sample, as `make up` installs them."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.model import Cluster
from tests.e2e import release
from tests.e2e.images import Images
from tests.missing import end_test_without

NAME = "sample"


@dataclass(frozen=True)
class Release:
    """A PinnokioService that is Ready, and the namespace it lives in with its operator."""

    cluster: Cluster
    namespace: str
    name: str

    def kubectl(self, *args: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *args)

    def change(self, **spec: Any) -> None:
        """Merges into the spec, None removing a field; returns when what runs is what the spec says."""
        patch = json.dumps({"spec": spec})
        self.kubectl("patch", "pinnokioservice", self.name, "--type=merge", "--patch", patch)
        release.wait_ready(self.cluster, self.namespace, self.name)

    def pod_uids(self, component: str) -> set[str]:
        """Uids of pods; `component` begins with `=` or `!=`."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component{component}"
        pods = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return {pod["metadata"]["uid"] for pod in pods}

    def service_address(self, component: str) -> str:
        """Where the component's Service is reached from this machine; ends the test where it is not."""
        if self.cluster.provider_name != "source":
            end_test_without("a cluster from source, whose Service addresses this machine reaches")
        return self.kubectl("get", "service", f"{self.name}-{component}", "-o", "jsonpath={.spec.clusterIP}")


@pytest.fixture(scope="package")
def released(cluster: Cluster, images: Images) -> Iterator[Release]:
    """Installed once for this folder; each test leaves it Ready."""
    namespace = f"e2e-{uuid.uuid4().hex[:8]}"
    release.install_operator(cluster, namespace, images)
    release.apply(cluster, namespace, release.sample_service(NAME, images))
    release.wait_ready(cluster, namespace, NAME)
    yield Release(cluster, namespace, NAME)
    cluster.kubectl("delete", "pinnokioservice", NAME, "--namespace", namespace, "--wait=false")
    release.helm(cluster, "uninstall", "pinnokio", "--namespace", namespace)
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
