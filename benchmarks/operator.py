"""Measures the operator on the cluster: `python -m benchmarks.operator [--rounds N]`.

One PinnokioService applied, until all that it runs is ready, to the very same manifests applied by kubectl, in turns
and in one run. Target: at most 1.15 times as long. What a run gave: docs/performance.md.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests import cluster as clusters
from tests.cluster.model import REPOSITORY, Cluster
from tests.controller.cluster.operator import Namespace, Operator
from tests.e2e.images import Images, build_and_load
from tests.e2e.release import sample_service

NAME: Final = "measured"
KINDS: Final = (
    "secrets,configmaps,services,deployments,statefulsets,networkpolicies,poddisruptionbudgets,"
    "horizontalpodautoscalers,ingresses"
)
SELECTOR: Final = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/managed-by=pinnokio-operator"
TARGET: Final = 1.15
DEADLINE_S: Final = 180.0
POLL_S: Final = 0.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measured turns of each (default: 5)")
    rounds = parser.parse_args().rounds
    cluster = clusters.ensure()
    images = build_and_load(cluster)
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(REPOSITORY / "crds"))
    with _namespace(cluster) as watched, _namespace(cluster) as bare, _operator(cluster, watched):
        ratio = _compare(watched, bare, images, rounds)
    return 0 if ratio <= TARGET else 1


def _compare(watched: Namespace, bare: Namespace, images: Images, rounds: int) -> float:
    service = sample_service(NAME, images)
    # The first turn brings images and pages into memory, and tells which objects there are.
    _, manifests = _by_operator(watched, service, None)
    _by_kubectl(bare, manifests)
    by_operator, by_kubectl = [], []
    for number in range(rounds):
        took_s, _ = _by_operator(watched, service, manifests)
        by_operator.append(took_s)
        by_kubectl.append(_by_kubectl(bare, manifests))
        print(f"  turn {number + 1}: PinnokioService {by_operator[-1]:.1f} s, kubectl {by_kubectl[-1]:.1f} s")
    ratio = statistics.median(by_operator) / statistics.median(by_kubectl)
    print(
        f"{len(manifests)} objects, all ready: PinnokioService {statistics.median(by_operator):.2f} s,"
        f" the same by kubectl {statistics.median(by_kubectl):.2f} s (medians of {rounds}): {ratio:.2f}"
        f" (target: at most {TARGET})"
    )
    return ratio


def _by_operator(
    place: Namespace, service: dict[str, Any], manifests: list[dict[str, Any]] | None
) -> tuple[float, list[dict[str, Any]]]:
    """Seconds until all is ready, and the objects as they stand. `manifests` None: whatever there is once Ready."""
    began = time.monotonic()
    place.apply(service)
    if manifests is None:
        _wait(lambda: place.condition("Ready").get("status") == "True")
    else:
        _wait(lambda: _is_ready(place, manifests))
    took_s = time.monotonic() - began
    found = [_stripped(item) for item in _items(place)]
    place.kubectl("delete", "pinnokioservice", NAME)
    _wait_until_gone(place)
    return took_s, found


def _by_kubectl(place: Namespace, manifests: list[dict[str, Any]]) -> float:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    began = time.monotonic()
    place.kubectl("apply", "-f", "-", stdin=listed)
    _wait(lambda: _is_ready(place, manifests))
    took_s = time.monotonic() - began
    place.kubectl("delete", "-f", "-", "--wait=false", stdin=listed)
    _wait_until_gone(place)
    return took_s


def _items(place: Namespace, kinds: str = KINDS) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(place.kubectl("get", kinds, "-l", SELECTOR, "-o", "json"))["items"]
    return items


def _is_ready(place: Namespace, manifests: list[dict[str, Any]]) -> bool:
    """All that runs is there, and each wanted pod of it ready; the same question to both."""
    wanted = {_key(each) for each in manifests if each["kind"] in ("Deployment", "StatefulSet")}
    items = _items(place, "deployments,statefulsets")
    return wanted == {_key(item) for item in items if _runs(item)}


def _runs(item: dict[str, Any]) -> bool:
    status, wanted = item.get("status", {}), item["spec"].get("replicas", 1)
    ready: bool = (
        status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        and status.get("readyReplicas", 0) == wanted
    )
    return ready


def _key(item: dict[str, Any]) -> tuple[str, str]:
    return item["kind"], item["metadata"]["name"]


def _stripped(item: dict[str, Any]) -> dict[str, Any]:
    """As somebody would have written it: without what the API server adds, and without its owner."""
    meta = {name: item["metadata"][name] for name in ("name", "labels", "annotations") if name in item["metadata"]}
    spec = {name: value for name, value in item.get("spec", {}).items() if name not in ("clusterIP", "clusterIPs")}
    kept = {name: value for name, value in item.items() if name not in ("status", "metadata", "spec")}
    return kept | {"metadata": meta} | ({"spec": spec} if spec else {})


def _wait(holds: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:.0f} s"
        time.sleep(POLL_S)


def _wait_until_gone(place: Namespace) -> None:
    """Pods and volume too: the next turn begins from nothing."""
    place.kubectl("delete", "pod", "--all", "--force", "--grace-period=0", "--wait=false")
    place.kubectl("delete", "pvc", "--all", "--wait=false")
    _wait(lambda: not _items(place) and not place.kubectl("get", "pods,pvc", "-o", "name").strip())


@contextmanager
def _namespace(cluster: Cluster) -> Iterator[Namespace]:
    name = f"measure-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    yield Namespace(cluster, name, NAME)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def _operator(cluster: Cluster, place: Namespace) -> Iterator[None]:
    """On this machine: the pod of it that `make up` starts does the same."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(place.name, Path(folder) / "operator.log", cluster.kubeconfig)
        operator.start()
        _wait(lambda: operator.state() == "acting")
        yield
        operator.stop()


if __name__ == "__main__":
    sys.exit(main())
