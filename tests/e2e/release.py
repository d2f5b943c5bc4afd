"""Installs the chart and a PinnokioService, and waits for it: what the platform team does by Helm and kubectl."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.model import BIN_DIR, REPOSITORY, Cluster, ClusterError
from tests.cluster.steps import Step
from tests.e2e.images import Images

CHART = REPOSITORY / "charts" / "pinnokio"
SAMPLE = REPOSITORY / "examples" / "pinnokioservice.yaml"
RELEASE = "pinnokio"
OPERATOR_DEADLINE_S = 60.0
READY_DEADLINE_S = 180.0
POLL_S = 0.5


def helm(cluster: Cluster, *args: str, timeout_s: float = 300) -> str:
    """Run helm against the cluster and answer what it printed; ClusterError with its words when it fails."""
    own = BIN_DIR / "helm"
    result = subprocess.run(
        [str(own) if own.exists() else "helm", *args],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
    )
    if result.returncode != 0:
        raise ClusterError(f"helm {' '.join(args)}: {result.stderr.strip()}")
    return result.stdout


def install_operator(cluster: Cluster, namespace: str, images: Images, *values: str) -> None:
    """`helm upgrade --install` of the chart; returns when the operator is available. `values`: `key=value`."""
    repository, tag = split_reference(images.app)
    chosen = [f"image.repository={repository}", f"image.tag={tag}", "image.pullPolicy=IfNotPresent", *values]
    settings = [word for value in chosen for word in ("--set", value)]
    helm(
        cluster, "upgrade", "--install", RELEASE, str(CHART), "--namespace", namespace, "--create-namespace", *settings
    )
    try:
        rollout = ["rollout", "status", f"deployment/{RELEASE}-operator", f"--timeout={OPERATOR_DEADLINE_S:.0f}s"]
        cluster.kubectl(*rollout, "--namespace", namespace)
    except ClusterError as error:
        raise ClusterError(f"the operator does not start: {error}\n{explain(cluster, namespace)}") from error


def split_reference(reference: str) -> tuple[str, str]:
    """`registry:5000/name:tag` → (`registry:5000/name`, `tag`)."""
    repository, _, tag = reference.rpartition(":")
    return repository, tag


def sample_service(name: str, images: Images, source: Path = SAMPLE) -> dict[str, Any]:
    """The sample PinnokioService under a name of its own, with the images that this cluster has."""
    manifest: dict[str, Any] = yaml.safe_load(source.read_text())
    manifest["metadata"]["name"] = name
    manifest["metadata"].pop("namespace", None)
    manifest["spec"]["image"] = images.app
    manifest["spec"]["valkey"]["embedded"]["image"] = images.valkey
    return manifest


def apply(cluster: Cluster, namespace: str, manifest: dict[str, Any]) -> str:
    return cluster.kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=json.dumps(manifest))


def read_service(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    text = cluster.kubectl("get", "pinnokioservice", name, "--namespace", namespace, "--output", "json")
    service: dict[str, Any] = json.loads(text)
    return service


def wait_ready(cluster: Cluster, namespace: str, name: str, progress: Step | None = None) -> dict[str, Any]:
    """The service once its Ready condition is true for its newest spec; ClusterError with what stands in the way."""
    deadline = time.monotonic() + READY_DEADLINE_S
    while True:
        service = read_service(cluster, namespace, name)
        ready = condition(service, "Ready")
        if ready.get("status") == "True" and ready.get("observedGeneration") == service["metadata"]["generation"]:
            return service
        message = str(ready.get("message", "the operator has not looked at it yet"))
        if progress is not None:
            progress.detail = message
        if time.monotonic() > deadline:
            raise ClusterError(f"{name} is not Ready: {message}\n{explain(cluster, namespace)}")
        time.sleep(POLL_S)


def condition(service: dict[str, Any], kind: str) -> dict[str, Any]:
    """One condition of the status; empty while there is none."""
    conditions = service.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


def explain(cluster: Cluster, namespace: str) -> str:
    """What a person would look at first: the pods and the last events."""
    pods = cluster.kubectl("get", "pods", "--namespace", namespace, "--output", "wide")
    events = cluster.kubectl("get", "events", "--namespace", namespace, "--sort-by", ".lastTimestamp")
    return f"{pods}\n" + "\n".join(events.splitlines()[-12:])
