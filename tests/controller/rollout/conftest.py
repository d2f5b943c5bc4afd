"""A service whose API runs on the cluster, with a Valkey on this machine that pods, operator and test reach."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contract import flag, keys
from contract.flag import FlagDocument
from tests.controller.cluster.conftest import crd, operator, place
from tests.controller.cluster.operator import Namespace, Operator, wait_for
from tests.controller.rollout.traffic import Traffic
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.conftest import server
from tests.e2e.images import Images

__all__ = ["crd", "operator", "place", "server"]
SMALL = {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
TYPES = ("document_analysis", "vector_embeddings", "report_generation", "data_transformation", "ml_analysis")
# Two noisy cores bring a pod up in twenty seconds at worst.
PATIENCE_S = 90.0
USERS = [f"user{number}" for number in range(60)]


@dataclass
class Served(Namespace):
    """The PinnokioService under test: it is patched, never applied anew, so that nothing but the flag changes."""

    image: str = ""
    broker: Broker | None = None

    def create(self, more: Mapping[str, Any] | None = None, **registry: Any) -> None:
        """`more` stands in its spec."""
        assert self.broker is not None
        spec = {
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "api": {"resources": SMALL, "auth": {"disabled": True}, "replicas": 2},
            "beat": {"enabled": False},
            "queues": [{"name": "default", "minReplicas": 0, "resources": SMALL}],
            "routes": dict.fromkeys((*TYPES, "llm_conversation", "cleanup", "health_check"), "default"),
            "valkey": {"mode": "external", "external": {"host": self.broker.address, "port": self.broker.port}},
            "unifiedRegistry": registry,
            **(more or {}),
        }
        meta = {"name": self.service}
        self.apply({"apiVersion": "pinnokio.io/v1alpha1", "kind": "PinnokioService", "metadata": meta, "spec": spec})
        wait_for(lambda: self.condition("Ready").get("status"), lambda status: status == "True", PATIENCE_S)

    def switch(self, **registry: Any) -> None:
        """Merges into spec.unifiedRegistry; None removes a field."""
        patch = json.dumps({"spec": {"unifiedRegistry": registry}})
        self.kubectl("patch", "psvc", self.service, "--type=merge", "-p", patch)

    def annotate(self, *annotations: str) -> None:
        self.kubectl("annotate", "--overwrite", "psvc", self.service, *annotations)

    def rollout(self) -> dict[str, Any]:
        rollout: dict[str, Any] = self.status().get("rollout", {})
        return rollout

    def await_phase(self, phase: str, step: int | None = None, within_s: float = PATIENCE_S) -> dict[str, Any]:
        return wait_for(
            self.rollout,
            lambda seen: seen.get("phase") == phase and step in (None, seen["step"]),
            within_s,
        )

    def document(self) -> FlagDocument:
        """What stands in Valkey."""
        assert self.broker is not None
        with self.broker.client() as client:
            raw = client.get(keys.FLAG)
        assert isinstance(raw, bytes)
        return flag.decode(raw)

    def pods(self) -> dict[str, str]:
        """Addresses of the API's pods, by name."""
        selector = f"app.kubernetes.io/instance={self.service},app.kubernetes.io/component=api"
        listed = json.loads(self.kubectl("get", "pod", "-l", selector, "-o", "json"))["items"]
        return {each["metadata"]["name"]: each["status"].get("podIP", "") for each in listed}

    def traffic(self) -> Traffic:
        return Traffic(lambda: [address for address in self.pods().values() if address], USERS)


@pytest.fixture(scope="module")
def shared(place: Namespace, operator: Operator, server: Broker, images: Images) -> Iterator[Served]:
    """One service for the module: its pods take longer to come than anything that is tested on them."""
    served = Served(place.cluster, place.name, "rolled", images.app, server)
    served.create()
    yield served
    served.kubectl("delete", "psvc", served.service, "--ignore-not-found", "--wait=false")
    served.kubectl("delete", "pod", "--all", "--grace-period=0", "--force", "--wait=false")


@pytest.fixture
def served(shared: Served) -> Iterator[Served]:
    """The flag off for everybody, nothing remembered of former rollouts."""
    yield replace(shared)
    shared.annotate("pinnokio.io/rollout-paused-")
    shared.switch(enabled=False, rollout=None, audience=None, legacyWrites=True, debug=False)
    shared.await_phase("Off")
    wait_for(lambda: shared.document().enabled, lambda enabled: not enabled, 60)
