"""What stands around the pods, on a real API server: taken as it is built, left alone once it is there, and removed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.controller.cluster.operator import (
    UNPLACEABLE,
    Namespace,
    Operator,
    build_service,
    wait_for,
    wait_until_still,
)

pytestmark = pytest.mark.cluster

KINDS = (
    "deployment",
    "service",
    "secret",
    "networkpolicy",
    "poddisruptionbudget",
    "horizontalpodautoscaler",
    "ingress",
)
EVERYTHING: dict[str, Any] = {
    "api": {
        "resources": UNPLACEABLE,
        "auth": {"websocket": True},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
        "ingress": {
            "host": "api.example.com",
            "className": "nginx",
            "annotations": {"example.com/timeout": "3600"},
            "tls": {"secretName": "api-tls"},
            "websocket": True,
        },
    },
    "networkPolicy": {
        "apiFrom": [{"namespaceSelector": {"matchLabels": {"team": "reflex"}}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
    },
    "spread": {"whenUnsatisfiable": "DoNotSchedule"},
    "flower": {"enabled": True, "resources": UNPLACEABLE},
    "chroma": {"host": "chroma.internal", "ssl": True, "tokenSecretRef": {"name": "chroma", "key": "token"}},
}
ADDED = {
    "HorizontalPodAutoscaler/demo-api",
    "Ingress/demo-api",
    "Deployment/demo-flower",
    "Service/demo-flower",
    "NetworkPolicy/demo-flower",
}


@pytest.fixture
def served(place: Namespace, operator: Operator) -> Iterator[Namespace]:
    mine = replace(place, service="platform")
    mine.apply(build_service(mine.service, api={"resources": UNPLACEABLE, "replicas": 3}))
    wait_for(lambda: _replicas(mine), lambda seen: seen == 3, 40)
    yield mine
    mine.kubectl("delete", "psvc", mine.service, "--wait=false")


def test_everything_around_the_pods_comes_stays_and_goes(served: Namespace) -> None:
    before = served.names(*KINDS)
    worker = _template(served, "worker-default")
    served.apply(build_service(served.service, **EVERYTHING))
    wait_for(lambda: served.names(*KINDS), lambda names: names == before | ADDED, 30)
    # The number that ran is the autoscaler's to begin with, not one.
    seen = {_replicas(served)}
    versions = wait_until_still(lambda: _versions(served, seen))
    assert seen == {3}
    # Two looks more: what the API server added is no drift, and nothing is written again.
    served.kubectl("label", "configmap", f"{served.service}-flag", "seen=one", "--overwrite")
    assert wait_until_still(lambda: _versions(served, seen)) == versions
    login = json.loads(served.kubectl("get", "secret", f"{served.service}-auth", "-o", "json"))["data"]
    assert set(login) == {"token", "valkey-password", "flower"}
    assert served.condition("Degraded").get("reason") != "NotApplied"

    # An autoscaler's number, a hand's as well, is left as it is.
    served.kubectl("scale", f"deployment/{served.service}-api", "--replicas=4")
    wait_until_still(lambda: _versions(served, seen))
    assert _replicas(served) == 4
    # A policy opened by hand is closed again.
    policy = f"networkpolicy/{served.service}-valkey"
    served.kubectl("patch", policy, "--type=json", "-p", '[{"op":"replace","path":"/spec/ingress","value":[{}]}]')
    wait_for(lambda: _read(served, policy)["spec"]["ingress"][0].get("from"), lambda peers: peers)

    served.apply(build_service(served.service, api={"resources": UNPLACEABLE, "replicas": 2}))
    wait_for(lambda: served.names(*KINDS), lambda names: names == before, 30)
    wait_for(lambda: _replicas(served), lambda replicas: replicas == 2)
    # Chroma apart, workers were never touched by any of it.
    assert _template(served, "worker-default") == worker


def _read(served: Namespace, what: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(served.kubectl("get", what, "-o", "json"))
    return document


def _replicas(served: Namespace) -> int | None:
    deployment = served.get("deployment", f"{served.service}-api")
    return None if deployment is None else int(deployment["spec"]["replicas"])


def _template(served: Namespace, name: str) -> dict[str, Any]:
    template: dict[str, Any] = _read(served, f"deployment/{served.service}-{name}")["spec"]["template"]
    return template


def _versions(served: Namespace, seen: set[int | None]) -> dict[str, int]:
    """Generations of all objects, which Kubernetes' own controllers leave alone; replicas of the API beside."""
    seen.add(_replicas(served))
    return {name: each["metadata"].get("generation", 0) for name, each in served.children(*KINDS).items()}
