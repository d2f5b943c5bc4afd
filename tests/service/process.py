"""The API as a process of its own, as the image runs it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.service.valkey_server import RunningValkey, free_port

START_S = 20.0


@contextmanager
def api_process(valkey: RunningValkey, log: Path | None = None, **environ: str) -> Iterator[str]:
    """Its base URL, once it answers. `log`: where its standard output goes."""
    port = free_port()
    own = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "PORT": str(port),
        "LISTENERS_REDIS_PORT": str(valkey.port),
        "FLAG_FILE": "/nonexistent/flag.json",
        "LOG_LEVEL": "ERROR",
        **environ,
    }
    with (log or Path(os.devnull)).open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "service"], env=own, stdout=output, stderr=subprocess.STDOUT)
    base_url = f"http://127.0.0.1:{port}"
    try:
        _until_it_answers(base_url, process)
        yield base_url
    finally:
        process.terminate()
        process.wait(30)


def _until_it_answers(base_url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the API ended with {process.returncode}")
        try:
            httpx.get(f"{base_url}/version", timeout=2)
            return
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
