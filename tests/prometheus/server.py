"""Runs Debian's Prometheus on a port of its own, and asks it."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.debian import find_program
from tests.service.valkey_server import free_port

READY_S = 60.0


class RunningPrometheus:
    """`url` answers queries; `ask` is one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The vector of an instant query; empty while it does not answer."""
        try:
            found: list[dict[str, Any]] = self._get("query", query=query)["result"]
        except OSError:
            return []
        return found

    def ask_range(self, query: str, begin: float, end: float, step_s: float) -> list[dict[str, Any]]:
        """The series of a query over a time, as a graph asks for them. AssertionError with its words if it refuses."""
        try:
            answer = self._get("query_range", query=query, start=f"{begin:.3f}", end=f"{end:.3f}", step=f"{step_s:g}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error
        found: list[dict[str, Any]] = answer["result"]
        return found

    def read_label_values(self, label: str, series: str) -> list[str]:
        """What a dashboard's variable `label_values(series, label)` offers."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": series})
        return found

    def read_rules(self) -> list[dict[str, Any]]:
        """Rules and alerts as they were evaluated last."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def await_value(self, query: str, value: float) -> None:
        """Until a query of one sample has that value."""
        deadline = time.monotonic() + READY_S
        while (values := [float(each["value"][1]) for each in self.ask(query)]) != [value]:
            assert time.monotonic() < deadline, f"{query} is {values}, not {value}"
            time.sleep(0.2)

    def _get(self, path: str, **parameters: str) -> Any:
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
            return json.load(answer)["data"]


def build_static_scrape(targets: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A scrape of `targets` (host:port → labels) each second."""
    static = [{"targets": [target], "labels": labels} for target, labels in targets.items()]
    return {"job_name": "test", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": static}


@contextmanager
def run_prometheus(
    folder: Path, scrapes: list[dict[str, Any]], rule_files: Iterable[Path] = ()
) -> Iterator[RunningPrometheus]:
    """Scrapes by these scrape_configs until the block ends, which begins when the first target is up."""
    port = free_port()
    config = {
        "global": {"evaluation_interval": "1s"},
        "scrape_configs": scrapes,
        "rule_files": [str(file) for file in rule_files],
    }
    # JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = [
        find_program("prometheus", "prometheus"),
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
