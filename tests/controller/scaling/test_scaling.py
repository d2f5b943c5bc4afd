"""Workers follow what waits, on a real cluster with real workers: from nothing and back, and nothing is interrupted."""

import itertools
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.controller.cluster.operator import Namespace, Operator, wait_for
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.specs import COOLDOWN_S, build_queue, build_service

pytestmark = pytest.mark.cluster

NUMBERS = itertools.count(1)
# Two noisy cores bring a worker up in ten seconds at worst; what is promised is measured by the benchmark.
PATIENCE_S = 90.0


@pytest.fixture
def service(place: Namespace, operator: Operator, broker: Broker) -> Iterator[Namespace]:
    own = replace(place, service=f"scaled{next(NUMBERS)}")
    yield own
    broker.open_gate()
    own.kubectl("delete", "psvc", own.service, "--ignore-not-found", "--wait=false")
    own.kubectl("delete", "pod", "--all", "--grace-period=0", "--force", "--wait=false")


def _apply(service: Namespace, image: str, broker: Broker, *queues: dict[str, Any]) -> None:
    service.apply(build_service(service.service, image, broker, *queues))


def _replicas(service: Namespace, queue: str = "bulk") -> int | None:
    deployment = service.get("deployment", f"{service.service}-worker-{queue}")
    return None if deployment is None else int(deployment["spec"]["replicas"])


def _queue_status(service: Namespace, queue: str = "bulk") -> dict[str, Any]:
    return next((each for each in service.status().get("queues", []) if each["name"] == queue), {})


def _pods(service: Namespace, queue: str = "bulk") -> dict[str, dict[str, Any]]:
    selector = f"app.kubernetes.io/instance={service.service},pinnokio.io/queue={queue}"
    pods = json.loads(service.kubectl("get", "pod", "-l", selector, "-o", "json"))["items"]
    return {pod["metadata"]["name"]: pod for pod in pods}


def _metrics(operator: Operator) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.metrics_port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_workers_come_from_nothing_and_go_back_to_nothing(
    service: Namespace, operator: Operator, broker: Broker, image: str
) -> None:
    _apply(service, image, broker, build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=2))
    wait_for(lambda: _replicas(service), lambda seen: seen == 0)
    wait_for(lambda: _queue_status(service).get("decision"), lambda word: word == "Idle", 30)

    broker.send(6, "bulk")
    wait_for(broker.started, lambda count: count >= 1, PATIENCE_S)
    wait_for(broker.started, lambda count: count == 4, PATIENCE_S)
    assert _replicas(service) == 2
    told = wait_for(lambda: _queue_status(service), lambda seen: seen.get("inFlight") == 4, 40)
    assert (told["waiting"], told["unacked"], told["desired"], told["decision"]) == (2, 4, 2, "AtMaximum")
    labels = f'{{namespace="{service.name}",queue="bulk",service="{service.service}"}}'
    assert f"pinnokio_operator_queue_desired_replicas{labels} 2.0" in _metrics(operator)

    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 6, PATIENCE_S)
    wait_for(lambda: _replicas(service), lambda seen: seen == 0, COOLDOWN_S + 20)
    assert broker.unacked() == 0
    assert "Scaled" in service.reasons()


def test_shrinking_takes_idle_pods_and_interrupts_no_task(
    service: Namespace, operator: Operator, broker: Broker, image: str
) -> None:
    bulk = build_queue("bulk", minReplicas=3, maxReplicas=3, concurrency=1)
    _apply(service, image, broker, bulk)
    wait_for(lambda: _queue_status(service).get("ready"), lambda ready: ready == 3, PATIENCE_S)
    broker.send(1, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    busy = wait_for(lambda: _busy(service, broker), lambda pods: len(pods) == 1, 20)

    _apply(service, image, broker, bulk | {"minReplicas": 1})
    wait_for(lambda: set(_pods(service)), lambda pods: pods == set(busy), 60)
    (pod,) = _pods(service).values()
    assert pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"] == "1"
    assert "deletionTimestamp" not in pod["metadata"]
    assert (broker.started(), broker.ended()) == (1, 0)

    # All are busy, and still fewer are wanted: what runs ends where it runs.
    _apply(service, image, broker, bulk)
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 3, PATIENCE_S)
    _apply(service, image, broker, bulk | {"minReplicas": 1, "maxReplicas": 1})
    leaving = wait_for(lambda: _leaving(service), lambda pods: len(pods) == 2, 30)
    assert set(leaving) < set(_pods(service))
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 3, PATIENCE_S)
    wait_for(lambda: set(_pods(service)), lambda pods: len(pods) == 1 and not pods & set(leaving), 60)
    # Each was started once: none was interrupted and begun anew.
    assert (broker.started(), broker.unacked()) == (3, 0)


