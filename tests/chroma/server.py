"""Starts, stops and starts again a Chroma server on a port of its own, with its data in a folder of the caller's."""

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.settings import ChromaSettings
from tests.chroma.environment import chroma_command
from tests.service.valkey_server import free_port

READY_S = 30.0


class RunningChroma:
    """One server, by default on the loopback interface. `stop` and `start` keep its port and its data."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> ChromaSettings:
        return ChromaSettings(self.host, self.port, tls=False)

    @property
    def environ(self) -> dict[str, str]:
        return {"CHROMA_HOST": self.host, "CHROMA_PORT": str(self.port)}

    def start(self) -> None:
        """Returns when it answers."""
        where = ["--host", self.host, "--port", str(self.port), "--path", str(self._folder)]
        command = [str(chroma_command()), "run", *where]
        log = (self._folder.parent / "chroma.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=self._folder.parent,
                env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
            )
        self._wait_until_ready(Path(log.name))

    def stop(self) -> None:
        """At once, as a pod that is killed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait_until_ready(self, log: Path) -> None:
        deadline = time.monotonic() + READY_S
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Chroma did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/api/v2/heartbeat", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def running_chroma(folder: Path, host: str = "127.0.0.1") -> Iterator[RunningChroma]:
    """A server for the time of the block; `folder` is where its data goes."""
    server = RunningChroma(folder, host)
    server.start()
    try:
        yield server
    finally:
        server.stop()
