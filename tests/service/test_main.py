"""`python -m service`: which part runs, how quickly the API starts, how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.service.valkey_server import RunningValkey, free_port

START_DEADLINE_S = 20.0


def environment(**fields: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), **fields}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"CONTAINER_TYPE": "cook"}, "CONTAINER_TYPE takes one of api, worker, beat, flower, not 'cook'"),
        ({"PORT": "high"}, "PORT takes a whole number, not 'high'"),
        ({"UNIFIED_REGISTRY_ENABLED": "perhaps"}, "UNIFIED_REGISTRY_ENABLED takes true or false"),
        ({"RPC_NAMESPACES": "LEDGER=no.such:factory"}, "No module named 'no'"),
        ({"RPC_NAMESPACES": "LEDGER"}, "RPC_NAMESPACES takes name=value"),
    ],
)
def test_an_environment_that_cannot_be_read(environ: dict[str, str], says: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "service"], env=environment(**environ), capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 2
    assert says in run.stderr
    assert "Traceback" not in run.stderr


def test_each_part_imports_only_its_own() -> None:
    code = (
        "import sys, service.__main__; print(sorted(n for n in sys.modules if n.startswith(('celery', 'starlette')) ))"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    assert run.stdout.strip() == "[]"


def test_a_worker_is_imported_without_what_celery_never_needs_here() -> None:
    """Hidden only while Celery looks for it: a task that wants YAML has it."""
    code = (
        "import gc, sys\n"
        "from service.worker.light_imports import UNUSED, without_unused\n"
        "with without_unused():\n"
        "    import service.worker.main\n"
        "print([name for name in UNUSED if name in sys.modules], gc.isenabled())\n"
        "import yaml, cffi\n"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60)
    assert (run.stdout.strip(), run.returncode) == ("[] True", 0), run.stderr


def test_api_starts_answers_and_ends(shared_valkey: RunningValkey) -> None:
    port = free_port()
    environ = environment(
        PORT=str(port), LISTENERS_REDIS_PORT=str(shared_valkey.port), LOG_LEVEL="INFO", FLAG_FILE="/nonexistent"
    )
    process = subprocess.Popen([sys.executable, "-m", "service"], env=environ, stdout=subprocess.PIPE, text=True)
    try:
        body = _until_healthy(port)
        assert body["redis"] == "ok"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines
    assert {line["level"] for line in lines} == {"INFO"}


def _until_healthy(port: int) -> dict[str, object]:
    deadline = time.monotonic() + START_DEADLINE_S
    while True:
        try:
            body: dict[str, object] = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).json()
            return body
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
