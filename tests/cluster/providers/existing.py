"""A cluster that is there already, named by a kubectl context. It is used and never changed or removed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass

from tests.cluster.binaries import ensure_tools
from tests.cluster.commands import capture, run, succeeds
from tests.cluster.docker import DockerBuilder, engine_runs
from tests.cluster.model import KUBECONFIG, Builder, ClusterError, write_private
from tests.cluster.steps import step


@dataclass(frozen=True)
class ExistingProvider:
    """The cluster behind a kubectl context."""

    context: str
    name: str = "existing"

    def describe(self) -> str:
        return f"the cluster of the kubectl context {self.context}"

    def up(self) -> None:
        with step(f"Context {self.context}"):
            if not is_reachable("--context", self.context):
                raise ClusterError(
                    f"the cluster of the context {self.context} does not answer;"
                    " try `kubectl config get-contexts`, or CLUSTER=source for a cluster built here"
                )
            view = ["kubectl", "config", "view", "--raw", "--flatten", "--minify", f"--context={self.context}"]
            write_private(KUBECONFIG, capture(view))
        ensure_tools()

    def down(self) -> None:
        KUBECONFIG.unlink(missing_ok=True)

    def is_up(self) -> bool:
        return KUBECONFIG.exists() and self._is_reachable()

    def status(self) -> list[tuple[str, str]]:
        return [("context", self.context), ("reachable", "yes" if self._is_reachable() else "no")]

    def builder(self) -> Builder:
        if not engine_runs():
            raise ClusterError(
                "images for an existing cluster are built with Docker, and no Docker engine runs here;"
                " name an image that the cluster can pull instead"
            )
        return DockerBuilder()

    def load(self, image: str) -> str:
        """Push to the registry that REGISTRY names, for the nodes of a cluster elsewhere can only pull."""
        registry = os.environ.get("REGISTRY", "").rstrip("/")
        if not registry:
            raise ClusterError(
                f"the nodes of {self.context} can only pull images: set REGISTRY to a registry that you"
                f" may push to and they may pull from, then {image} is pushed there"
            )
        reference = f"{registry}/{image}"
        with step(f"Push {reference}") as current:
            run(["docker", "tag", image, reference], log_name="image-push", step=current)
            run(["docker", "push", reference], log_name="image-push", step=current)
        return reference

    def host_address(self) -> str | None:
        return None

    def _is_reachable(self) -> bool:
        """Whether the cluster answers by what was taken from the user's kubeconfig."""
        return is_reachable("--kubeconfig", str(KUBECONFIG), "--context", self.context)


def read_current_context() -> str | None:
    """kubectl's current context; None where there is no kubectl or no context."""
    if shutil.which("kubectl") is None:
        return None
    try:
        return capture(["kubectl", "config", "current-context"]).strip() or None
    except ClusterError:
        return None


def is_reachable(*which: str) -> bool:
    """Whether the cluster that these kubectl options name answers."""
    return succeeds(["kubectl", *which, "--request-timeout=5s", "get", "--raw=/version"])
