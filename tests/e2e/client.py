"""Speaks to a running service as Reflex does: RPC over HTTP and events over a WebSocket, through a port-forward."""

import base64
import contextlib
import json
import os
import queue
import re
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from websockets.sync.client import connect

from tests.cluster.model import Cluster, ClusterError, find_kubectl

FORWARD_DEADLINE_S = 20.0
ANSWER_S = 30.0
EVENTS_DEADLINE_S = 90.0


@dataclass(frozen=True)
class Client:
    """`address` is host:port; `token` None where the service asks for none."""

    address: str
    token: str | None

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=ANSWER_S) as answer:
            return json.loads(answer.read())

    def rpc(self, method: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The whole answer of one call."""
        body = {
            "api_version": "v1",
            "method": method,
            "args": list(args),
            "kwargs": kwargs,
            "idempotency_key": uuid.uuid4().hex,
        }
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"http://{self.address}/rpc", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            decoded: dict[str, Any] = json.loads(answer.read())
        return decoded

    def analyse(self, user_id: str, document: dict[str, Any], job_id: str) -> Iterator[dict[str, Any]]:
        """Starts one analysis and yields its events, to the last one, as they arrive on the user's WebSocket.

        Raises ClusterError where the start is refused or an event does not come in time.
        """
        with connect(f"ws://{self.address}/ws?uid={user_id}", compression=None, open_timeout=ANSWER_S) as socket:
            answer = self.rpc("TASK.start_document_analysis", user_id, document, job_id)
            if not (answer["ok"] and answer["data"]["success"]):
                raise ClusterError(f"the analysis was refused: {answer}")
            deadline = time.monotonic() + EVENTS_DEADLINE_S
            while True:
                try:
                    event = json.loads(socket.recv(timeout=max(0.1, deadline - time.monotonic())))
                except TimeoutError as error:
                    raise ClusterError(f"no event of {answer['data']['task_id']} in {EVENTS_DEADLINE_S} s") from error
                if event["type"] != "task.progress_update" or event["payload"]["task_id"] != answer["data"]["task_id"]:
                    continue
                yield event["payload"]
                if event["payload"]["status"] in ("completed", "failed"):
                    return


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, name: str) -> Iterator[Client]:
    """A client of the service's API, with its generated token, for as long as the block runs."""
    token = read_token(cluster, namespace, name)
    argv = [find_kubectl(), "port-forward", "--namespace", namespace, f"service/{name}-api", ":8090"]
    process = subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
    )
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_read_lines, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield Client(f"127.0.0.1:{_forwarded_port(lines)}", token)
    finally:
        process.terminate()
        reader.join()
        process.communicate()


def read_token(cluster: Cluster, namespace: str, name: str) -> str:
    """The token that the operator generated for a service."""
    path = "jsonpath={.data.token}"
    text = cluster.kubectl("get", "secret", f"{name}-auth", "--namespace", namespace, "--output", path)
    return base64.b64decode(text).decode()


def _read_lines(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            lines.put(line)


def _forwarded_port(lines: queue.Queue[str]) -> str:
    seen = ""
    deadline = time.monotonic() + FORWARD_DEADLINE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(queue.Empty):
            seen += lines.get(timeout=0.2)
        if match := re.search(r"127\.0\.0\.1:(\d+)", seen):
            return match.group(1)
    raise ClusterError(f"kubectl port-forward did not start: {seen.strip() or 'it said nothing'}")
