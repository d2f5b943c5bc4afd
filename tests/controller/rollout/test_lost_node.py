"""A node is lost for good in the middle of a rollout, with an API pod and a task on it: as in a power cut, nobody hears
a word of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.model import Cluster
from tests.cluster.providers.source import SecondNode
from tests.controller.cluster.operator import Namespace, Operator, wait_for
from tests.controller.cluster.outages import second_node
from tests.controller.rollout.conftest import PATIENCE_S, SMALL, USERS, Served
from tests.controller.rollout.test_rollout import build_rollout
from tests.controller.rollout.traffic import Traffic, call
from tests.controller.scaling.broker import Broker
from tests.e2e.images import Images
from tests.openai_server.faults import Fault
from tests.openai_server.server import API_KEY, OpenAiServer, openai_beside

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

# A node that says nothing is given up after 50 s, its pods 30 s later; a worker takes its time to come.
LOST_S = 240.0
ASKER = "asker"


@pytest.fixture(scope="module")
def node(cluster: Cluster, images: Images) -> Iterator[SecondNode]:
    with second_node(cluster, images.app) as second:
        yield second


@pytest.fixture
def endpoint(server: Broker) -> Iterator[OpenAiServer]:
    """Its first answer never comes."""
    with openai_beside(server.address) as running:
        running.faults.append(Fault(delay_s=3600))
        yield running


@pytest.fixture
def served(
    place: Namespace, operator: Operator, server: Broker, images: Images, node: SecondNode, endpoint: OpenAiServer
) -> Iterator[Served]:
    """An API pod on each node; what comes after it comes to the second one."""
    own = Served(place.cluster, place.name, "scattered", images.app, server)
    own.cluster.kubectl("cordon", node.name)
    variables = {"OPENAI_API_KEY": API_KEY, "OPENAI_BASE_URL": endpoint.base_url}
    more = {
        "api": {"resources": SMALL, "auth": {"disabled": True}},
        "beat": {"resources": SMALL},
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    own.create(more, enabled=True, audience={"users": [ASKER]})
    own.cluster.kubectl("uncordon", node.name)
    own.cluster.kubectl("cordon", node.other)
    own.kubectl("patch", "psvc", own.service, "--type=merge", "-p", '{"spec":{"api":{"replicas":2}}}')
    wait_for(lambda: _nodes_of(own, "api"), lambda nodes: nodes == [node.other, node.name], PATIENCE_S)
    wait_for(lambda: own.condition("Ready").get("status"), lambda status: status == "True", PATIENCE_S)
    yield own
    own.kubectl("delete", "psvc", own.service, "--ignore-not-found", "--wait=false")
    own.kubectl("delete", "pod", "--all", "--grace-period=0", "--force", "--wait=false")


def test_a_lost_node_costs_no_task_and_ends_no_rollout(
    served: Served, operator: Operator, node: SecondNode, endpoint: OpenAiServer
) -> None:
    address = _address_on(served, node.other)
    assert call(address, "REGISTRY.register_user", ASKER, "s1")["ok"]
    started: Any = call(address, "TASK.start_llm_conversation", ASKER, "acme", "how are you?")["data"]
    assert started["success"], started
    wait_for(lambda: len(endpoint.requests), lambda count: count == 1, PATIENCE_S)
    assert _nodes_of(served, "worker") == [node.name]
    served.cluster.kubectl("uncordon", node.other)

    with Traffic(lambda: [address], USERS) as traffic:
        served.switch(rollout=build_rollout({"percent": 40}, {"percent": 100}, interval="5s"))
        served.await_phase("Analysing", 1)
        node.cut_power()
        wait_for(lambda: served.condition("Ready"), _lacks_an_api_pod, LOST_S)
        served.await_phase("Complete", 2, LOST_S)
        wait_for(lambda: _status_of(address, started["task_id"]), lambda word: word == "completed", LOST_S)
    # It ran twice, and once to its end.
    assert len(endpoint.requests) == 2
    assert not traffic.failures
    # The lost pods are still told of; others have taken their place.
    wait_for(lambda: served.condition("Ready").get("status"), lambda status: status == "True", PATIENCE_S)
    assert _nodes_of(served, "api", are_leaving=False) == [node.other, node.other]


def _lacks_an_api_pod(ready: dict[str, Any]) -> bool:
    return ready["status"] == "False" and "api 1/2" in ready["message"]


def _status_of(address: str, task_id: str) -> str:
    told: Any = call(address, "TASK.get_task_status", task_id)["data"]
    return str(told.get("status"))


def _pods(served: Served, component: str) -> list[dict[str, Any]]:
    selector = f"app.kubernetes.io/instance={served.service},app.kubernetes.io/component={component}"
    listed: list[dict[str, Any]] = json.loads(served.kubectl("get", "pod", "-l", selector, "-o", "json"))["items"]
    return listed


def _nodes_of(served: Served, component: str, *, are_leaving: bool = True) -> list[str]:
    """The nodes of the pods that were placed, sorted; `are_leaving`: of those too that are told to go."""
    pods = [pod for pod in _pods(served, component) if are_leaving or "deletionTimestamp" not in pod["metadata"]]
    return sorted(pod["spec"]["nodeName"] for pod in pods if "nodeName" in pod["spec"])


def _address_on(served: Served, node: str) -> str:
    """Address of the API's pod on a node."""
    (pod,) = [pod for pod in _pods(served, "api") if pod["spec"]["nodeName"] == node]
    return str(pod["status"]["podIP"])
