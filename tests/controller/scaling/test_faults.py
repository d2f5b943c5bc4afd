"""What breaks while workers work: the operator in each phase of a drain, an image, the service itself, a node, Valkey.

One case of each class runs always; the rest is `make test-faults`.
"""

import signal
import time
from collections.abc import Callable

import pytest

from tests.controller.cluster.operator import Operator, wait_for
from tests.controller.cluster.outages import restart_api_server, second_node, source_of
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.scaled import Scaled
from tests.controller.scaling.specs import COOLDOWN_S, PATIENCE_S, build_queue

pytestmark = pytest.mark.cluster

# A node that says nothing is not ready after 50 s; its pods are given up after five minutes more.
NODE_SILENT_S = 120.0
GONE_S = 60.0
CUT_S = 75.0


def _start_retiring(service: Scaled, broker: Broker) -> None:
    """The queue left the spec; one task runs, one waits."""
    broker.send(4, "bulk")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    service.serve()
    wait_for(lambda: service.queue_status().get("decision"), lambda word: word == "Retiring", 40)


def _start_shrinking(service: Scaled, broker: Broker) -> None:
    """Both pods are busy, and one of them is going."""
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=1, concurrency=1))
    wait_for(service.leaving, lambda pods: len(pods) == 1, 40)


def _start_cooling(service: Scaled, broker: Broker) -> None:
    """One task is left, and one pod waits for the end of its cooldown."""
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 2, PATIENCE_S)


def _start_growing(service: Scaled, broker: Broker) -> None:
    """Nobody has looked at what waits yet."""
    broker.send(2, "bulk")


def _ends_in_order(service: Scaled, broker: Broker) -> None:
    """Each was started once, and none is left behind."""
    broker.open_gate()
    wait_for(lambda: broker.waiting("bulk") + broker.unacked(), lambda left: left == 0, PATIENCE_S)
    wait_for(lambda: service.replicas() or 0, lambda seen: seen == 0, PATIENCE_S)
    # kubelet takes its time after an API server's restart.
    wait_for(lambda: service.pods(), lambda left: not left, 2 * GONE_S)
    assert broker.started() == broker.ended()
    assert broker.unacked() == 0


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(_start_retiring, id="a removed queue drains"),
        pytest.param(_start_shrinking, id="a busy pod is going", marks=pytest.mark.faults),
        pytest.param(_start_cooling, id="the cooldown runs", marks=pytest.mark.faults),
    ],
)
def test_an_operator_killed_in_a_drain_goes_on_where_it_was(
    service: Scaled, operator: Operator, broker: Broker, begin: Callable[[Scaled, Broker], None]
) -> None:
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, 40)
    begin(service, broker)
    operator.stop(signal.SIGKILL)
    before = broker.started()
    pods = set(service.pods()) - service.leaving()
    operator.start()
    if not broker.ended():
        # It looks, and finds nothing to interrupt.
        wait_for(lambda: operator.log.read_text().count("operator started"), lambda count: count >= 2, 40)
        assert (broker.started(), broker.ended()) == (before, 0)
        assert set(service.pods()) - service.leaving() == pods
    _ends_in_order(service, broker)


@pytest.mark.faults
@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(_start_growing, id="workers are to come"),
        pytest.param(_start_retiring, id="a removed queue drains"),
        pytest.param(_start_shrinking, id="a busy pod is going"),
        pytest.param(_start_cooling, id="the cooldown runs"),
    ],
)
def test_an_api_server_restarted_while_workers_come_or_go_interrupts_nothing(
    service: Scaled, operator: Operator, broker: Broker, begin: Callable[[Scaled, Broker], None]
) -> None:
    assert operator.process is not None
    pid = operator.process.pid
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, 40)
    begin(service, broker)
    before, pods = broker.started(), set(service.pods()) - service.leaving()
    restart_api_server(service.cluster)
    # It looks and acts again, with all that it remembered.
    service.kubectl("delete", "service", f"{service.service}-api")
    wait_for(lambda: service.get("service", f"{service.service}-api"), lambda seen: seen is not None, 40)
    assert (operator.process.poll(), operator.process.pid) == (None, pid)
    if before and not broker.ended():
        assert (broker.started(), broker.ended()) == (before, 0)
        assert set(service.pods()) - service.leaving() == pods
    wait_for(broker.started, lambda count: count >= 2, PATIENCE_S)
    _ends_in_order(service, broker)


def test_a_service_deleted_in_mid_flight_lets_its_tasks_end(service: Scaled, broker: Broker) -> None:
    """Its Valkey is another's, and stays; what waits there waits for the next service."""
    service.serve(build_queue("bulk", concurrency=1))
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    service.kubectl("delete", "psvc", service.service, "--timeout=20s")
    pods = wait_for(service.leaving, lambda seen: len(seen) == 1, 60)
    assert set(service.pods()) == pods
    assert broker.ended() == 0
    broker.open_gate()
    wait_for(lambda: service.pods(), lambda left: not left, GONE_S)
    # It may have taken the other one before it was told to go.
    done = broker.ended()
    assert (broker.started(), broker.unacked(), broker.waiting("bulk")) == (done, 0, 2 - done)


