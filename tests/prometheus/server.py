"""Brings Debian's Prometheus to hand and runs it on a port of its own: nothing is installed, no service is started."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.cache import cache_dir, locked, publishing
from tests.service.valkey_server import free_port

PACKAGE = "prometheus"
READY_S = 60.0


def find_program(name: str = "prometheus") -> Path:
    """`prometheus` or `promtool`. Raises OSError or CalledProcessError where Debian's package cannot be had."""
    installed = shutil.which(name)
    if installed:
        return Path(installed)
    folder = cache_dir() / "prometheus"
    program = folder / "usr" / "bin" / name
    with locked("prometheus"):
        if not program.exists():
            with publishing(folder) as fresh:
                subprocess.run(["apt-get", "download", PACKAGE], cwd=fresh, check=True, capture_output=True)
                (package,) = fresh.glob(f"{PACKAGE}_*.deb")
                subprocess.run(["dpkg", "-x", str(package), str(fresh)], check=True, capture_output=True)
                package.unlink()
    return program


class RunningPrometheus:
    """`url` answers queries; `ask` is one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The vector of an instant query; empty while it does not answer."""
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except (urllib.error.URLError, OSError):
            return []
        return found

    def await_value(self, query: str, value: float) -> None:
        """Until a query of one sample has that value."""
        deadline = time.monotonic() + READY_S
        while (values := [float(each["value"][1]) for each in self.ask(query)]) != [value]:
            assert time.monotonic() < deadline, f"{query} is {values}, not {value}"
            time.sleep(0.2)


@contextmanager
def run_prometheus(folder: Path, targets: dict[str, dict[str, str]]) -> Iterator[RunningPrometheus]:
    """Scrapes `targets` (host:port → labels) each second, until the block ends."""
    port = free_port()
    scrape = {
        "job_name": "test",
        "static_configs": [{"targets": [target], "labels": labels} for target, labels in targets.items()],
    }
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scrape]}
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        str(find_program()),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    running = RunningPrometheus(port)
    try:
        deadline = time.monotonic() + READY_S
        while not running.ask("up == 1"):
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            assert time.monotonic() < deadline, "no target was scraped"
            time.sleep(0.1)
        yield running
    finally:
        process.kill()
        process.wait()
