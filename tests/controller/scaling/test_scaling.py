"""Workers follow what waits, on a real cluster with real workers: from nothing and back, and nothing is interrupted."""

import urllib.request

import pytest

from tests.controller.cluster.operator import Operator, wait_for
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.scaled import Scaled
from tests.controller.scaling.specs import COOLDOWN_S, PATIENCE_S, build_queue

pytestmark = pytest.mark.cluster

# The first of these tests starts the operator.
START_S = 40.0


def _metrics(operator: Operator) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.metrics_port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_workers_come_from_nothing_and_go_back_to_nothing(service: Scaled, operator: Operator, broker: Broker) -> None:
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=2))
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, START_S)
    wait_for(lambda: service.queue_status().get("decision"), lambda word: word == "Idle", 30)

    broker.send(4, "bulk")
    # Of a priority of their own, and so in a list of their own: they come last.
    broker.send(2, "bulk", priority=9)
    wait_for(broker.started, lambda count: count >= 1, PATIENCE_S)
    wait_for(broker.started, lambda count: count == 4, PATIENCE_S)
    assert service.replicas() == 2
    told = wait_for(lambda: service.queue_status(), lambda seen: seen.get("inFlight") == 4, 40)
    assert (told["waiting"], told["unacked"], told["desired"], told["decision"]) == (2, 4, 2, "AtMaximum")
    labels = f'{{namespace="{service.name}",queue="bulk",service="{service.service}"}}'
    assert f"pinnokio_operator_queue_desired_replicas{labels} 2.0" in _metrics(operator)

    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 6, PATIENCE_S)
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, COOLDOWN_S + 20)
    assert broker.unacked() == 0
    assert "Scaled" in service.reasons()


def test_shrinking_takes_idle_pods_and_interrupts_no_task(service: Scaled, operator: Operator, broker: Broker) -> None:
    bulk = build_queue("bulk", minReplicas=3, maxReplicas=3, concurrency=1)
    service.serve(bulk)
    wait_for(lambda: service.queue_status().get("ready"), lambda ready: ready == 3, PATIENCE_S)
    broker.send(1, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    busy = wait_for(lambda: service.busy(), lambda pods: len(pods) == 1, 20)

    service.serve(bulk | {"minReplicas": 1})
    wait_for(lambda: set(service.pods()), lambda pods: pods == busy, 60)
    (pod,) = service.pods().values()
    assert pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"] == "1"
    assert "deletionTimestamp" not in pod["metadata"]
    assert (broker.started(), broker.ended()) == (1, 0)

    # All are busy, and still fewer are wanted: what runs ends where it runs.
    service.serve(bulk)
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 3, PATIENCE_S)
    service.serve(bulk | {"minReplicas": 1, "maxReplicas": 1})
    leaving = wait_for(lambda: service.leaving(), lambda pods: len(pods) == 2, 30)
    assert leaving < set(service.pods())
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 3, PATIENCE_S)
    wait_for(lambda: set(service.pods()), lambda pods: len(pods) == 1 and not pods & leaving, 60)
    # Each was started once: none was interrupted and begun anew.
    assert (broker.started(), broker.unacked()) == (3, 0)


def test_an_unreadable_broker_holds_what_runs(
    service: Scaled, operator: Operator, server: Broker, broker: Broker
) -> None:
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    server.stop()
    try:
        told = wait_for(lambda: service.queue_status(), lambda seen: seen.get("decision") == "Unreadable", 60)
        assert "waiting" not in told
        assert told["desired"] == 2
        degraded = wait_for(lambda: service.condition("Degraded"), lambda seen: seen["status"] == "True", 30)
        assert degraded["reason"] == "ValkeyUnreachable"
        assert "workers keep their number" in degraded["message"]
        # By hand is drift, also now.
        service.kubectl("scale", f"deployment/{service.service}-worker-bulk", "--replicas=0")
        wait_for(lambda: service.replicas(), lambda seen: seen == 2)
    finally:
        server.start()
    # The data is gone with the server; the gate as well, so both tasks are free to be ended.
    broker.open_gate()
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, PATIENCE_S)
    wait_for(lambda: service.condition("Degraded")["reason"], lambda word: word != "ValkeyUnreachable", 30)


def test_a_task_left_by_a_killed_worker_keeps_one_worker(service: Scaled, operator: Operator, broker: Broker) -> None:
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=2))
    broker.send(3, "bulk")
    wait_for(broker.started, lambda count: count == 3, PATIENCE_S)
    for pod in service.pods():
        service.kill(pod)
    told = wait_for(lambda: service.queue_status(), lambda seen: seen.get("decision") == "HeldMessages", PATIENCE_S)
    assert (told["desired"], told["waiting"]) == (1, 0)
    assert told["unacked"] > 0
    assert service.replicas() == 1


@pytest.mark.faults
def test_a_task_with_a_time_to_start_at_keeps_a_worker_awake(
    service: Scaled, operator: Operator, broker: Broker
) -> None:
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, START_S)
    broker.open_gate()
    broker.send(1, "bulk", countdown=COOLDOWN_S + 30)
    told = wait_for(lambda: service.queue_status(), lambda seen: seen.get("decision") == "HeldMessages", PATIENCE_S)
    assert (told["desired"], told["waiting"], told["unacked"]) == (1, 0, 1)
    pods = set(service.pods())
    assert broker.started() == 0
    wait_for(broker.ended, lambda count: count == 1, PATIENCE_S)
    assert set(service.pods()) == pods
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, COOLDOWN_S + 20)


def test_pauses_keep_the_number(service: Scaled, operator: Operator, broker: Broker) -> None:
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, START_S)
    service.kubectl("annotate", "psvc", service.service, "pinnokio.io/scaling-paused=out")
    wait_for(lambda: service.queue_status().get("decision"), lambda word: word == "Idle", 30)
    broker.send(1, "bulk")
    wait_for(lambda: service.queue_status().get("decision"), lambda word: word == "ScaleOutPaused", 30)
    assert service.replicas() == 0
    service.kubectl("annotate", "psvc", service.service, "pinnokio.io/scaling-paused=in", "--overwrite")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    broker.open_gate()
    wait_for(lambda: service.queue_status().get("decision"), lambda word: word == "ScaleInPaused", 40)
    assert service.replicas() == 1
    service.kubectl("annotate", "psvc", service.service, "pinnokio.io/scaling-paused-")
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, COOLDOWN_S + 20)
