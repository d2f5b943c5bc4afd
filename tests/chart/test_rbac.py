"""Roles of the chart are what the operator declares that it needs, and no more."""

import pytest

from controller.model.kinds import LEASE_RULES, RULES, Rule
from tests.chart.rendering import NAMESPACE, Document, Helm, Values, is_hook, of_kind, one
from tests.chart.value_sets import BROUGHT_ALONG

Grant = tuple[str, str, str]
CRD = "pinnokioservices.pinnokio.io"
LEASE_ROLE = ":operator-lease"


def test_the_declared_rules_are_what_the_role_grants(helm: Helm) -> None:
    (role,) = operator_objects(helm.template({}), "Role", "ClusterRole")
    assert grants(role) == declared()
    assert role["metadata"]["namespace"] == NAMESPACE


def test_nothing_is_granted_by_wildcard(rendered: list[Document]) -> None:
    for role in of_kind(rendered, "Role", "ClusterRole"):
        assert not [grant for grant in grants(role) if "*" in grant], role["metadata"]["name"]


@pytest.mark.parametrize(
    ("values", "places"),
    [
        pytest.param({}, {("Role", NAMESPACE)}, id="own-namespace"),
        pytest.param({"watchNamespaces": ["a", "b"]}, {("Role", "a"), ("Role", "b")}, id="two-namespaces"),
        pytest.param({"rbac": {"clusterWide": True}}, {("ClusterRole", None)}, id="cluster-wide"),
        pytest.param(BROUGHT_ALONG, set(), id="none"),
    ],
)
def test_roles_stand_where_the_operator_looks(helm: Helm, values: Values, places: set[tuple[str, str | None]]) -> None:
    documents = helm.template(values)
    roles = operator_objects(documents, "Role", "ClusterRole")
    bindings = operator_objects(documents, "RoleBinding", "ClusterRoleBinding")
    account = one(documents, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    assert {(role["kind"], role["metadata"].get("namespace")) for role in roles} == places
    assert all(grants(role) == declared() for role in roles)
    assert {(entry["roleRef"]["kind"], entry["metadata"].get("namespace")) for entry in bindings} == places
    for binding in bindings:
        assert binding["roleRef"]["name"] == roles[0]["metadata"]["name"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}]


def test_the_crd_hook_may_touch_that_one_crd(helm: Helm) -> None:
    role = one([entry for entry in helm.template({}) if is_hook(entry, "pre-upgrade")], "ClusterRole")
    assert role["rules"] == [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": [CRD],
            "verbs": ["get", "create", "patch"],
        }
    ]


def test_nothing_is_made_outside_the_namespace_where_the_crd_is_someone_elses(helm: Helm) -> None:
    documents = helm.template({"crds": {"upgrade": False}}, "--skip-crds")
    assert {entry["metadata"].get("namespace") for entry in documents} == {NAMESPACE}


def test_only_what_speaks_to_the_api_server_has_a_token(rendered: list[Document]) -> None:
    assert one(rendered, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"] is True
    assert one(rendered, "Pod")["spec"]["automountServiceAccountToken"] is False


def test_the_lease_is_in_the_operators_own_namespace_and_its_alone(helm: Helm) -> None:
    documents = helm.template({"watchNamespaces": ["a"]})
    role, binding = (one(documents, kind, LEASE_ROLE) for kind in ("Role", "RoleBinding"))
    name = one(documents, "Deployment")["metadata"]["name"]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == NAMESPACE
    assert grants(role) == declared(LEASE_RULES)
    # A right to create cannot be held to a name.
    named = [rule for rule in role["rules"] if "leases" in rule["resources"] and rule["verbs"] != ["create"]]
    assert [rule["resourceNames"] for rule in named] == [[name]]


def operator_objects(documents: list[Document], *kinds: str) -> list[Document]:
    """Roles and bindings for what the operator watches."""
    own = [entry for entry in of_kind(documents, *kinds) if not is_hook(entry, "pre-upgrade")]
    return [entry for entry in own if not entry["metadata"]["name"].endswith(LEASE_ROLE)]


def declared(rules: tuple[Rule, ...] = RULES) -> set[Grant]:
    return {(rule.group, resource, verb) for rule in rules for resource in rule.resources for verb in rule.verbs}


def grants(role: Document) -> set[Grant]:
    """(group, resource, verb) of each thing that a role allows."""
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
