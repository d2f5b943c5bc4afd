"""What stands around the pods: autoscaler, budgets, Ingress, policies, spread, Flower, Chroma, TLS to Valkey."""

from dataclasses import replace
from typing import Any, cast

import pytest

from controller.manifests.target import Target
from controller.model.base import JsonObject
from tests.controller.builders import build_all, build_target

OPERATOR = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "control"}},
    "podSelector": {"matchLabels": {"pinnokio.io/role": "operator"}},
}
OWN = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "pinnokio", "app.kubernetes.io/instance": "demo"}}}
REFLEX = {"namespaceSelector": {"matchLabels": {"team": "reflex"}}, "podSelector": {"matchLabels": {"app": "reflex"}}}
PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
OFFICE = {"ipBlock": {"cidr": "10.1.0.0/16"}}


def _built(target: Target, kind: str) -> dict[str, JsonObject]:
    built = cast("list[JsonObject]", build_all(target))
    return {each["metadata"]["name"]: each for each in built if each["kind"] == kind}


def _pod(target: Target, name: str) -> JsonObject:
    spec: JsonObject = _built(target, "Deployment")[name]["spec"]["template"]["spec"]
    return spec


def _env(pod: JsonObject) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in pod["containers"][0]["env"]}


def test_an_autoscaler_takes_the_number_of_pods() -> None:
    target = build_target(api={"replicas": 3, "autoscaling": {"minReplicas": 2, "maxReplicas": 5, "cpuPercent": 60}})
    assert "replicas" not in _built(target, "Deployment")["demo-api"]["spec"]
    spec = _built(target, "HorizontalPodAutoscaler")["demo-api"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo-api"}
    assert spec["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    fixed = build_target(api={"replicas": 3})
    assert _built(fixed, "Deployment")["demo-api"]["spec"]["replicas"] == 3
    assert _built(fixed, "HorizontalPodAutoscaler") == {}


def test_budgets_let_one_pod_go_at_a_time_and_never_hold_a_node_up() -> None:
    queues = [{"name": "default"}, {"name": "computation", "minReplicas": 0, "maxReplicas": 4}]
    budgets = _built(build_target(queues=queues), "PodDisruptionBudget")
    assert set(budgets) == {"demo-api", "demo-worker-computation"}
    for budget in budgets.values():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    selected = budgets["demo-worker-computation"]["spec"]["selector"]["matchLabels"]
    assert selected["pinnokio.io/queue"] == "computation"


@pytest.mark.parametrize(
    ("ingress", "paths", "spec"),
    [
        pytest.param({}, ["/rpc", "/healthz", "/version"], {}, id="least"),
        pytest.param({"websocket": True}, ["/rpc", "/healthz", "/version", "/ws"], {}, id="with /ws"),
        pytest.param(
            {"className": "nginx", "tls": {"secretName": "api-tls"}},
            ["/rpc", "/healthz", "/version"],
            {"ingressClassName": "nginx", "tls": [{"hosts": ["api.example.com"], "secretName": "api-tls"}]},
            id="class and TLS",
        ),
    ],
)
def test_the_ingress_opens_what_is_for_outside(ingress: JsonObject, paths: list[str], spec: JsonObject) -> None:
    api = {"auth": {"websocket": True}, "ingress": {"host": "api.example.com", **ingress}}
    built = _built(build_target(api=api), "Ingress")["demo-api"]["spec"]
    (rule,) = built.pop("rules")
    assert rule["host"] == "api.example.com"
    assert [each["path"] for each in rule["http"]["paths"]] == paths
    assert {each["backend"]["service"]["name"] for each in rule["http"]["paths"]} == {"demo-api"}
    assert built == spec


def test_annotations_of_the_ingress_are_the_specs() -> None:
    ingress = {"host": "api.example.com", "annotations": {"cert-manager.io/issuer": "letsencrypt"}}
    built = _built(build_target(api={"ingress": ingress}), "Ingress")["demo-api"]
    assert built["metadata"]["annotations"] == {"cert-manager.io/issuer": "letsencrypt"}


@pytest.mark.parametrize(("websocket", "word"), [(False, "none"), (True, "token")])
def test_ws_asks_for_the_token_where_told_to(websocket: bool, word: str) -> None:
    assert _env(_pod(build_target(api={"auth": {"websocket": websocket}}), "demo-api"))["WS_AUTH"] == word


@pytest.mark.parametrize(
    ("said", "policy", "port", "peers"),
    [
        pytest.param({}, "demo-api", 8090, None, id="API: anyone"),
        pytest.param({"apiFrom": [REFLEX]}, "demo-api", 8090, [REFLEX, OPERATOR], id="API: Reflex and the operator"),
        pytest.param(
            {"apiFrom": [OFFICE], "metricsFrom": [PROMETHEUS]},
            "demo-api",
            8090,
            [OFFICE, PROMETHEUS, OPERATOR],
            id="API: who scrapes, too",
        ),
        pytest.param({"metricsFrom": [PROMETHEUS]}, "demo-api", 8090, None, id="API: anyone still"),
        pytest.param({}, "demo-worker", 9540, None, id="workers: anyone"),
        pytest.param({"metricsFrom": [PROMETHEUS]}, "demo-worker", 9540, [PROMETHEUS], id="workers: Prometheus"),
        pytest.param({}, "demo-valkey", 6379, [OWN, OPERATOR], id="Valkey: own pods and the operator"),
        pytest.param({"valkeyFrom": [OFFICE]}, "demo-valkey", 6379, [OWN, OPERATOR, OFFICE], id="Valkey: one more"),
        pytest.param({}, "demo-flower", 5555, [{"podSelector": {"matchLabels": {}}}], id="Flower: the namespace"),
        pytest.param({"flowerFrom": [OFFICE]}, "demo-flower", 5555, [OFFICE], id="Flower: the office"),
    ],
)
def test_who_may_talk_to_whom(said: JsonObject, policy: str, port: int, peers: list[JsonObject] | None) -> None:
    target = replace(build_target(networkPolicy=said, flower={"enabled": True}), operator_namespace="control")
    spec = _built(target, "NetworkPolicy")[policy]["spec"]
    rule: JsonObject = {"ports": [{"protocol": "TCP", "port": port}]}
    assert spec["ingress"] == [rule if peers is None else rule | {"from": peers}]


def test_only_valkey_may_open_no_connection_and_nobody_reaches_beat() -> None:
    policies = _built(build_target(flower={"enabled": True}), "NetworkPolicy")
    restricted = {name for name, each in policies.items() if "Egress" in each["spec"]["policyTypes"]}
    assert restricted == {"demo-valkey"}
    assert "egress" not in policies["demo-valkey"]["spec"]
    assert policies["demo-beat"]["spec"]["ingress"] == []


def test_policies_can_be_left_out_and_none_is_made_for_what_does_not_run() -> None:
    assert _built(build_target(networkPolicy={"enabled": False}), "NetworkPolicy") == {}
    external = {"mode": "external", "external": {"host": "cache.example"}}
    policies = _built(build_target(valkey=external, beat={"enabled": False}), "NetworkPolicy")
    assert set(policies) == {"demo-api", "demo-worker"}


def test_an_operator_outside_the_cluster_is_no_peer() -> None:
    spec = _built(build_target(), "NetworkPolicy")["demo-valkey"]["spec"]
    assert spec["ingress"][0]["from"] == [OWN]


def test_api_and_workers_are_spread_within_one_revision() -> None:
    target = build_target()
    for name in ("demo-api", "demo-worker-llm"):
        constraints = _pod(target, name)["topologySpreadConstraints"]
        keys = [each["topologyKey"] for each in constraints]
        assert keys == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        assert {each["whenUnsatisfiable"] for each in constraints} == {"ScheduleAnyway"}
        assert {each["matchLabelKeys"][0] for each in constraints} == {"pod-template-hash"}
    queue = _pod(target, "demo-worker-llm")["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
    assert queue["pinnokio.io/queue"] == "llm"
    assert "topologySpreadConstraints" not in _pod(target, "demo-beat")
    assert "topologySpreadConstraints" not in _pod(build_target(spread={"topologyKeys": []}), "demo-api")
    strict = _pod(build_target(spread={"whenUnsatisfiable": "DoNotSchedule"}), "demo-api")
    assert strict["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"


def test_metrics_are_where_the_annotations_say() -> None:
    for name, port in (("demo-api", "8090"), ("demo-worker-llm", "9540")):
        template = _built(build_target(), "Deployment")[name]["spec"]["template"]
        assert template["metadata"]["annotations"]["prometheus.io/port"] == port
        ports = [each["containerPort"] for each in template["spec"]["containers"][0]["ports"]]
        assert ports == [int(port)]


def test_flower_asks_for_its_generated_login() -> None:
    target = build_target(flower={"enabled": True})
    assert _env(_pod(target, "demo-flower"))["FLOWER_BASIC_AUTH"] == {
        "secretKeyRef": {"name": "demo-auth", "key": "flower"}
    }
    assert "demo-flower" in _built(target, "Service")
    own = build_target(flower={"enabled": True, "basicAuthSecretRef": {"name": "s", "key": "k"}})
    assert _env(_pod(own, "demo-flower"))["FLOWER_BASIC_AUTH"] == {"secretKeyRef": {"name": "s", "key": "k"}}


def test_switching_flower_on_restarts_nothing_else() -> None:
    before, after = (_built(build_target(flower={"enabled": on}), "Deployment") for on in (False, True))
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param(
            {"chroma": {"host": "chroma.example", "ssl": True, "tokenSecretRef": {"name": "s", "key": "k"}}},
            {
                "CHROMA_HOST": "chroma.example",
                "CHROMA_PORT": "8000",
                "CHROMA_SSL": "true",
                "CHROMA_TOKEN": {"secretKeyRef": {"name": "s", "key": "k"}},
            },
            id="with a token",
        ),
        pytest.param(
            {"chroma": {"host": "chroma.example"}, "env": [{"name": "CHROMA_HOST", "value": "other"}]},
            {"CHROMA_HOST": "other", "CHROMA_PORT": "8000", "CHROMA_SSL": "false"},
            id="spec.env wins",
        ),
    ],
)
def test_an_external_chroma(fields: JsonObject, expected: JsonObject) -> None:
    for name in ("demo-api", "demo-worker-computation"):
        pod = _pod(build_target(**fields), name)
        names = [each["name"] for each in pod["containers"][0]["env"]]
        assert len(names) == len(set(names))
        assert {key: value for key, value in _env(pod).items() if key.startswith("CHROMA")} == expected


def test_the_authority_of_an_external_valkey_is_mounted_everywhere() -> None:
    tls = {"enabled": True, "caSecretRef": {"name": "valkey-ca", "key": "root.pem"}}
    external = {"mode": "external", "external": {"host": "cache.example", "tls": tls}}
    target = build_target(valkey=external, flower={"enabled": True})
    for name in _built(target, "Deployment"):
        pod = _pod(target, name)
        folder, _, file = _env(pod)["LISTENERS_REDIS_TLS_CA_FILE"].rpartition("/")
        (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == folder]
        (volume,) = [each for each in pod["volumes"] if each["name"] == mount["name"]]
        assert volume["secret"] == {"secretName": "valkey-ca", "items": [{"key": "root.pem", "path": file}]}


@pytest.mark.parametrize(("old_service", "word"), [(False, None), (True, "true")])
def test_sessions_are_scanned_for_while_the_old_service_writes(old_service: bool, word: str | None) -> None:
    target = build_target(migration={"oldService": old_service})
    assert _env(_pod(target, "demo-api")).get("LEGACY_SESSION_SCAN") == word
    assert "LEGACY_SESSION_SCAN" not in _env(_pod(target, "demo-worker-llm"))
