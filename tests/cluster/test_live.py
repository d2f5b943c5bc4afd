"""What the cluster must be able to do, shown on the one that this clone has."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.model import BuildRequest, Cluster
from tests.cluster.source.api import wait_until
from tests.cluster.system_images import BUSYBOX
from tests.missing import end_test_without

pytestmark = pytest.mark.cluster

WEB = {"app": "web"}
PAGE = "hello from a pod"


@pytest.fixture(autouse=True)
def _source_only(cluster: Cluster) -> None:
    """The image that these workloads run is in clusters from source only."""
    if cluster.provider_name != "source":
        end_test_without("a cluster from source: the busybox image is in these only")


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A web server on a volume behind a Service, under the restricted pod security level; its namespace."""
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(build_web()))
    cluster.kubectl("rollout", "status", "-n", namespace, "deployment/web", "--timeout=60s")
    wait_until(lambda: read_page(cluster, namespace) == PAGE, timeout_s=30, why_not=lambda: "no page from the Service")
    yield namespace
    cluster.kubectl("delete", "-n", namespace, "deployment/web", "pvc/data", "--wait=false")


def read_page(cluster: Cluster, namespace: str) -> str:
    """What the Service answers this machine, or the error that it meets."""
    address = cluster.kubectl("get", "service", "web", "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()
    except OSError as error:
        return str(error)
    finally:
        connection.close()


def build_web() -> dict[str, Any]:
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    container = {
        "name": "web",
        "image": BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", f"echo {PAGE} > /data/index.html && exec httpd -f -p 8080 -h /data"],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"limits": {"cpu": "100m", "memory": "32Mi", "ephemeral-storage": "10Mi"}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    deployment = {"selector": {"matchLabels": WEB}, "template": {"metadata": {"labels": WEB}, "spec": pod}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
    service = {"selector": WEB, "ports": [{"port": 80, "targetPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": deployment},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
        ],
    }


def test_a_service_answers_by_name_from_a_pod(cluster: Cluster, web: str) -> None:
    answer = cluster.kubectl("exec", "-n", web, "deploy/web", "--", "wget", "-qO-", f"http://web.{web}.svc")
    assert answer.strip() == PAGE


def test_a_service_without_pods_refuses_connections(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "service", "clusterip", "web", "--tcp=80", "-n", namespace)
    wait_until(
        lambda: "refused" in read_page(cluster, namespace), timeout_s=30, why_not=lambda: "the Service did not refuse"
    )


def test_a_pod_reaches_this_machine_and_nothing_else(cluster: Cluster, web: str) -> None:
    host = cluster.host_address()
    probe = "nc -w 2 $0 1; ip=$?; wget -qO- http://192.0.2.1 2>&1; nslookup example.com 2>&1"
    script = ["exec", "-n", web, "deploy/web", "--", "sh", "-c", f"{probe}; true", str(host)]
    answer = cluster.kubectl(*script)
    assert "Network is unreachable" in answer
    assert "can't find example.com" in answer


def test_a_pod_of_the_wrong_kind_is_not_admitted(cluster: Cluster, namespace: str) -> None:
    run = ["run", "root", "-n", namespace, f"--image={BUSYBOX}", "--dry-run=server"]
    with pytest.raises(Exception, match="violates PodSecurity"):
        cluster.kubectl(*run)


def test_an_image_that_is_built_here_runs_and_is_replaced(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        "ARG BASE_IMAGE=python:3.11-slim\nFROM ${BASE_IMAGE}\nCOPY word /word\nUSER 10001:10001\n"
        'CMD ["python3", "-c", "print(open(\'/word\').read())"]\n'
    )
    for word in ("one", "two"):
        (tmp_path / "word").write_text(word)
        cluster.build(BuildRequest("cluster-test:dev", tmp_path, dockerfile))
        reference = cluster.load("cluster-test:dev")
        pod = build_printer(reference, word)
        cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(pod))
        query = ["get", "pod", word, "-n", namespace, "-o", "jsonpath={.status.phase}"]
        wait_until(
            lambda query=query: cluster.kubectl(*query) == "Succeeded",  # type: ignore[misc]
            timeout_s=30,
            why_not=lambda: "the pod did not end well",
        )
        assert cluster.kubectl("logs", "-n", namespace, word).strip() == word


def build_printer(image: str, name: str) -> dict[str, Any]:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "it", "image": image, "imagePullPolicy": "Never", "securityContext": security}
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
