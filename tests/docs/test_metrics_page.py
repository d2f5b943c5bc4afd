"""docs/metrics.md, contract/metrics.py and what the processes register say the same."""

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

import service.metrics  # noqa: F401 - registers the API's figures
from contract.metrics import METRICS, Metric
from controller.handlers.metrics import OperatorMetrics
from service.api.shared_figures import MADE_AT_SCRAPE
from service.settings import ValkeySettings
from service.worker.metrics import WorkerMetrics
from tests.docs.metrics import PAGE, build_page
from tests.service.valkey_server import free_port, settings_for


def test_the_page_is_of_today() -> None:
    assert PAGE.read_text() == build_page(), "run `python -m tests.docs.metrics`"


def test_names_are_unique() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))


def test_the_api_registers_its_own() -> None:
    ours = {name: kind for name, kind in kinds_of(REGISTRY).items() if name.startswith("pinnokio_")}
    assert ours.items() == {(each.name, each.kind) for each in of_part("api") if each.name not in MADE_AT_SCRAPE}


def test_a_worker_registers_its_own() -> None:
    nowhere = ValkeySettings(host="127.0.0.1", port=free_port(), tls=False, tls_verify=False, password=None, db=0)
    metrics = WorkerMetrics(settings_for(nowhere), "worker@here")
    assert kinds_of(metrics.registry).items() == {(each.name, each.kind) for each in of_part("worker")}


def test_the_operator_registers_its_own() -> None:
    assert kinds_of(OperatorMetrics().registry).items() == {(each.name, each.kind) for each in of_part("operator")}


def of_part(part: str) -> list[Metric]:
    return [metric for metric in METRICS if metric.part == part]


def kinds_of(registry: CollectorRegistry) -> dict[str, str]:
    return {_full_name(family): family.type for family in registry.collect()}


def _full_name(family: Family) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name
