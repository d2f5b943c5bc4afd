"""What the chart renders, for each set of values: no cluster needed."""

from collections.abc import Iterator
from typing import Any

import pytest

from contract import env
from contract.kubernetes import API_PORT, GROUP, LABEL_COMPONENT, LABEL_ROLE, ROLE_OPERATOR, TOKEN_KEY
from controller.settings import Settings
from tests.chart.rendering import (
    CHART,
    NAMESPACE,
    RELEASE,
    Document,
    Helm,
    HelmRefused,
    Values,
    containers,
    is_hook,
    of_kind,
    one,
    pod_specs,
)
from tests.chart.value_sets import BROUGHT_ALONG, DEFAULTS, EVERYTHING, VALUE_SETS, WITH_SERVICE
from tests.cluster.binaries import KUBERNETES_VERSION

CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())
def test_lint_finds_nothing(helm: Helm, values: Values) -> None:
    helm.run("lint", "--strict", "--kube-version", KUBERNETES_VERSION, str(CHART), values=values)


def test_every_pod_is_restricted(rendered: list[Document]) -> None:
    for name, spec in pod_specs(rendered):
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert {kind for volume in spec.get("volumes", []) for kind in volume} <= {"name", "emptyDir", "configMap"}
    for container in containers(rendered):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, container["name"]
        assert context["readOnlyRootFilesystem"] is True, container["name"]
        assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]


def test_every_container_names_its_resources(rendered: list[Document]) -> None:
    for container in containers(rendered):
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}, container["name"]
        assert "memory" in container["resources"]["limits"], container["name"]


def test_every_object_is_labelled_and_stands_in_a_namespace(rendered: list[Document]) -> None:
    for document in rendered:
        metadata = document["metadata"]
        assert metadata["labels"]["app.kubernetes.io/instance"] == RELEASE
        assert document["kind"] == "PinnokioService" or LABEL_COMPONENT in metadata["labels"]
        assert ("namespace" in metadata) == (document["kind"] not in CLUSTER_SCOPED), metadata["name"]


def test_names_are_unique(rendered: list[Document]) -> None:
    names = [(entry["kind"], entry["metadata"].get("namespace"), entry["metadata"]["name"]) for entry in rendered]
    assert len(names) == len(set(names))


def test_cluster_scoped_names_of_two_releases_differ(helm: Helm) -> None:
    values = {"rbac": {"clusterWide": True}}
    here = helm.template(values)
    there = helm.template(values, "--namespace", "elsewhere")
    names = [{entry["metadata"]["name"] for entry in of_kind(side, *CLUSTER_SCOPED)} for side in (here, there)]
    assert names[0]
    assert not names[0] & names[1]


def test_the_longest_names_are_short_enough(helm: Helm) -> None:
    for document in helm.template({"fullnameOverride": "l" * 63}):
        limit = 253 if document["kind"].startswith(("Role", "ClusterRole")) else 63
        assert len(document["metadata"]["name"]) <= limit


def test_all_that_runs_is_the_one_image(helm: Helm) -> None:
    rendered = helm.template(EVERYTHING)
    assert {container["image"] for container in containers(rendered)} == {
        "registry.internal:5000/accounting/pinnokio:0.1.0-rc.1"
    }
    assert {container["imagePullPolicy"] for container in containers(rendered)} == {"Always"}
    for name, spec in pod_specs(rendered):
        assert spec["imagePullSecrets"] == [{"name": "registry-login"}], name


def test_an_empty_tag_is_the_version_of_the_chart(helm: Helm) -> None:
    assert {container["image"] for container in containers(helm.template(DEFAULTS))} == {"pinnokio:0.1.0"}


