"""A cluster in containers, by kind, where a Docker engine runs.

Written after kind's documentation; no machine of this project has a Docker engine, so it is not proven here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.cluster.binaries import KIND, ensure_part, ensure_tools
from tests.cluster.commands import capture, run, succeeds
from tests.cluster.docker import DockerBuilder
from tests.cluster.model import KUBECONFIG, REPOSITORY, Builder, ClusterError
from tests.cluster.source.layout import clone_id
from tests.cluster.steps import step


@dataclass(frozen=True)
class KindProvider:
    """A kind cluster of this clone's own."""

    name: str = "kind"

    @property
    def cluster_name(self) -> str:
        return f"pinnokio-{clone_id(REPOSITORY)}"

    def describe(self) -> str:
        return f"a kind cluster, {self.cluster_name}"

    def up(self) -> None:
        kind = self._kind()
        if not self.is_up():
            with step(f"kind cluster {self.cluster_name}") as current:
                if self.cluster_name in self._clusters():
                    run([*kind, "delete", "cluster", "--name", self.cluster_name], log_name="kind")
                create = ["create", "cluster", "--name", self.cluster_name, "--wait", "180s"]
                run([*kind, *create, "--kubeconfig", str(KUBECONFIG)], log_name="kind", step=current)
                KUBECONFIG.chmod(0o600)
        ensure_tools()

    def down(self) -> None:
        with step(f"kind cluster {self.cluster_name}") as current:
            run([*self._kind(), "delete", "cluster", "--name", self.cluster_name], log_name="kind")
            current.note = "deleted"
        KUBECONFIG.unlink(missing_ok=True)

    def is_up(self) -> bool:
        probe = ["kubectl", f"--kubeconfig={KUBECONFIG}", "--request-timeout=5s", "get", "--raw=/readyz"]
        return KUBECONFIG.exists() and succeeds(probe)

    def status(self) -> list[tuple[str, str]]:
        return [("kind cluster", self.cluster_name), ("ready", "yes" if self.is_up() else "no")]

    def builder(self) -> Builder:
        return DockerBuilder()

    def load(self, image: str) -> str:
        with step(f"Load {image}") as current:
            load = ["load", "docker-image", image, "--name", self.cluster_name]
            run([*self._kind(), *load], log_name="kind", step=current)
        return image

    def host_address(self) -> str | None:
        """The gateway of Docker's network `kind`, which is the host."""
        try:
            networks = json.loads(capture(["docker", "network", "inspect", "kind"]))
        except ClusterError:
            return None
        gateways = [entry.get("Gateway") for entry in networks[0]["IPAM"]["Config"]]
        return next((address for address in gateways if address and "." in address), None)

    def _clusters(self) -> list[str]:
        return capture([*self._kind(), "get", "clusters"]).split()

    @staticmethod
    def _kind() -> list[str]:
        return [str(ensure_part(KIND) / "kind")]
