"""Queues change on a live service while tasks run: nothing is lost, interrupted or left where nobody serves it."""

import pytest

from tests.cluster.model import ClusterError
from tests.controller.cluster.operator import wait_for
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.scaled import Scaled
from tests.controller.scaling.specs import PATIENCE_S, TYPES, build_queue

pytestmark = pytest.mark.cluster

GONE_S = 60.0
# What is promised of a new queue.
NEW_QUEUE_S = 15.0


def test_a_renamed_queue_drains_under_its_old_name_while_the_new_one_serves(service: Scaled, broker: Broker) -> None:
    """Renaming is adding, rerouting and removing in one spec."""
    service.serve(build_queue("bulk", concurrency=1), routes=dict.fromkeys(TYPES, "bulk"))
    broker.send(2, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    old = set(service.pods())

    service.serve(build_queue("heavy", concurrency=1), routes=dict.fromkeys(TYPES, "heavy"))
    broker.send(1, "heavy")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    told = wait_for(lambda: service.queue_status("bulk"), lambda seen: seen.get("decision") == "Retiring", 30)
    assert "1 waiting" in told["message"]
    said = wait_for(lambda: service.condition("Progressing"), lambda seen: seen["reason"] == "ServingFormerQueues", 30)
    assert "queue bulk is not in spec.queues" in said["message"]
    assert set(service.pods()) == old
    assert not service.leaving()

    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 3, PATIENCE_S)
    wait_for(lambda: service.deployment("bulk"), lambda seen: seen is None, GONE_S)
    wait_for(lambda: service.queue_status("bulk"), lambda seen: not seen, 30)
    assert (broker.started(), broker.unacked()) == (3, 0)
    assert {"QueueRetiring", "Removed"} <= service.reasons()


def test_messages_that_no_queue_of_the_spec_has_are_reported_and_served(service: Scaled, broker: Broker) -> None:
    """As a client leaves them that never heard of a new route, or a service of another spec on the same Valkey."""
    service.serve()
    wait_for(lambda: service.deployment("default"), lambda seen: seen is not None)
    broker.send(2, "forgotten")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    told = wait_for(lambda: service.queue_status("forgotten"), lambda seen: seen.get("decision") == "Orphaned", 30)
    assert "route its task types elsewhere" in told["message"]
    wait_for(service.reasons, lambda reasons: "QueueOrphaned" in reasons, 30)
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 2, PATIENCE_S)
    wait_for(lambda: service.deployment("forgotten"), lambda seen: seen is None, GONE_S)
    assert (broker.started(), broker.unacked()) == (2, 0)


def test_other_slots_and_resources_interrupt_no_task(service: Scaled, broker: Broker) -> None:
    bulk = build_queue("bulk", concurrency=1)
    service.serve(bulk)
    broker.send(3, "bulk")
    wait_for(broker.started, lambda count: count == 1, PATIENCE_S)
    old = set(service.pods())

    more = {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
    service.serve(bulk | {"concurrency": 2, "resources": more})
    # New pods take what waits; the old one ends its own task and goes.
    wait_for(broker.started, lambda count: count == 3, PATIENCE_S)
    wait_for(service.leaving, lambda pods: pods == old, 60)
    assert broker.ended() == 0
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 3, PATIENCE_S)
    wait_for(lambda: set(service.pods()), lambda pods: not pods & old, GONE_S)
    assert (broker.started(), broker.unacked()) == (3, 0)
    (pod,) = service.pods().values()
    assert pod["spec"]["containers"][0]["resources"] == more


@pytest.mark.faults
def test_queues_come_go_and_come_back_under_load(service: Scaled, broker: Broker) -> None:
    """Added, removed while its tasks run, and added again before it was empty."""
    bulk, extra = build_queue("bulk", concurrency=2), build_queue("extra", concurrency=2)
    service.serve(bulk)
    broker.send(4, "bulk")
    wait_for(broker.started, lambda count: count == 2, PATIENCE_S)
    service.serve(bulk, extra)
    broker.send(2, "extra")
    wait_for(broker.started, lambda count: count == 4, NEW_QUEUE_S)
    service.serve(extra)
    wait_for(lambda: service.queue_status("bulk").get("decision"), lambda word: word == "Retiring", 30)
    pods = set(service.pods())
    service.serve(bulk, extra)
    wait_for(lambda: service.queue_status("bulk").get("decision"), lambda word: word != "Retiring", 30)
    assert set(service.pods()) == pods
    assert not service.leaving()
    broker.open_gate()
    wait_for(broker.ended, lambda count: count == 6, PATIENCE_S)
    assert (broker.started(), broker.unacked()) == (6, 0)


def test_a_task_type_is_never_left_without_a_queue(service: Scaled) -> None:
    service.serve(build_queue("bulk"), routes=dict.fromkeys(TYPES, "bulk"))
    with pytest.raises(ClusterError, match=r"spec\.routes\.\w+ names a queue that spec\.queues does not have"):
        service.serve(build_queue("heavy"), routes=dict.fromkeys(TYPES, "bulk"))
    with pytest.raises(ClusterError, match=r"go to queue computation, which spec\.queues does not have"):
        service.serve(build_queue("heavy"), routes={"llm_conversation": "heavy"})
