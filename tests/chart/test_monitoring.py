"""What the chart gives Prometheus Operator: rules and monitors, where asked for and where their kinds exist."""

import json
from pathlib import Path

import pytest
import yaml

from contract.kubernetes import FIELD_MANAGER
from tests.alerts.promtool import RULES, run_promtool
from tests.chart.rendering import NAMESPACE, Document, Helm, Values, of_kind, one
from tests.chart.value_sets import EVERYTHING
from tests.dashboards.build import build_dashboard
from tests.dashboards.panels import DASHBOARDS

KINDS = ("PrometheusRule", "ServiceMonitor", "PodMonitor")
INSTALLED = [argument for kind in KINDS for argument in ("--api-versions", f"monitoring.coreos.com/v1/{kind}")]


def read_own_rules() -> str:
    """Who watches the operator of another release does not miss this one."""
    leader = "pinnokio_operator_leader"
    return RULES.read_text().replace(leader, f'{leader}{{namespace="{NAMESPACE}"}}')


@pytest.fixture
def rendered_with_kinds(helm: Helm) -> list[Document]:
    return helm.template(EVERYTHING, *INSTALLED)


def test_nothing_is_made_where_its_kind_is_not_installed(helm: Helm) -> None:
    assert of_kind(helm.template(EVERYTHING), *KINDS) == []


@pytest.mark.parametrize("values", [{}, {"monitoring": {"rules": {"enabled": False}}}], ids=["default", "off"])
def test_nothing_is_made_where_nobody_asks(helm: Helm, values: Values) -> None:
    assert of_kind(helm.template(values, *INSTALLED), *KINDS) == []


def test_the_rule_is_the_file_with_links_to_where_the_pages_are_served(rendered_with_kinds: list[Document]) -> None:
    rule = one(rendered_with_kinds, "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    linked = read_own_rules().replace("docs/runbooks/", "https://docs.internal/runbooks/")
    assert rule["spec"] == yaml.safe_load(linked)


def test_links_are_paths_where_the_pages_are_served_nowhere(helm: Helm) -> None:
    rendered = helm.template({"monitoring": {"rules": {"enabled": True}}}, *INSTALLED)
    assert one(rendered, "PrometheusRule")["spec"] == yaml.safe_load(read_own_rules())


def test_promtool_takes_the_rule(rendered_with_kinds: list[Document], tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(one(rendered_with_kinds, "PrometheusRule")["spec"]))
    run_promtool("check", "rules", file)


def test_the_monitors_find_operator_api_and_workers(rendered_with_kinds: list[Document]) -> None:
    of_operator = one(rendered_with_kinds, "ServiceMonitor")["spec"]
    operator = one(rendered_with_kinds, "Service", "-operator")
    assert of_operator["selector"]["matchLabels"].items() <= operator["metadata"]["labels"].items()
    (endpoint,) = of_operator["endpoints"]
    assert endpoint["port"] in {port["name"] for port in operator["spec"]["ports"]}
    assert (endpoint["honorLabels"], endpoint["interval"]) == (True, "15s")

    of_pods = one(rendered_with_kinds, "PodMonitor")["spec"]
    assert of_pods["namespaceSelector"] == {"matchNames": [NAMESPACE]}
    assert of_pods["selector"]["matchLabels"] == {"app.kubernetes.io/managed-by": FIELD_MANAGER}
    assert [endpoint["port"] for endpoint in of_pods["podMetricsEndpoints"]] == ["http", "metrics"]


def test_a_cluster_wide_operator_is_watched_everywhere(helm: Helm) -> None:
    values = {"rbac": {"clusterWide": True}, "monitoring": {"monitors": {"enabled": True}}}
    assert one(helm.template(values, *INSTALLED), "PodMonitor")["spec"]["namespaceSelector"] == {"any": True}


def test_grafanas_sidecar_finds_each_dashboard(helm: Helm) -> None:
    rendered = of_kind(helm.template({"monitoring": {"dashboards": {"enabled": True}}}), "ConfigMap")
    maps = [each for each in rendered if each["metadata"]["labels"].get("grafana_dashboard") == "1"]
    found = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert found == {f"{each.uid}.json": build_dashboard(each) for each in DASHBOARDS}
