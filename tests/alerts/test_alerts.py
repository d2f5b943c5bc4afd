"""The alerts: each fires at what it is for, all are silent while all is well, each leads to a page that exists."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from contract.metrics import METRICS
from tests.alerts.cases import CASES, HEALTHY, SERVICE_LABELS, Case
from tests.alerts.promtool import RULES, run_promtool
from tests.cluster.model import REPOSITORY

RUNBOOKS: Final = REPOSITORY / "docs" / "runbooks"
AT: Final = "2h"
_NAME: Final = re.compile(r"\b(?:pinnokio|celery)_[a-z0-9_]+\b")


def read_rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


ALERTS: Final = {rule["alert"]: rule for rule in read_rules() if "alert" in rule}


def test_promtool_takes_the_rules() -> None:
    assert "SUCCESS" in run_promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_every_alert_fires_at_what_it_is_for_and_is_silent_while_all_is_well(tmp_path: Path) -> None:
    assert {case.alert for case in CASES} == ALERTS.keys()
    tests = [_build_test("all is well", HEALTHY, []), *(_build_case(case) for case in CASES)]
    file = tmp_path / "alerts_test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    assert "SUCCESS" in run_promtool("test", "rules", file)


def test_what_an_alert_says_is_filled_in(tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.alert == "PinnokioDependencyDown"]
    test = _build_case(case)
    del test["promql_expr_test"]
    expected = {
        "exp_labels": {**case.labels, "severity": "warning"},
        "exp_annotations": {
            "summary": "firestore does not answer accounting/sample",
            "description": "The workers' health check has failed for three minutes.",
            "runbook_url": "docs/runbooks/PinnokioDependencyDown.md",
        },
    }
    test["alert_rule_test"] = [{"eval_time": AT, "alertname": case.alert, "exp_alerts": [expected]}]
    file = tmp_path / "said_test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    run_promtool("test", "rules", file)


def test_every_alert_says_what_it_is_and_what_to_do() -> None:
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        page = REPOSITORY / rule["annotations"]["runbook_url"]
        assert page.parent == RUNBOOKS, name
        assert page.is_file(), f"{name} has no page {page.name}"


def test_every_runbook_is_some_alerts() -> None:
    pages = {Path(rule["annotations"]["runbook_url"]).name for rule in ALERTS.values()}
    assert {page.name for page in RUNBOOKS.glob("Pinnokio*.md")} == pages
    index = (RUNBOOKS / "README.md").read_text()
    assert all(f"({page})" in index for page in pages)


def test_commands_of_the_runbooks_work_while_pods_come_and_go() -> None:
    """Without the flag, `kubectl logs` ends at the first of the pods that has no log yet."""
    for page in RUNBOOKS.glob("*.md"):
        lines = page.read_text().splitlines()
        for line, following in pairwise([*lines, ""]):
            if "kubectl logs" in line and " -l " in line:
                assert "--ignore-errors" in line, f"{page.name}: {line}"
            if line.startswith("kubectl port-forward") and line.endswith("&"):
                assert "--retry-connrefused" in following, f"{page.name}: {following}"


def test_alerts_name_only_metrics_that_there_are() -> None:
    known = {series for metric in METRICS for series in metric.series}
    for rule in read_rules():
        unknown = set(_NAME.findall(rule["expr"])) - known
        assert not unknown, f"{rule.get('alert') or rule['record']} names {unknown}"


def _build_case(case: Case) -> dict[str, Any]:
    series = {name: values for name, values in {**HEALTHY, **case.changes}.items() if values is not None}
    fired = [_build_sample(case.alert, case.severity, case.labels)]
    fired += [_build_sample(name, ALERTS[name]["labels"]["severity"], SERVICE_LABELS) for name in case.along]
    return _build_test(case.alert, series, fired)


def _build_sample(alert: str, severity: str, labels: dict[str, str]) -> dict[str, Any]:
    all_labels = {"alertname": alert, "alertstate": "firing", "severity": severity, **labels}
    told = ",".join(f'{name}="{value}"' for name, value in sorted(all_labels.items()))
    return {"labels": f"ALERTS{{{told}}}", "value": 1}


def _build_test(name: str, series: dict[str, str], fired: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}', "eval_time": AT, "exp_samples": fired}],
    }
