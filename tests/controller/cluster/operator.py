"""Starts and stops the operator as a process, and waits on what it does: no sleep without a condition."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster.model import Cluster, ClusterError

T = TypeVar("T")
# Every correction is promised within ten seconds.
WITHIN_S = 10.0
END_S = 20.0
# Nothing is ever placed: no container starts, so nothing changes that the operator did not change.
UNPLACEABLE = {"requests": {"cpu": "1000"}}


def wait_for(read: Callable[[], T], holds: Callable[[T], object], within_s: float = WITHIN_S) -> T:
    """What `read` answers once it holds; fails with the last answer after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        answer = read()
        if holds(answer):
            return answer
        assert time.monotonic() < deadline, f"not within {within_s} s; last seen: {answer!r}"
        time.sleep(0.1)


def wait_until_still(read: Callable[[], T], still_s: float = 4.0, within_s: float = 40.0) -> T:
    """What `read` answers once it has stayed the same for `still_s`."""
    last, since = read(), time.monotonic()

    def is_still(now: T) -> bool:
        nonlocal last, since
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since >= still_s

    return wait_for(read, is_still, within_s)


def build_service(name: str = "demo", **spec: Any) -> dict[str, Any]:
    """A PinnokioService whose pods no node has room for."""
    quiet = {
        "image": "pinnokio:dev",
        "api": {"resources": UNPLACEABLE},
        "queues": [{"name": "default", "resources": UNPLACEABLE}, {"name": "computation", "resources": UNPLACEABLE}],
        "routes": {"llm_conversation": "default", "cleanup": "default", "health_check": "default"},
        "beat": {"resources": UNPLACEABLE},
        "valkey": {"embedded": {"resources": UNPLACEABLE, "storage": {"size": "64Mi"}}},
    }
    return {
        "apiVersion": "pinnokio.io/v1alpha1",
        "kind": "PinnokioService",
        "metadata": {"name": name},
        "spec": quiet | spec,
    }


@dataclass
class Namespace:
    """kubectl in one namespace, with documents in and out. `service`: the PinnokioService that a test looks at."""

    cluster: Cluster
    name: str
    service: str = "demo"

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("--namespace", self.name, *args, stdin=stdin)

    def apply(self, document: dict[str, Any]) -> None:
        """Raises ClusterError with the API server's words where it refuses."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps(document))

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        except ClusterError as error:
            if "NotFound" not in str(error):
                raise
            return None
        return document

    def children(self, *kinds: str) -> dict[str, dict[str, Any]]:
        """What belongs to the service, by `Kind/name`."""
        mine = f"app.kubernetes.io/instance={self.service}"
        listed = json.loads(self.kubectl("get", ",".join(kinds), "-l", mine, "-o", "json"))["items"]
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in listed}

    def names(self, *kinds: str) -> set[str]:
        """`Kind/name` of what belongs to the service, with `demo` in place of its name."""
        return {
            name.replace(f"/{self.service}", "/demo").replace(f"-{self.service}-", "-demo-")
            for name in self.children(*kinds)
        }

    def status(self) -> dict[str, Any]:
        service = self.get("pinnokioservice", self.service) or {}
        status: dict[str, Any] = service.get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        conditions = self.status().get("conditions", [])
        return next((each for each in conditions if each["type"] == kind), {})

    def reasons(self) -> set[str]:
        """Reasons of the Events about the service."""
        events = json.loads(self.kubectl("get", "events.events.k8s.io", "-o", "json"))["items"]
        about = ("PinnokioService", self.service)
        return {
            each["reason"] for each in events if (each["regarding"].get("kind"), each["regarding"]["name"]) == about
        }


@dataclass
class Operator:
    """`python -m controller` on this machine, for one namespace."""

    namespace: str
    log: Path
    kubeconfig: Path
    process: subprocess.Popen[bytes] | None = None
    metrics_port: int = field(default_factory=lambda: free_port())
    probe_port: int = field(default_factory=lambda: free_port())
    environ: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "controller"],
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONFAULTHANDLER": "1",
                    "KUBECONFIG": str(self.kubeconfig),
                    "WATCH_NAMESPACES": self.namespace,
                    "PROBE_PORT": str(self.probe_port),
                    "METRICS_PORT": str(self.metrics_port),
                    **self.environ,
                },
            )

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(how)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the operator does not end:\n{self._say_where_it_stands(process)}") from None
        finally:
            process.kill()
            process.wait()

    def _say_where_it_stands(self, process: subprocess.Popen[bytes]) -> str:
        """The stacks of its threads, and its last words."""
        process.send_signal(signal.SIGABRT)
        process.wait(END_S)
        return self.log.read_text(errors="replace")[-8000:]

    def state(self) -> str:
        """What its probe says that it does; empty: it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probe_port}/healthz", timeout=5) as answer:
                return str(json.loads(answer.read())["state"])
        except OSError:
            return ""

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def resident_bytes(self) -> int:
        assert self.process is not None
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
