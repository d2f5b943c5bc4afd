"""values.yaml, its schema and the README's table say the same; wrong values are refused with a word that helps."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.rendering import CHART, RELEASE, Helm, HelmRefused, Values, one
from tests.chart.value_sets import EVERYTHING
from tests.chart.values_table import README, build_table, defaults, read_values
from tests.cluster.binaries import KUBERNETES_VERSION

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
# Helm adds it where the chart is part of another.
FROM_HELM = {"global"}


def test_each_value_is_in_the_schema_and_each_of_the_schema_is_a_value() -> None:
    assert set(paths_of_schema(SCHEMA)) - FROM_HELM == set(paths_of_values(defaults()))


def test_the_schema_lets_no_unknown_name_in() -> None:
    open_objects = [path for path, schema in objects_of_schema(SCHEMA) if "additionalProperties" not in schema]
    # Handed to Kubernetes or the custom resource definition as they are, which check them.
    assert set(open_objects) == {
        "global",
        "service.spec",
        "operator.affinity.nodeAffinity",
        "operator.affinity.podAffinity",
        "operator.affinity.podAntiAffinity",
    }


def test_the_readme_has_the_table_of_values() -> None:
    assert build_table() in README.read_text(), "run `python -m tests.chart.values_table`"


def test_every_default_is_changed_by_some_test() -> None:
    changed = set(paths_of_values(EVERYTHING))
    unchanged = {value.path for value in read_values()} - changed
    assert {path for path in unchanged if not path.startswith("operator.resources")} == {
        "crds.upgrade",
        "fullnameOverride",
        "operator.networkPolicy.enabled",
        "rbac.clusterWide",
        "rbac.create",
        "serviceAccount.create",
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"replicas": 2}, "'replicas' not allowed", id="unknown-name"),
        pytest.param({"operator": {"replica": 2}}, "'replica' not allowed", id="unknown-name-below"),
        pytest.param({"operator": {"replicas": 0}}, "/operator/replicas", id="no-operator"),
        pytest.param({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy", id="pull-policy"),
        pytest.param({"image": {"repository": ""}}, "/image/repository", id="no-image"),
        pytest.param({"image": {"tag": 1.2}}, "/image/tag.*want string", id="tag-is-a-number"),
        pytest.param({"watchNamespaces": "accounting"}, "/watchNamespaces.*want array", id="not-a-list"),
        pytest.param({"watchNamespaces": ["Accounting"]}, "/watchNamespaces/0", id="not-a-namespace"),
        pytest.param({"watchNamespaces": ["a", "a"]}, "/watchNamespaces", id="twice"),
        pytest.param({"crds": {"upgrade": "yes"}}, "/crds/upgrade.*want boolean", id="not-a-boolean"),
        pytest.param({"operator": {"logLevel": "info"}}, "/operator/logLevel", id="log-level"),
        pytest.param({"operator": {"resources": {"limits": {"memory": "lots"}}}}, "/operator/resources", id="quantity"),
        pytest.param({"service": {"name": "a" * 41}}, "/service/name", id="name-too-long"),
        pytest.param({"service": {"spec": []}}, "/service/spec.*want object", id="spec-is-a-list"),
        pytest.param(
            {"rbac": {"clusterWide": True}, "watchNamespaces": ["a"]}, "leave watchNamespaces empty", id="both"
        ),
        pytest.param(
            {"service": {"enabled": True}, "watchNamespaces": ["a"]},
            "is not watched: add it to watchNamespaces",
            id="service-where-nobody-looks",
        ),
        pytest.param({"serviceAccount": {"create": False}}, "serviceAccount.name must name", id="no-service-account"),
    ],
)
def test_wrong_values_are_refused(helm: Helm, values: Values, message: str) -> None:
    with pytest.raises(HelmRefused, match=message):
        helm.run("template", RELEASE, str(CHART), "--kube-version", KUBERNETES_VERSION, values=values)


def test_the_chart_can_be_part_of_another(helm: Helm) -> None:
    assert one(helm.template({"global": {"region": "eu"}}), "Deployment")


def paths_of_values(values: Values, prefix: str = "") -> Iterator[str]:
    """Paths of all that is no group of others; what is below an empty map or in service.spec is not the chart's."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and path in groups_of_schema():
            yield from paths_of_values(value, f"{path}.")
        else:
            yield path


def paths_of_schema(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, below in schema["properties"].items():
        path = f"{prefix}{name}"
        if path in groups_of_schema():
            yield from paths_of_schema(below, f"{path}.")
        else:
            yield path


def groups_of_schema() -> set[str]:
    """Objects whose fields are values of their own: all with fields but those that Kubernetes defines."""
    return {
        path for path, schema in objects_of_schema(SCHEMA) if "properties" in schema and path != "operator.affinity"
    }


def objects_of_schema(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, below in schema.get("properties", {}).items():
        if below.get("type") == "object":
            yield f"{prefix}{name}", below
            yield from objects_of_schema(below, f"{prefix}{name}.")
