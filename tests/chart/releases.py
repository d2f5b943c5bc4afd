"""A release of the chart on the real cluster, in a namespace of its own, with this tree's images."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chart.rendering import CHART, RELEASE, Document, Helm, HelmRefused, Values
from tests.cluster.model import Cluster
from tests.e2e.images import Images
from tests.e2e.release import explain, split_reference

HELM_TIMEOUT = "180s"
DEADLINE_S = 90.0
GARBAGE_S = 240.0
POLL_S = 0.5


@dataclass(frozen=True)
class Release:
    """What people do with a release, and what they look at."""

    helm: Helm
    cluster: Cluster
    namespace: str
    images: Images

    def install(self, values: Values, chart: Path = CHART) -> str:
        return self._put("install", values, chart)

    def upgrade(self, values: Values, chart: Path = CHART) -> str:
        return self._put("upgrade", values, chart)

    def command(self, name: str, *arguments: str) -> str:
        """`helm NAME sample …` in the release's namespace."""
        return self.helm.run(name, RELEASE, "--namespace", self.namespace, *arguments)

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("--namespace", self.namespace, *arguments)

    def names(self, kinds: str, *arguments: str) -> set[str]:
        """kind/name of what is there of some kinds."""
        return set(self.kubectl("get", kinds, "--output", "name", *arguments).split())

    def crd(self, name: str) -> Document:
        live: dict[str, Any] = json.loads(self.cluster.kubectl("get", "crd", name, "--output", "json"))
        return live

    def _put(self, command: str, values: Values, chart: Path) -> str:
        repository, tag = split_reference(self.images.app)
        image = {"image": {"repository": repository, "tag": tag}, "valkey": {"image": self.images.valkey}}
        options = ("--namespace", self.namespace, "--wait", "--timeout", HELM_TIMEOUT)
        try:
            return self.helm.run(command, RELEASE, str(chart), *options, values={**image, **values})
        except HelmRefused as error:
            raise HelmRefused(f"{error}\n{explain(self.cluster, self.namespace)}") from error


def wait_until(holds: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Asks again and again; AssertionError with `what` where it does not come true before the deadline."""
    deadline = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(POLL_S)


def wait_until_gone(seen: Callable[[], set[str]], what: str) -> None:
    """`seen`: what is left. Generous: the garbage collector looks again in pauses that double, where a definition is
    so young that it has not seen the owner itself."""
    left = seen()

    def is_gone() -> bool:
        nonlocal left
        left = seen()
        return not left

    try:
        wait_until(is_gone, what, GARBAGE_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; left: {sorted(left)}") from None
