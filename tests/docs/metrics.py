"""Writes docs/metrics.md from contract/metrics.py: `python -m tests.docs.metrics`. A test holds both together."""

from typing import Final

from contract.metrics import METRICS, Metric
from tests.cluster.model import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "metrics.md"
_HEAD: Final = """# Metrics

<!-- Made from contract/metrics.py by `python -m tests.docs.metrics`. -->

Prometheus text; what is not known has no sample, never 0. No label holds a user, a session or a task's id; some name
companies, twenty at most beside `other`. A scrape reads no more of Valkey than a ping, single keys and the ends of
queues, in one round trip, whatever it holds. What is "of the whole service" each API pod tells alike: take one by
`max by (…)`. A histogram's series end in `_bucket`, `_count` and `_sum`. Counters whose first event should be seen
begin at 0 for the labels that are known: tasks by type, quotas, the operator's errors. Labels that Prometheus adds
(`namespace`, `pod`) are its own.
"""
_PARTS: Final = {
    "api": "## API\n\n`http://POD:8090/metrics`, each pod its own.\n",
    "worker": "## Workers\n\n`http://POD:9540/metrics`, under celery-exporter's names. `name` is the task's name in"
    " Celery: `pinnokio.TYPE`.\n",
    "operator": "## Operator\n\n`http://POD:8081/metrics`. `namespace` and `service` name a `PinnokioService`; a"
    " Prometheus\nthat does not honour labels calls the first `exported_namespace`.\n",
}


def build_page() -> str:
    parts = [
        f"{head}\n{_build_table([each for each in METRICS if each.part == part])}" for part, head in _PARTS.items()
    ]
    return "\n".join([_HEAD, *parts])


def _build_table(metrics: list[Metric]) -> str:
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |\n"
        for each in metrics
    ]
    return "| metric | kind | labels | what it is |\n|---|---|---|---|\n" + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(build_page())
