"""The dashboards: the files are of the module, Prometheus takes each query, and each names metrics that there are."""

import re
from pathlib import Path
from typing import Final

import yaml

from contract import metrics as names
from contract.metrics import METRICS
from tests.alerts.promtool import run_promtool
from tests.dashboards.build import FOLDER, build_dashboard, build_expression, render, write_path
from tests.dashboards.panels import DASHBOARDS, Query

QUERIES: Final[list[Query]] = [
    query for dashboard in DASHBOARDS for panel in dashboard.panels for query in panel.queries
]
_OF_A: Final = 'namespace="n",service="a"'
_OF_B: Final = 'namespace="n",service="b"'
_ACME: Final = 'company="acme",quota="storage_limit_mb"'
_LIMITS: Final = [{"series": f"{names.QUOTA_LIMIT}{{{of},{_ACME}}}", "values": "1000"} for of in (_OF_A, _OF_B)]
# Panel, metric, its own labels, values of the two services, what is shown.
SEVERAL: Final = (
    (
        "Dependencies that answer",
        names.DEPENDENCY_UP,
        ',dependency="chroma"',
        (0, 1),
        {'dependency="chroma"': 0},
    ),
    ("Oldest message by queue", names.QUEUE_OLDEST, ',queue="llm"', (30, 20), {'queue="llm"': 30}),
    ("Waiting, by queue", names.CELERY_QUEUE_LENGTH, ',queue_name="llm"', (3, 4), {'queue_name="llm"': 7}),
    ("Workers wanted", names.OPERATOR_QUEUE_DESIRED, ',queue="llm"', (3, 4), {'queue="llm"': 7}),
    (
        "Quotas nearest to their limits",
        names.QUOTA_USED,
        f",{_ACME}",
        (900, 200),
        {f"{_OF_A},{_ACME}": 0.9, f"{_OF_B},{_ACME}": 0.2},
    ),
    ("Flag is on for", names.OPERATOR_FLAG_PERCENT, "", (25, 100), {_OF_A: 25, _OF_B: 100}),
    ("Step of the rollout", names.OPERATOR_ROLLOUT_STEP, "", (1, 3), {_OF_A: 1, _OF_B: 3}),
    ("Pods that serve by it", names.OPERATOR_FLAG_ACKNOWLEDGED, "", (1, 3), {_OF_A: 1, _OF_B: 3}),
)
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


def test_what_is_shown_of_several_services_at_once_hides_none(tmp_path: Path) -> None:
    """Of service `a` two pods tell, of `b` one."""
    tests = [
        {
            "interval": "1m",
            "input_series": _LIMITS
            + [
                {"series": f'{metric}{{namespace="n",service="{service}",pod="{pod}"{more}}}', "values": str(value)}
                for service, pod, value in (("a", "1", of_a), ("a", "2", of_a), ("b", "1", of_b))
            ],
            "promql_expr_test": [
                {
                    "expr": build_expression(_query_of(title), 'namespace=~".*",service=~".*"', "5m"),
                    "eval_time": "0m",
                    "exp_samples": [{"labels": f"{{{labels}}}", "value": value} for labels, value in shown.items()],
                }
            ],
        }
        for title, metric, more, (of_a, of_b), shown in SEVERAL
    ]
    file = tmp_path / "several_test.yaml"
    file.write_text(yaml.safe_dump({"tests": tests}))
    assert "SUCCESS" in run_promtool("test", "rules", file)


def _query_of(title: str) -> Query:
    (found,) = [panel.queries[0] for dashboard in DASHBOARDS for panel in dashboard.panels if panel.title == title]
    return found


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
