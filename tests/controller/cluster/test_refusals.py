"""Specs that are wrong, refused by the API server with words that say what to change, and names that are taken."""

from dataclasses import replace
from typing import Any

import pytest

from contract import keys
from contract.flag import decode
from tests.cluster.model import ClusterError
from tests.controller.cluster.operator import Namespace, Operator, build_service, wait_for
from tests.service.valkey_server import running_valkey

pytestmark = pytest.mark.cluster

# The first of these tests starts the operator.
START_S = 30.0
DEFAULT, COMPUTATION = {"name": "default"}, {"name": "computation"}
ROUTES = {"llm_conversation": "default", "cleanup": "default", "health_check": "default"}


def _queues(*queues: dict[str, Any]) -> dict[str, Any]:
    return {"queues": list(queues)}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no image": ({"image": None}, "spec.image: Required value"),
    "empty image": ({"image": ""}, "spec.image: Invalid value"),
    "unknown queue in a route": (
        {"routes": ROUTES | {"document_analysis": "fast"}},
        "spec.routes.document_analysis names a queue that spec.queues does not have: add the queue or correct",
    ),
    "min above max": (
        _queues(DEFAULT, COMPUTATION | {"minReplicas": 5, "maxReplicas": 2}),
        "minReplicas is above maxReplicas: lower minReplicas or raise maxReplicas",
    ),
    "external without host": (
        {"valkey": {"mode": "external"}},
        "mode external needs spec.valkey.external.host: set it, or use mode embedded",
    ),
    "external with an empty host": (
        {"valkey": {"mode": "external", "external": {"host": ""}}},
        "spec.valkey.external.host: Invalid value",
    ),
    "external host in embedded mode": (
        {"valkey": {"external": {"host": "cache"}}},
        "spec.valkey.external is set but mode is embedded: set mode external, or remove it",
    ),
    "same queue twice": (_queues(DEFAULT, COMPUTATION, COMPUTATION), "Duplicate value"),
    "no default queue": (
        _queues(COMPUTATION) | {"routes": dict.fromkeys(ROUTES, "computation")},
        "spec.queues needs a queue named default",
    ),
    "a task type that nobody serves": (
        _queues(DEFAULT),
        "document_analysis go to queue computation, which spec.queues does not have: add that queue, or route",
    ),
    "queue name in capitals": (_queues(DEFAULT, COMPUTATION, {"name": "Fast"}), "spec.queues[2].name"),
    "no queue": ({"queues": []}, "spec.queues: Invalid value"),
    "concurrency of zero": (_queues(DEFAULT | {"concurrency": 0}, COMPUTATION), "greater than or equal to 1"),
    "negative replicas": ({"api": {"replicas": -1}}, "spec.api.replicas"),
    "hard limit below soft": (
        _queues(DEFAULT, COMPUTATION | {"softTimeLimitSeconds": 60, "hardTimeLimitSeconds": 60}),
        "hardTimeLimitSeconds needs a softTimeLimitSeconds below it: set or lower softTimeLimitSeconds",
    ),
    "a hard limit that workers refuse": (
        _queues(DEFAULT, COMPUTATION | {"softTimeLimitSeconds": 60, "hardTimeLimitSeconds": 7200}),
        "spec.queues[1].hardTimeLimitSeconds",
    ),
    "a soft limit whose hard limit workers refuse": (
        _queues(DEFAULT, COMPUTATION | {"softTimeLimitSeconds": 7140}),
        "softTimeLimitSeconds is above 7139: lower it, or set hardTimeLimitSeconds, at most 7199; a task that",
    ),
    "another key prefix for the API": (
        {"api": {"env": [{"name": "CELERY_KEY_PREFIX", "value": "x:"}]}},
        "env CELERY_KEY_PREFIX is the whole service's: set it in spec.env",
    ),
    "another key prefix for a queue": (
        _queues(DEFAULT, COMPUTATION | {"env": [{"name": "CELERY_KEY_PREFIX", "value": "x:"}]}),
        "env CELERY_KEY_PREFIX is the whole service's: set it in spec.env",
    ),
    "a key prefix that the operator cannot see": (
        {"env": [{"name": "CELERY_KEY_PREFIX", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
        "env CELERY_KEY_PREFIX must be a value: the operator looks for waiting tasks by it",
    ),
    "percentage above 100": (
        {"unifiedRegistry": {"enabled": True, "audience": {"percent": 101}}},
        "spec.unifiedRegistry.audience.percent",
    ),
    "a percentage beside steps": (
        {"unifiedRegistry": {"audience": {"percent": 5}, "rollout": {"steps": [{"percent": 10}]}}},
        "audience.percent and rollout contradict each other: the steps set the percentage; remove one",
    ),
    "steps that fall": (
        {"unifiedRegistry": {"rollout": {"steps": [{"percent": 10}, {"users": ["a"]}, {"percent": 5}]}}},
        "the percentage falls from one step to a later one: put the steps in growing order",
    ),
    "a step for nobody": (
        {"unifiedRegistry": {"rollout": {"steps": [{"users": []}]}}},
        "a step needs users, companies or percent: say for whom the flag comes on",
    ),
    "no steps": ({"unifiedRegistry": {"rollout": {"steps": []}}}, "spec.unifiedRegistry.rollout.steps"),
    "an interval without its unit": (
        {"unifiedRegistry": {"rollout": {"interval": "10", "steps": [{"percent": 1}]}}},
        "spec.unifiedRegistry.rollout.interval",
    ),
    "legacy writes off for some": (
        {"unifiedRegistry": {"enabled": True, "legacyWrites": False, "rollout": {"steps": [{"percent": 50}]}}},
        "legacyWrites: false needs the flag to be on for everybody in the end",
    ),
    "a Prometheus that is no address": (
        {
            "unifiedRegistry": {
                "rollout": {"steps": [{"percent": 1}], "analysis": {"prometheus": {"url": "prometheus:9090"}}}
            }
        },
        "spec.unifiedRegistry.rollout.analysis.prometheus.url",
    ),
    "same user twice": ({"unifiedRegistry": {"audience": {"users": ["a", "a"]}}}, "Duplicate value"),
    "auth disabled with a token": (
        {"api": {"auth": {"disabled": True, "tokenSecretRef": {"name": "a", "key": "b"}}}},
        "auth.disabled and auth.tokenSecretRef contradict each other: remove one",
    ),
    "a variable that is the operator's": (
        {"env": [{"name": "CELERY_QUEUES", "value": "x"}]},
        "env CELERY_QUEUES is set by the operator: use the field of the spec that stands for it",
    ),
    "a variable twice": ({"env": [{"name": "A"}, {"name": "A"}]}, "Duplicate value"),
    "value and source at once": (
        {"env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
        "set value or valueFrom, not both",
    ),
    "envFrom of nothing": ({"envFrom": [{"prefix": "A_"}]}, "set exactly one of secretRef and configMapRef"),
    "a scan for sessions behind the spec's back": (
        {"env": [{"name": "LEGACY_SESSION_SCAN", "value": "true"}]},
        "env LEGACY_SESSION_SCAN is set by the operator",
    ),
    "no legacy registry for the old service": (
        {"unifiedRegistry": {"enabled": True, "legacyWrites": False}, "migration": {"oldService": True}},
        "set migration.oldService: false once it is gone, or leave legacyWrites true",
    ),
    "no quantity": ({"api": {"resources": {"limits": {"memory": "lots"}}}}, "spec.api.resources.limits.memory"),
    "a negative quantity": ({"beat": {"resources": {"requests": {"cpu": -1}}}}, "spec.beat.resources.requests.cpu"),
    "a negative quantity in words": (
        {"valkey": {"embedded": {"resources": {"limits": {"memory": "-1Gi"}}}}},
        "spec.valkey.embedded.resources.limits.memory",
    ),
    "memory requested beyond its limit": (
        {"api": {"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": 1024}}}},
        "requests.memory is above limits.memory: raise the limit",
    ),
    "CPU requested beyond its limit": (
        _queues(DEFAULT, COMPUTATION | {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}),
        "requests.cpu is above limits.cpu: raise the limit",
    ),
    "a route with an endless name": ({"routes": {"x" * 101: "default"}}, "a key takes at most 100 characters"),
    "an annotation with an endless name": (
        {"api": {"ingress": {"host": "api.example.com", "annotations": {"x" * 317: ""}}}},
        "a key takes at most 316 characters",
    ),
    "a label with an endless name": (
        {"networkPolicy": {"apiFrom": [{"podSelector": {"matchLabels": {"x" * 317: ""}}}]}},
        "a key takes at most 316 characters",
    ),
    "unknown pull policy": ({"imagePullPolicy": "Sometimes"}, "Unsupported value"),
    "a field that does not exist": ({"replica": 3}, 'unknown field "spec.replica"'),
    "an Ingress that opens /ws to anyone": (
        {"api": {"ingress": {"host": "api.example.com", "websocket": True}}},
        "set api.auth.websocket: true, so that /ws asks for the bearer token, or remove api.ingress.websocket",
    ),
    "an Ingress that opens /rpc to anyone": (
        {"api": {"auth": {"disabled": True}, "ingress": {"host": "api.example.com"}}},
        "remove api.auth.disabled, or remove api.ingress",
    ),
    "a token for /ws where there is none": (
        {"api": {"auth": {"disabled": True, "websocket": True}}},
        "there is no token that /ws could ask for; remove one",
    ),
    "WS_AUTH behind the spec's back": (
        {"api": {"env": [{"name": "WS_AUTH", "value": "none"}]}},
        "env WS_AUTH is set by the operator",
    ),
    "an Ingress without a host": ({"api": {"ingress": {"className": "nginx"}}}, "spec.api.ingress.host: Required"),
    "autoscaling upside down": (
        {"api": {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}},
        "api.autoscaling.minReplicas is above maxReplicas: lower minReplicas or raise maxReplicas",
    ),
    "autoscaling by a CPU that nobody requests": (
        {"api": {"resources": {"limits": {"memory": "1Gi"}}, "autoscaling": {}}},
        "set api.resources.requests.cpu",
    ),
    "a peer of two kinds": (
        {
            "networkPolicy": {
                "apiFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {"matchLabels": {"a": "b"}}}]
            }
        },
        "a peer is an ipBlock, or pods by namespaceSelector, podSelector or both: set one of the two kinds",
    ),
    "a peer that is nobody": ({"networkPolicy": {"valkeyFrom": [{}]}}, "set one of the two kinds"),
    "no CIDR": ({"networkPolicy": {"apiFrom": [{"ipBlock": {"cidr": "office"}}]}}, "apiFrom[0].ipBlock.cidr"),
    "an authority that nobody looks at": (
        {"valkey": {"mode": "external", "external": {"host": "h", "tls": {"caSecretRef": {"name": "a", "key": "b"}}}}},
        "tls.caSecretRef is not looked at unless tls.enabled and tls.verify are true: set both, or remove it",
    ),
    "Chroma without a host": ({"chroma": {"port": 8000}}, "spec.chroma.host: Required value"),
    "a port out of range": (
        {"valkey": {"mode": "external", "external": {"host": "h", "port": 70000}}},
        "spec.valkey.external.port",
    ),
}


@pytest.mark.parametrize(("spec", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_spec_is_refused_with_what_to_change(place: Namespace, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(ClusterError) as refusal:
        place.apply(build_service(**spec))
    assert words in str(refusal.value)


@pytest.mark.parametrize("name", ["1st", "a.b", "x" * 41])
def test_a_name_that_objects_cannot_carry_is_refused(place: Namespace, name: str) -> None:
    with pytest.raises(ClusterError, match=r"metadata.name takes at most 40"):
        place.apply(build_service(name))


def test_the_volume_of_an_existing_service_cannot_change(place: Namespace) -> None:
    place.apply(build_service("sized", valkey={"embedded": {"storage": {"size": "64Mi"}}}))
    place.apply(build_service("sized", valkey={"embedded": {"storage": {"size": "65536Ki"}}}))
    with pytest.raises(ClusterError, match="resize the PersistentVolumeClaim itself"):
        place.apply(build_service("sized", valkey={"embedded": {"storage": {"size": "1Gi"}}}))


def test_an_object_of_someone_else_is_left_alone(place: Namespace, operator: Operator) -> None:
    mine = replace(place, service="taken")
    mine.kubectl("create", "configmap", "taken-flag", "--from-literal=mine=1")
    mine.apply(build_service(mine.service))
    degraded = wait_for(lambda: mine.condition("Degraded"), lambda seen: seen.get("reason") == "NameTaken", START_S)
    assert "ConfigMap taken-flag belongs to someone else" in degraded["message"]
    config = mine.get("configmap", "taken-flag")
    assert config is not None
    assert config["data"] == {"mine": "1"}


def test_without_its_secret_nothing_is_started(place: Namespace, operator: Operator) -> None:
    """Values that cannot be kept would be others each time, and pods restart with each."""
    mine = replace(place, service="locked")
    mine.kubectl("create", "secret", "generic", "locked-auth", "--from-literal=mine=1")
    mine.apply(build_service(mine.service))
    degraded = wait_for(lambda: mine.condition("Degraded"), lambda seen: seen.get("reason") == "NameTaken", START_S)
    assert "Secret locked-auth belongs to someone else" in degraded["message"]
    assert mine.names("deployment", "statefulset") == set()
    mine.kubectl("delete", "secret", "locked-auth")
    wait_for(lambda: mine.names("deployment"), len, 20)


def test_a_valkey_that_serves_another_service_is_told_and_left_alone(place: Namespace, operator: Operator) -> None:
    with running_valkey(cluster=False) as valkey:
        external = {"mode": "external", "external": {"host": "127.0.0.1", "port": valkey.port}}
        first, second = replace(place, service="owner"), replace(place, service="guest")
        first.apply(build_service(first.service, valkey=external))
        wait_for(lambda: first.status().get("flag", {}).get("published"), bool, START_S)
        second.apply(build_service(second.service, valkey=external, unifiedRegistry={"enabled": True}))
        degraded = wait_for(
            lambda: second.condition("Degraded"), lambda seen: seen.get("reason") == "ValkeyInUse", START_S
        )
        assert f"Its Valkey serves PinnokioService {place.name}/owner" in degraded["message"]
        with valkey.client() as client:
            raw: Any = client.get(keys.FLAG)
        assert decode(raw).salt == f"{place.name}/owner"
        for mine in (first, second):
            mine.kubectl("delete", "psvc", mine.service, "--wait=false")
