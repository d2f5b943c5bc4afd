"""What PinnokioServices cost: two hundred on one operator, and each of them while nothing happens.

`make test` sees that an idle service is not written to (test_reconcile); here the API server's own figures are asked.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from controller.model.kinds import EVENT, MANAGED, OBSERVED, SERVICE_RESOURCE
from tests.cluster.model import Cluster
from tests.cluster.steps import say
from tests.controller.cluster.operator import Namespace, Operator, build_service, wait_for, wait_until_still
from tests.service.valkey_server import RunningValkey, running_valkey

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

MEGABYTE: Final = 1024 * 1024
MANY: Final = 200
IDLE_S: Final = 60.0
# Two noisy cores make some 25 objects a second.
MADE_WITHIN_S: Final = 900.0
OURS: Final = frozenset(kind.plural for kind in (SERVICE_RESOURCE, *MANAGED, *OBSERVED, EVENT))
WRITES: Final = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE"})
_SAMPLE: Final = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)


@pytest.fixture
def valkey() -> Iterator[RunningValkey]:
    with running_valkey(cluster=False) as server:
        yield server


def test_a_service_that_idles_costs_the_api_server_nothing(
    place: Namespace, operator: Operator, valkey: RunningValkey
) -> None:
    mine = replace(place, service="quiet")
    external = {"host": "127.0.0.1", "port": valkey.port}
    mine.apply(build_service(mine.service, valkey={"mode": "external", "external": external}))
    _wait_until_quiet(place, {"quiet"})
    # Long enough for the look at the flag that comes each 30 s.
    reads, writes = _measure(place.cluster, operator, 35.0)
    assert (reads, writes) == (0, 0)
    mine.kubectl("delete", "psvc", "quiet", "--wait=false")


def test_two_hundred_services_on_one_operator(place: Namespace, operator: Operator) -> None:
    """Each has an embedded Valkey, whose pod cannot be placed: 200 real ones are more than this machine has."""
    names = {f"many{number}" for number in range(MANY)}
    began = time.monotonic()
    listed = {"apiVersion": "v1", "kind": "List", "items": [build_service(name) for name in sorted(names)]}
    place.kubectl("apply", "-f", "-", stdin=json.dumps(listed))
    _wait_until_quiet(place, names)
    made_s = time.monotonic() - began
    resident = operator.resident_bytes()
    busy_s = _cpu_s(operator)
    reads, writes = _measure(place.cluster, operator, IDLE_S)
    busy_s = _cpu_s(operator) - busy_s
    say(
        f"{MANY} services: {resident / MEGABYTE:.0f} MB, all told of after {made_s:.0f} s;"
        f" idle for {IDLE_S:.0f} s: {reads} reads, {writes} writes, {100 * busy_s / IDLE_S:.0f} % of a core"
    )
    assert resident < 300 * MEGABYTE
    assert writes == 0
    assert reads < 2 * MANY * IDLE_S / 60
    # Anew, with everything there: the lists are read in one go.
    operator.stop()
    operator.start()
    wait_for(operator.state, "acting".__eq__, 120)
    wait_until_still(lambda: _requests(operator), 5, 120)
    say(f"after a restart: {operator.resident_bytes() / MEGABYTE:.0f} MB")
    assert operator.resident_bytes() < 300 * MEGABYTE
    place.kubectl("delete", "psvc", "--all", "--wait=false")


def _wait_until_quiet(place: Namespace, names: set[str]) -> None:
    """All are told of, and nothing changes any more: pods that nobody can place are a problem after 20 s."""

    def reasons() -> Counter[str]:
        time.sleep(len(names) / 100)
        items = json.loads(place.kubectl("get", "psvc", "-o", "json"))["items"]
        return Counter(
            condition["reason"]
            for item in items
            if item["metadata"]["name"] in names
            for condition in item.get("status", {}).get("conditions", [])
            if condition["type"] == "Degraded"
        )

    def versions() -> str:
        # Asked seldom: the lists are long, and the machine has other things to do.
        time.sleep(len(names) / 40)
        return place.kubectl("get", "psvc,deployments", "-o", "jsonpath={.items[*].metadata.resourceVersion}")

    wait_for(reasons, lambda seen: seen["Unschedulable"] == len(names), MADE_WITHIN_S)
    # Kubernetes itself writes once more to each Deployment that came no further within five minutes.
    wait_until_still(versions, 15, MADE_WITHIN_S)


def _measure(cluster: Cluster, operator: Operator, seconds: float) -> tuple[int, int]:
    """Reads and writes of the operator's kinds that the API server counted, watches apart; none but the operator reads
    or writes them now. What the operator counts itself says the same."""
    before, own_before = _count(cluster), _requests(operator)
    time.sleep(seconds)
    after, own = _count(cluster) - before, _requests(operator) - own_before
    reads = sum(number for verb, number in after.items() if verb in ("GET", "LIST"))
    writes = sum(number for verb, number in after.items() if verb in WRITES)
    assert own == Counter(), own
    return reads, writes


def _count(cluster: Cluster) -> Counter[str]:
    """Requests by verb, for resources that are the operator's business."""
    counted: Counter[str] = Counter()
    for sample in _SAMPLE.finditer(cluster.kubectl("get", "--raw", "/metrics")):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
        if labels["resource"] in OURS and labels["group"] != "":
            counted[labels["verb"]] += int(float(sample["value"]))
    return counted


def _requests(operator: Operator) -> Counter[str]:
    """What the operator says that it asked, watches apart."""
    counted: Counter[str] = Counter()
    for line in operator.metrics().splitlines():
        if line.startswith("pinnokio_operator_api_requests_total{") and 'verb="watch"' not in line:
            labels, _, value = line.rpartition(" ")
            counted[labels] += int(float(value))
    return counted


def _cpu_s(operator: Operator) -> float:
    """Processor time of the operator, in seconds."""
    assert operator.process is not None
    with open(f"/proc/{operator.process.pid}/stat") as stat:  # noqa: PTH123 - one line of the kernel's
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
