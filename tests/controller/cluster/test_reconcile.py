"""What one sees of the operator on a real cluster: objects made, drift put right, nothing left, nothing in vain."""

import base64
import itertools
import json
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.controller.cluster.operator import (
    UNPLACEABLE,
    Namespace,
    Operator,
    build_service,
    wait_for,
    wait_until_still,
)

pytestmark = pytest.mark.cluster

OBJECTS = {
    "ConfigMap/demo-flag",
    "Deployment/demo-api",
    "Deployment/demo-beat",
    "Deployment/demo-worker-computation",
    "Deployment/demo-worker-default",
    "Secret/demo-auth",
    "Service/demo-api",
    "Service/demo-valkey",
    "StatefulSet/demo-valkey",
}
KINDS = ("configmap", "deployment", "secret", "service", "statefulset")


NUMBERS = itertools.count(1)


@pytest.fixture
def served(place: Namespace, operator: Operator) -> Iterator[Namespace]:
    """A PinnokioService of its own, all of whose objects are there, told so in its status."""
    service = replace(place, service=f"demo{next(NUMBERS)}")
    service.apply(build_service(service.service))
    wait_for(lambda: service.names(*KINDS), lambda names: names == OBJECTS, 30)
    wait_for(lambda: service.condition("Degraded").get("reason"), lambda reason: reason, 40)
    yield service
    service.kubectl("delete", "psvc", service.service, "--ignore-not-found", "--wait=false")


def test_a_service_says_what_is_missing_and_costs_nothing_while_it_idles(served: Namespace, operator: Operator) -> None:
    degraded = wait_for(lambda: served.condition("Degraded"), lambda seen: seen["status"] == "True", 40)
    assert degraded["reason"] == "Unschedulable"
    assert f"api: pod {served.service}-api-" in degraded["message"]
    assert served.condition("Ready")["reason"] == "NotAllReady"
    columns = served.kubectl("get", "psvc", served.service).split()
    assert columns[:8] == ["NAME", "PHASE", "READY", "FLAG", "ROLLOUT", "QUEUES", "API", "VERSION"]
    assert columns[9:17] == [served.service, "Degraded", "False", "off", "Off", "0/2", "0/1", "dev"]
    assert {"Created", "Degraded"} <= served.reasons()

    before = wait_until_still(lambda: _versions(served))
    # Two events of a child that change nothing we set: the operator looks twice and writes nothing.
    for word in ("one", "two"):
        served.kubectl("label", "configmap", f"{served.service}-flag", f"seen={word}", "--overwrite")
    asked = _asked(operator)
    after = wait_until_still(lambda: _versions(served))
    assert _asked(operator) == asked
    assert {name for name in before if before[name] != after[name]} == {f"ConfigMap/{served.service}-flag"}
    itself = served.get("psvc", served.service)
    assert itself is not None
    assert "finalizers" not in itself["metadata"]
    assert not any("kopf" in name for name in itself["metadata"]["annotations"])
    assert operator.resident_bytes() < 120 * 1024 * 1024


def test_deleted_objects_come_back(served: Namespace) -> None:
    def uids() -> dict[str, str]:
        return {name: each["metadata"]["uid"] for name, each in served.children(*KINDS).items()}

    before = uids()
    served.kubectl("delete", *before, "--wait=false")
    wait_for(uids, lambda now: set(now) == set(before) and not set(before.values()) & set(now.values()))


def test_edits_by_hand_are_put_right(served: Namespace) -> None:
    served.kubectl("scale", f"deployment/{served.service}-api", "--replicas=3")
    served.kubectl("set", "env", f"deployment/{served.service}-worker-default", "CELERY_QUEUES=other", "FOREIGN=1")
    served.kubectl(
        "patch", "service", f"{served.service}-api", "-p", '{"spec":{"ports":[{"port":8090,"targetPort":1}]}}'
    )

    def drift() -> list[object]:
        api, worker = (
            served.get("deployment", f"{served.service}-api"),
            served.get("deployment", f"{served.service}-worker-default"),
        )
        service = served.get("service", f"{served.service}-api")
        assert api
        assert worker
        assert service
        env = worker["spec"]["template"]["spec"]["containers"][0]["env"]
        queues = next(each["value"] for each in env if each["name"] == "CELERY_QUEUES")
        foreign = any(each["name"] == "FOREIGN" for each in env)
        return [api["spec"]["replicas"], queues, foreign, service["spec"]["ports"][0]["targetPort"]]

    wait_for(drift, lambda seen: seen == [1, "default", False, "http"])
    wait_for(served.reasons, lambda reasons: "DriftCorrected" in reasons)


def test_a_killed_operator_goes_on_where_it_was(served: Namespace, operator: Operator) -> None:
    token = _secret(served)
    operator.stop(signal.SIGKILL)
    served.kubectl("delete", "deployment", f"{served.service}-api")
    operator.start()
    wait_for(lambda: served.get("deployment", f"{served.service}-api"), lambda seen: seen is not None, 60)
    assert _secret(served) == token


