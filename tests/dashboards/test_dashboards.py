"""The dashboards: the files are of the module, Prometheus takes each query, and each names metrics that there are."""

import re
from pathlib import Path
from typing import Final

import yaml

from contract.metrics import METRICS
from tests.alerts.promtool import run_promtool
from tests.dashboards.build import FOLDER, build_dashboard, build_expression, render, write_path
from tests.dashboards.panels import DASHBOARDS, Query

QUERIES: Final[list[Query]] = [
    query for dashboard in DASHBOARDS for panel in dashboard.panels for query in panel.queries
]
_NAME: Final = re.compile(r"\b(?:pinnokio|celery)_[a-z0-9_]+\b")


def test_the_files_are_of_today() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {write_path(each).name for each in DASHBOARDS}
    for dashboard in DASHBOARDS:
        assert write_path(dashboard).read_text() == render(dashboard), "run `python -m tests.dashboards.build`"


def test_prometheus_takes_every_query(tmp_path: Path) -> None:
    """As rules, for promtool reads those."""
    chosen = 'namespace=~".*",service=~".*"'
    rules = [{"record": f"query{n}", "expr": build_expression(each, chosen, "5m")} for n, each in enumerate(QUERIES)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    assert "SUCCESS" in run_promtool("check", "rules", file)


def test_queries_name_only_metrics_that_there_are() -> None:
    known = {series for metric in METRICS for series in metric.series}
    assert {name for query in QUERIES for name in _NAME.findall(query.expression)} <= known


def test_a_legend_names_labels_that_the_query_keeps() -> None:
    for query in QUERIES:
        for label in re.findall(r"{{(\w+)}}", query.legend):
            kept = [*re.findall(r"by \(([^)]*)\)", query.expression), "pod", "service", "queue"]
            assert any(label in labels.split(", ") for labels in kept), f"{query.expression}: {label}"


def test_panels_do_not_overlap() -> None:
    for dashboard in DASHBOARDS:
        cells = [
            (x, y)
            for panel in build_dashboard(dashboard)["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells)), dashboard.title
        assert max(x for x, _ in cells) < 24
