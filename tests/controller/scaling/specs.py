"""PinnokioServices whose workers alone run: on the test's Valkey, with an API that no node has room for."""

from typing import Any, Final

from tests.controller.cluster.operator import UNPLACEABLE
from tests.controller.scaling.broker import Broker

COOLDOWN_S: Final = 6
# Two noisy cores bring a worker up in ten seconds at worst; what is promised is measured by the benchmark.
PATIENCE_S: Final = 90.0
SMALL: Final = {"requests": {"cpu": "10m", "memory": "64Mi"}}
TYPES: Final = (
    "document_analysis",
    "vector_embeddings",
    "report_generation",
    "data_transformation",
    "ml_analysis",
    "llm_conversation",
    "cleanup",
    "health_check",
)


def build_queue(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "resources": SMALL, "scaling": {"cooldownSeconds": COOLDOWN_S}} | more


def build_service(name: str, image: str, broker: Broker, /, *queues: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Every task type goes to `default`, which sleeps; `more` stands in its spec."""
    return {
        "apiVersion": "pinnokio.io/v1alpha1",
        "kind": "PinnokioService",
        "metadata": {"name": name},
        "spec": {
            "image": image,
            "imagePullPolicy": "IfNotPresent",
            "api": {"resources": UNPLACEABLE},
            "beat": {"enabled": False},
            "queues": [{"name": "default", "minReplicas": 0, "resources": SMALL}, *queues],
            "routes": dict.fromkeys(TYPES, "default"),
            "valkey": {"mode": "external", "external": {"host": broker.address, "port": broker.port}},
            **more,
        },
    }
