"""The PinnokioService that is loaded: all of it on the cluster; its Valkey, Firestore and model on this machine."""

import json
from dataclasses import dataclass
from typing import Any, Final

from contract import keys
from tests.controller.cluster.operator import Namespace, wait_for
from tests.controller.scaling.broker import Broker
from tests.e2e.images import Images
from tests.firestore.emulator import PROJECT, FirestoreEmulator
from tests.openai_server.server import API_KEY, OpenAiServer

SMALL: Final = {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}}
# For whom the flag stays off, whatever the rollout says.
LEFT_OFF: Final = "left-off"
READY_S: Final = 120.0
# Ends the children of a worker's process, the only ones in its pod that have a parent there.
_KILL_CHILDREN: Final = """
import os, pathlib
for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
    if entry.read_text().rpartition(")")[2].split()[1] != "0":
        os.kill(int(entry.parent.name), 9)
"""


@dataclass(frozen=True)
class Outside:
    """What it is connected to."""

    broker: Broker
    openai: OpenAiServer
    firestore: FirestoreEmulator

    def read_health(self) -> dict[str, Any]:
        """How each dependency answered when the service asked last."""
        with self.broker.client() as valkey:
            found: dict[str, Any] = json.loads(valkey.get(keys.HEALTH))["dependencies"]
        return found


@dataclass
class LoadedService(Namespace):
    """One replica each, and a second worker for conversations where many wait. It is created with the flag on its way
    to everybody."""

    def create(self, images: Images, outside: Outside) -> None:
        queue = {"concurrency": 2, "resources": SMALL, "scaling": {"cooldownSeconds": 5}}
        spec = {
            "image": images.app,
            "imagePullPolicy": "IfNotPresent",
            "api": {"resources": SMALL},
            "queues": [
                {"name": "default", **queue},
                {"name": "computation", **queue},
                {"name": "llm", **queue, "maxReplicas": 2},
            ],
            "routes": {"cleanup": "default", "health_check": "default"},
            "valkey": {"mode": "external", "external": {"host": outside.broker.address, "port": outside.broker.port}},
            "unifiedRegistry": {
                "enabled": True,
                "audience": {"excludeUsers": [LEFT_OFF]},
                "rollout": {
                    "steps": [{"percent": 50}, {"percent": 100}],
                    "interval": "3s",
                    "analysis": {"minSamples": 20, "errorRatio": 0.05, "p99FloorMilliseconds": 5000},
                },
            },
            "env": [
                {"name": "OPENAI_BASE_URL", "value": outside.openai.base_url},
                {"name": "OPENAI_API_KEY", "value": API_KEY},
                {"name": "LLM_PRICES", "value": "gpt-4=30/60"},
                {"name": "FIRESTORE_EMULATOR_HOST", "value": outside.firestore.host},
                {"name": "GOOGLE_PROJECT_ID", "value": PROJECT},
            ],
        }
        meta = {"name": self.service}
        self.apply({"apiVersion": "pinnokio.io/v1alpha1", "kind": "PinnokioService", "metadata": meta, "spec": spec})

    def await_ready(self) -> None:
        wait_for(lambda: self.condition("Ready").get("status"), lambda status: status == "True", READY_S)

    def await_phase(self, phase: str) -> None:
        wait_for(lambda: self.status().get("rollout", {}).get("phase"), lambda seen: seen == phase, READY_S)

    def await_workers(self, queue: str, number: int) -> None:
        wait_for(lambda: len(self._workers(queue)), lambda seen: seen == number, READY_S)

    def annotate(self, annotation: str) -> None:
        self.kubectl("annotate", "--overwrite", "psvc", self.service, annotation)

    def kill_processes_of_a_worker(self, queue: str) -> None:
        """Those that run tasks in the oldest of its pods, as the kernel does where memory is short."""
        self.kubectl("exec", self._workers(queue)[0], "--", "python", "-c", _KILL_CHILDREN)

    def delete(self) -> None:
        self.kubectl("delete", "psvc", self.service, "--ignore-not-found", "--wait=false")

    def _workers(self, queue: str) -> list[str]:
        """Names of a queue's pods that run and are to go on, the oldest first."""
        selector = f"app.kubernetes.io/instance={self.service},pinnokio.io/queue={queue}"
        pods: list[dict[str, Any]] = json.loads(self.kubectl("get", "pod", "-l", selector, "-o", "json"))["items"]
        return [
            pod["metadata"]["name"]
            for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]
