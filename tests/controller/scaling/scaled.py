"""The PinnokioService whose workers a test looks at, and what one sees of them."""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from tests.cluster.model import ClusterError
from tests.controller.cluster.operator import Namespace
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.specs import build_service


@dataclass
class Scaled(Namespace):
    """`queue` defaults to `bulk`."""

    image: str = ""
    broker: Broker | None = None

    def serve(self, *queues: dict[str, Any], **more: Any) -> None:
        """Applies a spec with these queues; `more` stands in it."""
        assert self.broker is not None
        self.apply(build_service(self.service, self.image, self.broker, *queues, **more))

    def replicas(self, queue: str = "bulk") -> int | None:
        deployment = self.deployment(queue)
        return None if deployment is None else int(deployment["spec"]["replicas"])

    def deployment(self, queue: str = "bulk") -> dict[str, Any] | None:
        return self.get("deployment", f"{self.service}-worker-{queue}")

    def queue_status(self, queue: str = "bulk") -> dict[str, Any]:
        return next((each for each in self.status().get("queues", []) if each["name"] == queue), {})

    def pods(self, queue: str = "bulk") -> dict[str, dict[str, Any]]:
        selector = f"app.kubernetes.io/instance={self.service},pinnokio.io/queue={queue}"
        pods = json.loads(self.kubectl("get", "pod", "-l", selector, "-o", "json"))["items"]
        return {pod["metadata"]["name"]: pod for pod in pods}

    def busy(self, queue: str = "bulk") -> set[str]:
        """Pods that run a task, by their heartbeats."""
        assert self.broker is not None
        return self.pods(queue).keys() & self.broker.busy_workers(queue)

    def kill(self, pod: str) -> None:
        """Every process in it at once; kubelet starts it again."""
        with contextlib.suppress(ClusterError):
            # The shell goes with the rest, which kubectl takes for a failure.
            self.kubectl("exec", pod, "--", "sh", "-c", "kill -9 -1")

    def leaving(self, queue: str = "bulk") -> set[str]:
        return {name for name, pod in self.pods(queue).items() if "deletionTimestamp" in pod["metadata"]}
