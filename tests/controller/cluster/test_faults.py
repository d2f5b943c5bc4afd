"""What breaks around the operator: the API server, its watches, a quota, an admission rule, a spec that changes twice.

Pods play no part here but Valkey's: no node has room for them. What breaks while workers work is in
tests/controller/scaling.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.cluster.model import ClusterError
from tests.controller.cluster.conftest import grant
from tests.controller.cluster.operator import Namespace, Operator, build_service, wait_for
from tests.controller.cluster.outages import restart_api_server
from tests.e2e.images import Images
from tests.service.faults.proxy import Proxy, running_proxy

pytestmark = pytest.mark.cluster

NUMBERS = itertools.count(1)
START_S = 40.0
# A refused object is tried again each 15 s.
HEALED_S = 40.0
# Its volume is made, its file read; and the one before has ended.
VALKEY_STARTS_S = 90.0
# A watch that hears nothing for 50 s is given up; the rest is a slow machine's.
SILENT_S = 60.0


@pytest.fixture
def served(place: Namespace, operator: Operator) -> Iterator[Namespace]:
    yield from _serve(replace(place, service=f"faulty{next(NUMBERS)}"))


def _serve(service: Namespace) -> Iterator[Namespace]:
    service.apply(build_service(service.service))
    wait_for(lambda: service.get("deployment", f"{service.service}-beat"), lambda seen: seen is not None, START_S)
    yield service
    service.kubectl("delete", "psvc", service.service, "--ignore-not-found", "--wait=false")


def _has_come_back(service: Namespace, within_s: float) -> None:
    """Something is deleted, and put there again: watches and writes work."""
    name = f"{service.service}-beat"
    service.kubectl("delete", "deployment", name)
    wait_for(lambda: service.get("deployment", name), lambda seen: seen is not None, within_s)


def test_a_restarted_api_server_changes_nothing(served: Namespace, operator: Operator) -> None:
    assert operator.process is not None
    before, pid = _generations(served), operator.process.pid
    restart_api_server(served.cluster)
    _has_come_back(served, START_S)
    assert operator.process.poll() is None
    assert operator.process.pid == pid
    beat = f"{served.service}-beat"
    assert _generations(served) | {beat: 0} == before | {beat: 0}


@pytest.fixture(scope="module")
def proxied(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Operator, Proxy]]:
    """An operator that reaches the API server through a proxy, in a namespace of its own."""
    name = f"{place.name}-far"
    place.cluster.kubectl("create", "namespace", name)
    far = replace(place, name=name)
    folder = tmp_path_factory.mktemp("proxied")
    grant(far, folder / "kubeconfig")
    config: dict[str, Any] = yaml.safe_load((folder / "kubeconfig").read_text())
    address = urlsplit(config["clusters"][0]["cluster"]["server"])
    with running_proxy(address.port or 443, address.hostname or "") as proxy:
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        running = Operator(name, folder / "operator.log", folder / "kubeconfig")
        running.start()
        yield running, proxy
        running.stop()
    place.cluster.kubectl("delete", "namespace", name, "--wait=false")
    assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize(
    "how",
    [pytest.param("refused", id="broken"), pytest.param("silent", id="silent", marks=pytest.mark.faults)],
)
def test_what_a_dropped_watch_missed_is_seen_when_it_is_back(
    place: Namespace, proxied: tuple[Operator, Proxy], how: Any
) -> None:
    operator, proxy = proxied
    far = replace(place, name=operator.namespace, service=f"faulty{next(NUMBERS)}")
    service = build_service(far.service)
    far.apply(service)
    operator.log.write_text("")
    beat, api = f"{far.service}-beat", f"{far.service}-api"
    wait_for(lambda: far.get("deployment", beat), lambda seen: seen is not None, START_S)
    with proxy.cut(how):
        far.kubectl("delete", "deployment", beat)
        service["spec"]["version"] = "2.0.0"
        far.apply(service)
        # A stream that says nothing looks like one that has nothing to say, until its end is overdue.
        wait_for(lambda: "watch of deployments broke off" in operator.log.read_text(), bool, SILENT_S)
    wait_for(lambda: far.get("deployment", beat), lambda seen: seen is not None, START_S)
    wait_for(lambda: _env(far, api).get("SERVICE_VERSION"), lambda version: version == "2.0.0", START_S)
    far.kubectl("delete", "psvc", far.service, "--wait=false")


@pytest.mark.faults
def test_watches_that_stall_are_noticed_within_a_minute(place: Namespace, proxied: tuple[Operator, Proxy]) -> None:
    """Half open: nobody breaks them off, and nothing else of the network is in trouble."""
    operator, proxy = proxied
    far = replace(place, name=operator.namespace, service=f"faulty{next(NUMBERS)}")
    service = build_service(far.service)
    far.apply(service)
    beat, api = f"{far.service}-beat", f"{far.service}-api"
    wait_for(lambda: far.get("deployment", beat), lambda seen: seen is not None, START_S)
    proxy.stall()
    far.kubectl("delete", "deployment", beat)
    service["spec"]["version"] = "2.0.0"
    far.apply(service)
    wait_for(lambda: far.get("deployment", beat), lambda seen: seen is not None, SILENT_S)
    # kopf's watch had its last word from the status, some seconds later.
    wait_for(lambda: _env(far, api).get("SERVICE_VERSION"), lambda version: version == "2.0.0", START_S)
    far.kubectl("delete", "psvc", far.service, "--wait=false")


def test_a_valkey_whose_image_is_mended_runs_again(place: Namespace, operator: Operator, images: Images) -> None:
    served = replace(place, service=f"faulty{next(NUMBERS)}")

    def embedded(image: str) -> dict[str, Any]:
        valkey = {"embedded": {"image": image, "storage": {"size": "64Mi"}}}
        return build_service(served.service, valkey=valkey, imagePullPolicy="Never")

    def ready() -> int:
        parts = served.status().get("components", [])
        return next((part["ready"] for part in parts if part["name"] == "valkey"), 0)

    served.apply(embedded("pinnokio-valkey:missing"))
    wait_for(
        lambda: served.condition("Degraded").get("message", ""),
        lambda words: "valkey: " in words and "pinnokio-valkey:missing cannot be had" in words,
        START_S,
    )
    served.apply(embedded(images.valkey))
    wait_for(ready, lambda count: count == 1, VALKEY_STARTS_S)
    served.apply(embedded("pinnokio-valkey:missing"))
    wait_for(ready, lambda count: count == 0, VALKEY_STARTS_S)
    served.apply(embedded(images.valkey))
    wait_for(ready, lambda count: count == 1, VALKEY_STARTS_S)
    assert "valkey: " not in served.condition("Degraded").get("message", "")
    served.kubectl("delete", "psvc", served.service, "--wait=false")


def test_a_quota_that_refuses_an_object_is_told_and_heals(place: Namespace, operator: Operator) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight"},
        "spec": {"hard": {"count/statefulsets.apps": "0"}},
    }
    place.apply(quota)
    wait_for(lambda: (place.get("resourcequota", "tight") or {}).get("status", {}).get("hard"), bool, 20)
    served = replace(place, service=f"faulty{next(NUMBERS)}")
    try:
        served.apply(build_service(served.service))
        degraded = wait_for(lambda: served.condition("Degraded"), lambda seen: seen.get("status") == "True", START_S)
        assert degraded["reason"] == "Forbidden"
        assert f"StatefulSet {served.service}-valkey: " in degraded["message"]
        assert "exceeded quota: tight" in degraded["message"]
        # The others are there all the same.
        assert served.get("deployment", f"{served.service}-api") is not None
    finally:
        place.kubectl("delete", "resourcequota", "tight")
    wait_for(lambda: served.get("statefulset", f"{served.service}-valkey"), lambda seen: seen is not None, HEALED_S)
    wait_for(lambda: served.condition("Degraded").get("reason"), lambda word: word != "Forbidden", HEALED_S)
    served.kubectl("delete", "psvc", served.service, "--wait=false")


@pytest.mark.faults
def test_an_admission_rule_that_refuses_an_object_is_told_and_heals(served: Namespace) -> None:
    name = f"no-two-{served.name}"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": served.name}},
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["deployments"],
                    }
                ],
            },
            "validations": [
                {
                    "expression": "!object.spec.template.spec.containers[0].env.exists(e, e.name == 'SERVICE_VERSION'"
                    " && e.value == '2.0.0')",
                    "message": "nobody may run 2.0.0 here",
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    beat, api = f"{served.service}-beat", f"{served.service}-api"
    for document in (policy, binding):
        served.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    try:
        # The rule holds once it refuses.
        refused = ("set", "env", f"deployment/{api}", "SERVICE_VERSION=2.0.0", "--dry-run=server")
        wait_for(lambda: _refuses(served, *refused), bool, START_S)
        before = _env(served, api)["SERVICE_VERSION"]
        served.apply(build_service(served.service, version="2.0.0"))
        degraded = wait_for(lambda: served.condition("Degraded"), _is_of_rule, START_S)
        assert f"Deployment {beat}: " in degraded["message"]
        assert _env(served, api)["SERVICE_VERSION"] == before
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            served.cluster.kubectl("delete", kind, name)
    wait_for(lambda: _env(served, api)["SERVICE_VERSION"], lambda version: version == "2.0.0", HEALED_S)
    wait_for(lambda: served.condition("Degraded"), lambda seen: not _is_of_rule(seen), HEALED_S)


def test_the_second_of_two_specs_in_a_second_holds(served: Namespace) -> None:
    api = f"{served.service}-api"
    for version in ("2.0.0", "3.0.0", "4.0.0"):
        patch = {"spec": {"version": version, "api": {"replicas": 3 if version == "3.0.0" else 2}}}
        served.kubectl("patch", "psvc", served.service, "--type=merge", "-p", json.dumps(patch))
    last = served.get("psvc", served.service)
    assert last is not None
    wait_for(lambda: _env(served, api)["SERVICE_VERSION"], lambda version: version == "4.0.0", 20)
    generation = last["metadata"]["generation"]
    wait_for(lambda: served.status().get("observedGeneration"), lambda seen: seen == generation, 20)
    deployment = served.get("deployment", api)
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2


def _is_of_rule(condition: dict[str, Any]) -> bool:
    return "nobody may run 2.0.0 here" in condition.get("message", "")


def _refuses(service: Namespace, *args: str) -> bool:
    try:
        service.kubectl(*args)
    except ClusterError as error:
        return "nobody may run" in str(error)
    return False


def _env(service: Namespace, deployment: str) -> dict[str, str]:
    seen = service.get("deployment", deployment)
    assert seen is not None
    container = seen["spec"]["template"]["spec"]["containers"][0]
    return {each["name"]: each.get("value", "") for each in container["env"]}


def _generations(service: Namespace) -> dict[str, int]:
    return {
        each["metadata"]["name"]: each["metadata"]["generation"] for each in service.children("deployment").values()
    }
