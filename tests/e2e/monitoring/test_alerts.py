"""The chart's rules in a Prometheus that watched a loaded service: silent while all is well, and then what is meant."""

from typing import Final

import pytest

from tests.alerts.test_alerts import ALERTS, read_rules
from tests.e2e.monitoring.conftest import Watched

pytestmark = pytest.mark.cluster

STEP_S: Final = 1
# Pending while pods are on their way, until maintenance has run once, and when the operator's scrape is late.
IN_PASSING: Final = {
    "PinnokioWorkersMissing",
    "PinnokioOperatorMissing",
    "PinnokioFiguresOld",
    "PinnokioChoresNotRunning",
}
# What `load_badly` does. Most of it is over before its alert would fire: they wait for minutes.
NOTICED: Final = {
    "PinnokioFlagRolledBack",
    "PinnokioQueueUnreadable",
    "PinnokioQuotaUsedUp",
    "PinnokioRegistryDrift",
    "PinnokioRegistryFallback",
    "PinnokioRpcFailing",
    "PinnokioRpcFailingSlowly",
    "PinnokioTasksStuck",
    "PinnokioValkeyDown",
}
# Seen or not, by the moment at which somebody looks.
FOR_A_MOMENT: Final = IN_PASSING | {"PinnokioApiDown", "PinnokioQuotaNearlyUsed", "PinnokioServiceDegraded"}
# These wait for nothing.
AT_ONCE: Final = {"PinnokioFlagRolledBack"}


def test_prometheus_evaluates_every_rule(watched: Watched) -> None:
    evaluated = watched.prometheus.read_rules()
    assert [rule for rule in evaluated if rule["health"] != "ok"] == []
    assert sorted(rule["name"] for rule in evaluated) == sorted(
        rule.get("alert") or rule["record"] for rule in read_rules()
    )


def test_nothing_is_told_while_all_is_well(watched: Watched) -> None:
    told = read_told(watched, watched.begin, watched.worse)
    assert told["firing"] == set()
    assert told["pending"] <= IN_PASSING


def test_what_goes_wrong_is_told_and_nothing_else(watched: Watched) -> None:
    told = read_told(watched, watched.worse, watched.end)
    noticed = told["firing"] | told["pending"]
    assert noticed - FOR_A_MOMENT == NOTICED
    assert told["firing"] >= AT_ONCE
    assert noticed <= ALERTS.keys()


def read_told(watched: Watched, begin: float, end: float) -> dict[str, set[str]]:
    """Names of the alerts of this service, and of the operator, by their state."""
    told: dict[str, set[str]] = {"firing": set(), "pending": set()}
    for each in watched.prometheus.ask_range(f'ALERTS{{service=~"{watched.service}|"}}', begin, end, STEP_S):
        told[each["metric"]["alertstate"]].add(each["metric"]["alertname"])
    return told
