"""What is changed on a live service and seen by a task that a client starts: its queue, and the Chroma behind it."""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.chroma.server import running_chroma
from tests.e2e.client import Client, forwarded
from tests.e2e.conftest import Release
from tests.missing import end_test_without
from tests.openai_server.server import API_KEY, openai_beside

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

ENDED_S = 90.0


def test_a_rerouted_task_type_goes_to_its_new_queue_at_once(released: Release) -> None:
    spec = _spec(released)
    pods = released.pod_uids("=api")
    added = [*spec["queues"], {"name": "documents", "concurrency": 1}]
    released.change(queues=added, routes=spec["routes"] | {"document_analysis": "documents"})
    with forwarded(released.cluster, released.namespace, released.name) as client:
        (*_, last) = client.analyse("e2e-user", {"content": "test doc"}, uuid.uuid4().hex[:12])
    assert last["status"] == "completed"
    said = released.kubectl("logs", f"deployment/{released.name}-worker-documents", "--tail=-1")
    assert last["task_id"] in said
    released.change(queues=spec["queues"], routes=spec["routes"] | {"document_analysis": None})
    assert released.pod_uids("=api") == pods


def test_vectors_are_written_to_a_chroma_outside(released: Release, tmp_path: Path) -> None:
    host = released.cluster.host_address()
    if host is None:
        end_test_without("a cluster whose pods reach a server on this machine")
    with running_chroma(tmp_path / "chroma", host) as chroma, openai_beside(host) as endpoint:
        variables = {"OPENAI_API_KEY": API_KEY, "OPENAI_BASE_URL": endpoint.base_url}
        released.change(
            chroma={"host": host, "port": chroma.port},
            env=[{"name": name, "value": value} for name, value in variables.items()],
        )
        with forwarded(released.cluster, released.namespace, released.name) as client:
            started = client.rpc("TASK.start_vector_computation", "e2e-user", ["one", "two"], "e2e-documents")["data"]
            assert started["success"], started
            status = _await_end(client, started["task_id"])
        assert status["status"] == "completed", status
        released.change(chroma=None, env=None)


def _await_end(client: Client, task_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + ENDED_S
    while True:
        status: dict[str, Any] = client.rpc("TASK.get_task_status", task_id)["data"]
        if status["status"] in ("completed", "failed"):
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.2)


def _spec(released: Release) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(released.kubectl("get", "psvc", released.name, "-o", "json"))["spec"]
    return spec
