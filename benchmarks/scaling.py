"""Workers from nothing and back on a real cluster: how long until tasks run, until all pods are ready, until they go.

Real pods of the project's image, an operator as a process of its own, a Valkey on this machine. What KEDA 2.21 took for
the same on such a machine stands in brackets.
"""

import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from tests import cluster as clusters
from tests.cluster.model import REPOSITORY, Cluster, find_kubectl
from tests.controller.cluster.operator import Operator
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.image import build_hold_image
from tests.controller.scaling.scaled import Scaled
from tests.controller.scaling.specs import build_queue

CRD: Final = REPOSITORY / "crds" / "pinnokioservices.pinnokio.io.yaml"
QUEUE: Final = "bulk"
ADDED: Final = "added"
MOST: Final = 5
COOLDOWN_S: Final = 10
PATIENCE_S: Final = 120.0
# Short tasks in bursts, further apart than a task takes and closer than the cooldown.
BURSTS, BURST_EVERY_S = 6, 5.0


@dataclass(slots=True)
class Follower:
    """The Deployment's wanted and ready pods, each change with its time, as a watch tells them."""

    wanted: list[tuple[float, int]] = field(default_factory=list)
    ready: list[tuple[float, int]] = field(default_factory=list)

    def follow(self, stream: Any) -> None:
        for line in stream:
            now = time.monotonic()
            wanted, _, ready = line.strip().partition("/")
            for history, text in ((self.wanted, wanted), (self.ready, ready)):
                count = int(text or 0)
                if not history or history[-1][1] != count:
                    history.append((now, count))


@dataclass(slots=True)
class Bench:
    place: Scaled
    broker: Broker
    seen: Follower


def measure() -> None:
    with _bench(clusters.ensure()) as bench:
        print(f"{'':<44}{'first starts':>14}{f'{MOST} ready':>10}{'gone after':>12}   (KEDA: 2.4-3.2 s, 19-26 s)")
        for count in (1, 50, 50):
            _measure_from_nothing(bench, count)
        _measure_short_tasks(bench)
        _measure_new_queue(bench)


def _measure_from_nothing(bench: Bench, count: int) -> None:
    _begin_anew(bench)
    began = time.monotonic()
    bench.broker.send(count, QUEUE)
    first_s = _when(lambda: bench.broker.started() >= 1) - began
    pods = min(MOST, count)
    _when(lambda: bench.seen.ready[-1][1] == pods)
    ready_s = bench.seen.ready[-1][0] - began
    bench.broker.open_gate()
    ended = _when(lambda: bench.broker.ended() == count)
    _when(lambda: bench.seen.wanted[-1][1] == 0)
    gone_s = bench.seen.wanted[-1][0] - ended
    assert (bench.broker.started(), bench.broker.unacked()) == (count, 0)
    tasks = f"{count} tasks at 0 workers, cooldown {COOLDOWN_S} s"
    print(f"{tasks:<44}{first_s:>12.2f} s{ready_s:>8.2f} s{gone_s:>10.1f} s", flush=True)


def _measure_short_tasks(bench: Bench) -> None:
    _begin_anew(bench)
    bench.broker.open_gate()
    for burst in range(1, BURSTS + 1):
        bench.broker.send(20, QUEUE)
        _when(lambda due=burst * 20: bench.broker.ended() == due)  # type: ignore[misc]
        time.sleep(BURST_EVERY_S)
    steps = [count for _, count in bench.seen.wanted]
    peak = steps.index(max(steps))
    again = sum(after > before for before, after in pairwise(steps[peak:]))
    print(f"{BURSTS} bursts of short tasks: workers wanted {steps}, risen again {again} time(s) (KEDA: 5 → 0 → 5)")


def _measure_new_queue(bench: Bench) -> None:
    _begin_anew(bench)
    began = time.monotonic()
    bench.place.serve(_build_queue(), build_queue(ADDED))
    bench.broker.send(1, ADDED)
    first_s = _when(lambda: bench.broker.started() == 1) - began
    bench.broker.open_gate()
    print(f"a queue added to the spec, and a task sent to it at once: starts after {first_s:.2f} s (15 s)")


def _build_queue() -> dict[str, Any]:
    queue = build_queue(QUEUE, minReplicas=0, maxReplicas=MOST, concurrency=4)
    return queue | {"scaling": {"cooldownSeconds": COOLDOWN_S}}


def _begin_anew(bench: Bench) -> None:
    """No worker and none wanted."""
    _when(lambda: bench.seen.wanted and bench.seen.wanted[-1][1] == 0)
    _when(lambda: QUEUE not in bench.place.kubectl("get", "pod", "-o", "name"))
    bench.broker.flush()
    bench.seen.wanted[:-1] = []
    bench.seen.ready[:] = [(time.monotonic(), 0)]


def _when(holds: Callable[[], object]) -> float:
    """When it held first."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s"
        time.sleep(0.02)
    return time.monotonic()


@contextmanager
def _bench(cluster: Cluster) -> Iterator[Bench]:
    address = cluster.host_address()
    assert address is not None, "the pods of this cluster do not reach a server on this machine"
    broker = Broker(address)
    with tempfile.TemporaryDirectory() as folder:
        image = build_hold_image(cluster, Path(folder))
    place = Scaled(cluster, f"bench-{uuid.uuid4().hex[:8]}", "bench", image, broker)
    broker.start()
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    cluster.kubectl("create", "namespace", place.name)
    log = Path(tempfile.gettempdir()) / f"{place.name}.log"
    operator = Operator(place.name, log, cluster.kubeconfig)
    operator.start()
    try:
        place.serve(_build_queue())
        name = f"{place.service}-worker-{QUEUE}"
        _when(lambda: place.get("deployment", name))
        with _following(cluster, place, name) as seen:
            yield Bench(place, broker, seen)
    finally:
        broker.open_gate()
        operator.stop()
        broker.stop()
        cluster.kubectl("delete", "namespace", place.name, "--wait=false")
        log.unlink()


@contextmanager
def _following(cluster: Cluster, place: Scaled, deployment: str) -> Iterator[Follower]:
    seen = Follower()
    columns = "{.spec.replicas}/{.status.readyReplicas}{'\\n'}"
    command = [find_kubectl(), "--kubeconfig", str(cluster.kubeconfig), "--namespace", place.name]
    watch = subprocess.Popen(
        [*command, "get", "deployment", deployment, "--watch", "-o", f"jsonpath={columns}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    thread = threading.Thread(target=seen.follow, args=(watch.stdout,))
    thread.start()
    try:
        yield seen
    finally:
        watch.terminate()
        watch.wait(10)
        thread.join()