def test_an_unreadable_broker_holds_what_runs(
    service: Namespace, operator: Operator, server: Broker, broker: Broker, image: str
) -> None:
    _apply(service, image, broker, build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    server.stop()
    try:
        told = wait_for(lambda: _queue_status(service), lambda seen: seen.get("decision") == "Unreadable", 60)
        assert "waiting" not in told
        assert told["desired"] == 2
        # By hand is drift, also now.
        service.kubectl("scale", f"deployment/{service.service}-worker-bulk", "--replicas=0")
        wait_for(lambda: _replicas(service), lambda seen: seen == 2)
    finally:
        server.start()
    # The data is gone with the server; the gate as well, so both tasks are free to be ended.
    broker.open_gate()
    wait_for(lambda: _replicas(service), lambda seen: seen == 0, PATIENCE_S)


def test_a_task_left_by_a_killed_worker_keeps_one_worker(
    service: Namespace, operator: Operator, broker: Broker, image: str
) -> None:
    _apply(service, image, broker, build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=2))
    broker.send(3, "bulk")
    wait_for(broker.started, lambda count: count == 3, PATIENCE_S)
    service.kubectl("delete", "pod", *_pods(service), "--grace-period=0", "--force")
    told = wait_for(lambda: _queue_status(service), lambda seen: seen.get("decision") == "HeldMessages", PATIENCE_S)
    assert (told["desired"], told["waiting"]) == (1, 0)
    assert told["unacked"] > 0
    assert _replicas(service) == 1


def test_pauses_keep_the_number(service: Namespace, operator: Operator, broker: Broker, image: str) -> None:
    _apply(service, image, broker, build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    wait_for(lambda: _replicas(service), lambda seen: seen == 0)
    service.kubectl("annotate", "psvc", service.service, "pinnokio.io/scaling-paused=out")
    wait_for(lambda: _queue_status(service).get("decision"), lambda word: word == "Idle", 30)
    broker.send(1, "bulk")
    wait_for(lambda: _queue_status(service).get("decision"), lambda word: word == "ScaleOutPaused", 30)
    assert _replicas(service) == 0
    service.kubectl("annotate", "psvc", service.service, "pinnokio.io/scaling-paused=in", "--overwrite")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    broker.open_gate()
    wait_for(lambda: _queue_status(service).get("decision"), lambda word: word == "ScaleInPaused", 40)
    assert _replicas(service) == 1
    service.kubectl("annotate", "psvc", service.service, "pinnokio.io/scaling-paused-")
    wait_for(lambda: _replicas(service), lambda seen: seen == 0, COOLDOWN_S + 20)


def test_a_queue_that_left_the_spec_is_served_until_it_is_empty(
    service: Namespace, operator: Operator, broker: Broker, image: str
) -> None:
    bulk = build_queue("bulk", minReplicas=1, concurrency=1)
    _apply(service, image, broker, bulk)
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    _apply(service, image, broker)
    told = wait_for(lambda: _queue_status(service), lambda seen: seen.get("decision") == "Retiring", 30)
    assert "1 waiting" in told["message"]
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 2, PATIENCE_S)
    wait_for(lambda: _replicas(service), lambda seen: seen is None, 60)
    wait_for(lambda: _queue_status(service), lambda seen: not seen, 30)

    # A message that comes late, as from a client that did not hear of it, finds a worker all the same.
    broker.send(1, "bulk")
    wait_for(broker.ended, lambda count: count == 3, PATIENCE_S)
    wait_for(lambda: _replicas(service), lambda seen: seen is None, 60)


def _busy(service: Namespace, broker: Broker) -> dict[str, dict[str, Any]]:
    names = broker.busy_workers("bulk")
    return {name: pod for name, pod in _pods(service).items() if name in names}


def _leaving(service: Namespace) -> set[str]:
    return {name for name, pod in _pods(service).items() if "deletionTimestamp" in pod["metadata"]}