def test_the_operator_logs_none_of_its_secrets(served: Namespace, operator: Operator) -> None:
    encoded = _secret(served)
    log = operator.log.read_text()
    assert log
    for value in encoded.values():
        assert value not in log
        assert base64.b64decode(value).decode() not in log


def test_a_queue_taken_out_of_the_spec_stays_while_nobody_can_say_that_it_is_empty(served: Namespace) -> None:
    """Valkey does not run here; how a queue that is empty goes is in tests/controller/scaling."""
    routes = {"llm_conversation": "default", "cleanup": "default", "health_check": "default"}
    moved = ("document_analysis", "vector_embeddings", "report_generation", "data_transformation", "ml_analysis")
    queue = {"name": "default", "resources": UNPLACEABLE}
    service = build_service(served.service, queues=[queue], routes=routes | dict.fromkeys(moved, "default"))
    served.apply(service)
    told = wait_for(lambda: _queue(served, "computation"), lambda seen: seen.get("decision") == "Retiring", 40)
    assert "served until empty: Valkey cannot be read" in told["message"]
    assert "Deployment/demo-worker-computation" in served.names("deployment")


def test_a_paused_service_is_left_alone_and_says_so(served: Namespace) -> None:
    served.kubectl("annotate", "psvc", served.service, "pinnokio.io/paused=true")
    wait_for(lambda: served.condition("Paused"), lambda condition: condition["status"] == "True")
    served.kubectl("delete", "service", f"{served.service}-api")
    served.kubectl("scale", f"deployment/{served.service}-api", "--replicas=2")
    api, service = ("deployment", f"{served.service}-api"), ("service", f"{served.service}-api")
    # The status still tells what is seen, which shows that the operator looked and changed nothing.
    wait_for(lambda: served.get(*api), lambda seen: seen and seen["status"].get("replicas") == 2, 20)
    assert served.get(*service) is None
    served.kubectl("annotate", "psvc", served.service, "pinnokio.io/paused-")
    wait_for(lambda: served.get(*service), lambda seen: seen is not None)
    wait_for(lambda: served.get(*api), lambda seen: seen and seen["spec"]["replicas"] == 1)


def test_the_flag_changes_without_a_change_of_pods(served: Namespace) -> None:
    before = served.get("deployment", f"{served.service}-api")
    assert before is not None
    service = build_service(
        served.service, unifiedRegistry={"enabled": True, "audience": {"users": ["u1"], "percent": 12.5}}
    )
    served.apply(service)
    document = wait_for(lambda: _flag(served), lambda flag: flag["enabled"])
    assert document["users"] == ["u1"]
    assert document["percent_bp"] == 1250
    assert document["revision"] == 2
    wait_for(lambda: _summary(served)["flag"], lambda word: word == "12.5%")
    after = served.get("deployment", f"{served.service}-api")
    assert after is not None
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


@pytest.mark.parametrize("operator_lives", [True, False], ids=["operator there", "operator gone"])
def test_deletion_leaves_the_volume_and_nothing_else(
    served: Namespace, operator: Operator, operator_lives: bool
) -> None:
    if not operator_lives:
        operator.stop(signal.SIGKILL)
    served.kubectl("delete", "psvc", served.service, "--timeout=10s")
    left = {"PersistentVolumeClaim/data-demo-valkey-0"}
    kinds = (*KINDS, "persistentvolumeclaim", "pod", "replicaset")
    try:
        wait_for(lambda: served.names(*kinds), lambda names: names == left, 30)
    finally:
        if not operator_lives:
            operator.start()


def _asked(operator: Operator) -> list[str]:
    """Requests to the API server so far, as the operator counts them; watches and its other services apart."""
    lines = operator.metrics().splitlines()
    return [line for line in lines if line.startswith("pinnokio_operator_api_requests_total{") and "watch" not in line]


def _versions(place: Namespace) -> dict[str, str]:
    seen = place.children(*KINDS)
    service = place.get("psvc", place.service)
    assert service is not None
    return {name: each["metadata"]["resourceVersion"] for name, each in (seen | {"itself": service}).items()}


def _secret(place: Namespace) -> dict[str, str]:
    data: dict[str, str] = place.children("secret")[f"Secret/{place.service}-auth"]["data"]
    return data


def _flag(place: Namespace) -> dict[str, object]:
    config = place.children("configmap")[f"ConfigMap/{place.service}-flag"]
    document: dict[str, object] = json.loads(config["data"]["flag.json"])
    return document


def _queue(place: Namespace, name: str) -> dict[str, str]:
    return next((each for each in place.status().get("queues", []) if each["name"] == name), {})


def _summary(place: Namespace) -> dict[str, str]:
    summary: dict[str, str] = place.status().get("summary", {})
    return summary