def test_a_bad_image_leaves_the_old_workers_at_work(service: Scaled, broker: Broker) -> None:
    bulk = build_queue("bulk", concurrency=1)
    service.serve(bulk)
    wait_for(lambda: service.queue_status().get("ready"), lambda ready: ready == 1, PATIENCE_S)
    old = set(service.pods())
    service.serve(bulk, image="pinnokio:is-not-there", imagePullPolicy="Never")
    degraded = wait_for(lambda: service.condition("Degraded"), lambda seen: seen["status"] == "True", 60)
    assert (degraded["reason"], "pinnokio:is-not-there cannot be had" in degraded["message"]) == (
        "ImagePullBackOff",
        True,
    )
    broker.send(1, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    assert service.busy() <= old

    service.serve(bulk)
    wait_for(lambda: set(service.pods()), lambda pods: pods == old, GONE_S)
    wait_for(lambda: service.condition("Degraded")["reason"], lambda word: word != "ImagePullBackOff", 40)
    assert (broker.started(), broker.ended()) == (1, 0)


@pytest.mark.faults
def test_eight_workers_become_one_under_load_and_nothing_is_interrupted(service: Scaled, broker: Broker) -> None:
    bulk = build_queue("bulk", minReplicas=8, maxReplicas=8, concurrency=1)
    service.serve(bulk)
    wait_for(lambda: service.queue_status().get("ready"), lambda ready: ready == 8, 2 * PATIENCE_S)
    broker.send(20, "bulk")
    wait_for(broker.started, lambda count: count == 8, PATIENCE_S)
    service.serve(bulk | {"minReplicas": 1, "maxReplicas": 1})
    leaving = wait_for(service.leaving, lambda pods: len(pods) == 7, PATIENCE_S)
    assert broker.ended() == 0
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 20, PATIENCE_S)
    wait_for(lambda: set(service.pods()), lambda pods: len(pods) == 1 and not pods & leaving, GONE_S)
    assert (broker.started(), broker.unacked()) == (20, 0)


@pytest.mark.faults
def test_a_broker_that_is_cut_for_75_s_keeps_its_workers(service: Scaled, operator: Operator, server: Broker) -> None:
    """34 tasks are queued meanwhile, on a Valkey that stops and continues with its data."""
    server.flush()
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=3, concurrency=2))
    server.send(40, "bulk")
    wait_for(server.started, lambda count: count == 6, PATIENCE_S)
    assert (service.replicas(), server.waiting("bulk")) == (3, 34)
    server.pause()
    try:
        until = time.monotonic() + CUT_S
        wait_for(lambda: service.queue_status().get("decision"), lambda word: word == "Unreadable", 60)
        wait_for(
            lambda: (service.replicas(), time.monotonic()),
            lambda seen: seen[0] != 3 or seen[1] >= until,
            2 * PATIENCE_S,
        )
        assert (service.replicas(), len(service.pods())) == (3, 3)
    finally:
        server.resume()
    server.open_gate()
    wait_for(server.ended, lambda count: count == 40, 2 * PATIENCE_S)
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, COOLDOWN_S + 40)
    assert server.unacked() == 0


def test_workers_of_a_node_that_is_declared_lost_come_elsewhere(service: Scaled, broker: Broker, image: str) -> None:
    """Its power is cut, and a person says so; who waits until Kubernetes notices, and what becomes of the task, is
    `rollout.test_lost_node`'s."""
    with second_node(service.cluster, image) as node:
        service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
        service.cluster.kubectl("cordon", node.other)
        broker.send(1, "bulk")
        wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
        assert {pod["spec"]["nodeName"] for pod in service.pods().values()} == {node.name}
        lost = set(service.pods())
        service.cluster.kubectl("uncordon", node.other)
        node.cut_power()
        service.cluster.kubectl("taint", "node", node.name, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
        wait_for(lambda: set(service.pods()) - lost, lambda pods: len(pods) == 1, 20)
        told = wait_for(lambda: service.queue_status(), lambda seen: seen.get("decision") == "HeldMessages", 60)
        assert (told["unacked"], told["desired"]) == (1, 1)
        # The one that came serves.
        broker.send(1, "bulk")
        wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
        broker.open_gate()
        wait_for(broker.ended, lambda count: count == 1, PATIENCE_S)


@pytest.mark.faults
def test_a_node_that_falls_silent_costs_no_task(service: Scaled, broker: Broker) -> None:
    """Its kubelet ends and comes back before its pods are given up; a node that is lost for good is
    `rollout.test_lost_node`'s."""
    provider = source_of(service.cluster)
    service.serve(build_queue("bulk", minReplicas=0, maxReplicas=2, concurrency=1))
    broker.send(1, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    # A pod that its kubelet has not told of is none that could become unready.
    wait_for(lambda: service.queue_status().get("ready"), lambda ready: ready == 1, PATIENCE_S)
    provider.stop_program("kubelet")
    try:
        wait_for(
            lambda: [pod["status"]["conditions"] for pod in service.pods().values()],
            lambda seen: any(each["type"] == "Ready" and each["status"] == "False" for pod in seen for each in pod),
            NODE_SILENT_S,
        )
        wait_for(lambda: service.queue_status().get("ready"), lambda ready: ready == 0, 40)
        # More are wanted, and wait for a node.
        broker.send(1, "bulk")
        wait_for(lambda: service.replicas(), lambda seen: seen == 2, 20)
    finally:
        provider.up()
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 2, PATIENCE_S)
    wait_for(lambda: service.replicas(), lambda seen: seen == 0, COOLDOWN_S + 40)
    assert (broker.started(), broker.unacked()) == (2, 0)