def test_one_operator_alone_is_never_two(helm: Helm) -> None:
    rendered = helm.template(DEFAULTS)
    spec = one(rendered, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert of_kind(rendered, "PodDisruptionBudget") == []


def test_of_two_operators_one_is_always_there(helm: Helm) -> None:
    rendered = helm.template({"operator": {"replicas": 2}})
    spec = one(rendered, "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 1}}
    labels = spec["template"]["metadata"]["labels"].items()
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels
    budget = one(rendered, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels


def test_the_operator_knows_its_lease_and_itself(rendered: list[Document]) -> None:
    deployment = one(rendered, "Deployment")
    variables = {
        variable["name"]: variable.get("value", variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath"))
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert variables["LEASE_NAME"] == deployment["metadata"]["name"]
    assert variables["POD_NAMESPACE"] == "metadata.namespace"
    assert (variables["POD_NAME"], variables["POD_UID"]) == ("metadata.name", "metadata.uid")
    assert deployment["spec"]["template"]["metadata"]["labels"][LABEL_ROLE] == ROLE_OPERATOR


@pytest.mark.parametrize(
    ("values", "peers"),
    [
        pytest.param({}, None, id="anyone"),
        pytest.param(
            {"metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]},
            [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
            id="Prometheus",
        ),
    ],
)
def test_who_may_scrape_the_operator(helm: Helm, values: Values, peers: list[Document] | None) -> None:
    spec = one(helm.template({"operator": {"networkPolicy": values}}), "NetworkPolicy")["spec"]
    probes, metrics = spec["ingress"]
    assert (probes["ports"][0]["port"], probes.get("from")) == (8080, None)
    assert (metrics["ports"][0]["port"], metrics.get("from")) == (8081, peers)
    assert spec["policyTypes"] == ["Ingress"]
    assert of_kind(helm.template({"operator": {"networkPolicy": {"enabled": False}}}), "NetworkPolicy") == []


def test_an_operator_leaves_a_lost_node_soon(rendered: list[Document]) -> None:
    spec = one(rendered, "Deployment")["spec"]
    soon = {entry["key"] for entry in spec["template"]["spec"]["tolerations"] if entry.get("tolerationSeconds") == 30}
    assert soon == {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}


def test_the_operator_is_probed_where_its_service_points(rendered: list[Document]) -> None:
    deployment = one(rendered, "Deployment")["spec"]["template"]
    container = deployment["spec"]["containers"][0]
    service = one(rendered, "Service")["spec"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8080, "metrics": 8081}
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "http"}
    assert {port["name"]: port["targetPort"] for port in service["ports"]} == {"http": "http", "metrics": "metrics"}
    assert service["selector"].items() <= deployment["metadata"]["labels"].items()


def test_settings_of_the_operator_arrive(helm: Helm) -> None:
    template = one(helm.template(EVERYTHING), "Deployment")["spec"]["template"]
    wanted = EVERYTHING["operator"]
    spec = template["spec"]
    assert wanted["podAnnotations"].items() <= template["metadata"]["annotations"].items()
    assert wanted["podLabels"].items() <= template["metadata"]["labels"].items()
    for name in ("nodeSelector", "affinity", "priorityClassName"):
        assert spec[name] == wanted[name]
    assert wanted["tolerations"][0] in spec["tolerations"]
    assert wanted["extraEnv"][0] in spec["containers"][0]["env"]
    assert spec["serviceAccountName"] == EVERYTHING["serviceAccount"]["name"]


def test_labels_of_ones_own_do_not_replace_those_of_the_selector(helm: Helm) -> None:
    values = {"operator": {"podLabels": {"app.kubernetes.io/instance": "other", "tier": "control"}}}
    spec = one(helm.template(values), "Deployment")["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert labels["tier"] == "control"


def test_what_is_brought_along_is_not_made(helm: Helm) -> None:
    rendered = helm.template(BROUGHT_ALONG)
    assert not [entry for entry in of_kind(rendered, "Role", "RoleBinding") if not is_hook(entry, "pre-upgrade")]
    assert not [entry for entry in of_kind(rendered, "ServiceAccount") if not is_hook(entry, "pre-upgrade")]
    assert one(rendered, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "pinnokio-operator"
    assert one(rendered, "Deployment")["metadata"]["name"] == "ledger-operator"


def test_no_service_unless_asked_for(helm: Helm) -> None:
    assert not of_kind(helm.template(DEFAULTS), "PinnokioService")


def test_the_service_has_the_images_of_the_chart(helm: Helm) -> None:
    service = one(helm.template(EVERYTHING), "PinnokioService")
    spec = service["spec"]
    assert service["apiVersion"].startswith(f"{GROUP}/")
    assert service["metadata"]["name"] == "books"
    assert service["metadata"]["annotations"] == {"pinnokio.io/paused": "false"}
    assert spec["image"] == "registry.internal:5000/accounting/pinnokio:0.1.0-rc.1"
    assert spec["imagePullPolicy"] == "Always"
    assert spec["imagePullSecrets"] == [{"name": "registry-login"}]
    assert spec["valkey"]["embedded"] == {
        "image": "registry.internal:5000/valkey:9.0",
        "storage": {"size": "2Gi"},
    }
    given = EVERYTHING["service"]["spec"]
    assert {name: spec[name] for name in ("api", "queues", "unifiedRegistry")} == {
        name: given[name] for name in ("api", "queues", "unifiedRegistry")
    }


def test_what_the_spec_says_wins_over_the_chart(helm: Helm) -> None:
    given = {
        "image": "other:1",
        "imagePullPolicy": "Never",
        "valkey": {"embedded": {"image": "other-valkey:1"}},
    }
    values = {"valkey": {"image": "valkey:1"}, "service": {"enabled": True, "spec": given}}
    assert one(helm.template(values), "PinnokioService")["spec"] == given


def test_an_external_valkey_gets_no_image(helm: Helm) -> None:
    valkey = {"mode": "external", "external": {"host": "valkey.internal"}}
    values = {"valkey": {"image": "valkey:1"}, "service": {"enabled": True, "spec": {"valkey": valkey}}}
    assert one(helm.template(values), "PinnokioService")["spec"]["valkey"] == valkey


def test_the_test_calls_the_service_with_its_token(helm: Helm) -> None:
    pod = one(helm.template(WITH_SERVICE), "Pod")
    container = pod["spec"]["containers"][0]
    assert is_hook(pod, "test")
    assert container["args"][-1] == f"http://pinnokio-api:{API_PORT}/rpc"
    assert token_ref(pod) == {"name": "pinnokio-auth", "key": TOKEN_KEY}


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        pytest.param({"disabled": True}, None, id="none-asked-for"),
        pytest.param({"disabled": False}, {"name": "pinnokio-auth", "key": TOKEN_KEY}, id="generated"),
        pytest.param(
            {"tokenSecretRef": {"name": "own", "key": "api.token"}}, {"name": "own", "key": "api.token"}, id="own"
        ),
    ],
)
def test_the_test_knows_where_the_token_is(helm: Helm, auth: Document, expected: dict[str, str] | None) -> None:
    values = {"service": {"enabled": True, "spec": {"api": {"auth": auth}}}}
    assert token_ref(one(helm.template(values), "Pod")) == expected


def test_without_a_service_the_test_asks_the_operator(helm: Helm) -> None:
    rendered = helm.template(DEFAULTS)
    service = one(rendered, "Service")["metadata"]["name"]
    assert one(rendered, "Pod")["spec"]["containers"][0]["args"][-1] == f"http://{service}:8080/healthz"


def test_the_operator_reads_each_variable_that_it_is_given(rendered: list[Document]) -> None:
    asked = AskedNames()
    Settings.from_env(asked)
    assert set(variable_names([one(rendered, "Deployment")])) <= asked.names


def test_variables_of_the_test_are_those_of_the_contract(rendered: list[Document]) -> None:
    assert set(variable_names([one(rendered, "Pod")])) <= env.BY_NAME.keys()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, NAMESPACE, id="own"),
        pytest.param({"watchNamespaces": ["a", "b"]}, "a,b", id="list"),
        pytest.param({"rbac": {"clusterWide": True}}, "", id="all"),
    ],
)
def test_watched_namespaces_reach_the_operator(helm: Helm, values: Values, expected: str) -> None:
    variables = one(helm.template(values), "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "WATCH_NAMESPACES", "value": expected} in variables


def test_an_old_kubernetes_is_refused(helm: Helm) -> None:
    with pytest.raises(HelmRefused, match=r"chart requires kubeVersion: >=1\.30"):
        helm.run("template", RELEASE, str(CHART), "--kube-version", "1.29.9")


class AskedNames(dict[str, str]):
    """An empty environment that notes which variables it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return default


def variable_names(rendered: list[Document]) -> Iterator[str]:
    for container in containers(rendered):
        yield from (variable["name"] for variable in container.get("env", []))


def token_ref(pod: Document) -> dict[str, str] | None:
    for variable in pod["spec"]["containers"][0].get("env", []):
        if variable["name"] == "LISTENERS_SERVICE_TOKEN":
            found: dict[str, str] = variable["valueFrom"]["secretKeyRef"]
            return found
    return None
