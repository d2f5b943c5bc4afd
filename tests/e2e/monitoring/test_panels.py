"""Every query of every dashboard, asked as Grafana asks it, of a Prometheus that watched a loaded service."""

import json
import math
import re
from typing import Any, Final

import pytest

from contract import metrics as names
from tests.dashboards.build import build_dashboard, build_expression
from tests.dashboards.panels import DASHBOARDS, Dashboard, Panel, Query
from tests.e2e.monitoring.conftest import SCRAPE_S, Watched

pytestmark = pytest.mark.cluster

STEP_S: Final = 2
# Grafana's $__rate_interval.
WINDOW: Final = f"{max(STEP_S + SCRAPE_S, 4 * SCRAPE_S)}s"
PANELS: Final = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
IDS: Final = [f"{dashboard.uid}: {panel.title}" for dashboard, panel in PANELS]
# Lines that stand at 0 for good reason: the API server does not fail here, Valkey drops nothing, and it is not away for
# long enough that a task would be given back.
STANDS_AT_ZERO: Final = (names.OPERATOR_ERRORS, names.VALKEY_EVICTED, names.CELERY_TASK_REJECTED)
each_panel: Final = pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=IDS)


@each_panel
def test_every_query_of_a_panel_returns_data(watched: Watched, dashboard: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        series = ask(watched, query, watched.service)
        where = f"{dashboard.title} / {panel.title}: {build_expression(query)}"
        values = [value for each in series for value in read_values(each)]
        assert values, f"{where} has no data"
        assert any(values) or any(each in where for each in STANDS_AT_ZERO), f"{where} is 0 all the time"
        for label in re.findall(r"{{(\w+)}}", query.legend):
            nameless = [each["metric"] for each in series if not each["metric"].get(label)]
            assert not nameless, f"{where}: no label {label} for the legend of {nameless}"


@each_panel
def test_a_panel_shows_the_chosen_service_alone(watched: Watched, dashboard: Dashboard, panel: Panel) -> None:
    for query in panel.queries:
        if "$selector" in query.expression:
            series = ask(watched, query, "no-such-service")
            assert not any(read_values(each) for each in series), f"{dashboard.title} / {panel.title}: {series}"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[each.uid for each in DASHBOARDS])
def test_the_choices_offer_what_is_watched(watched: Watched, dashboard: Dashboard) -> None:
    """In the order in which Grafana asks: the later ones by what was chosen in those before."""
    chosen = {"namespace": watched.namespace, "service": watched.service}
    variables = build_dashboard(dashboard)["templating"]["list"]
    asked = [each for each in variables if each["type"] == "query"]
    assert [each["name"] for each in asked] == list(chosen)
    for variable in asked:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found, json.dumps(variable)
        series = re.sub(r"\$(\w+)", lambda name: chosen[name[1]], found[1])
        assert chosen[variable["name"]] in watched.prometheus.read_label_values(found[2], series)


def ask(watched: Watched, query: Query, service: str) -> list[dict[str, Any]]:
    expression = build_expression(query, f'namespace=~"{watched.namespace}",service=~"{service}"', WINDOW)
    return watched.prometheus.ask_range(expression, watched.begin, watched.end, STEP_S)


def read_values(series: dict[str, Any]) -> list[float]:
    """What is drawn: a share of nothing is no number."""
    values = (float(text) for _, text in series["values"])
    return [value for value in values if math.isfinite(value)]
