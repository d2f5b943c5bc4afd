"""What a cluster is to those who use one: the error, the handle, and the interface of a provider.

Owns the types that every provider answers with. How a provider is chosen is `selection`'s, what each one does is in
`providers/`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

REPOSITORY = Path(__file__).resolve().parents[2]
CLUSTER_DIR = REPOSITORY / ".cluster"
KUBECONFIG = CLUSTER_DIR / "kubeconfig"
LOG_DIR = CLUSTER_DIR / "logs"
BIN_DIR = CLUSTER_DIR / "bin"


class ClusterError(Exception):
    """A step towards a cluster failed; the message says what, where its log is, and what to try."""


@dataclass(frozen=True)
class BuildRequest:
    """One image to build: what `docker build` would be told."""

    tag: str
    context: Path
    dockerfile: Path
    target: str | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)


class Builder(Protocol):
    """Builds images from a Dockerfile and keeps them under their tag."""

    def build(self, request: BuildRequest) -> None: ...


class Provider(Protocol):
    """A way to a Kubernetes cluster. `up` and `down` may be called again at any time."""

    @property
    def name(self) -> str:
        """`existing`, `kind` or `source`."""
        ...

    def describe(self) -> str:
        """One line for people: what this cluster is."""
        ...

    def up(self) -> None:
        """Bring the cluster to Ready and write `KUBECONFIG`."""
        ...

    def down(self) -> None:
        """Remove what `up` made; a cluster that was there before stays."""
        ...

    def is_up(self) -> bool: ...

    def status(self) -> list[tuple[str, str]]:
        """(what, how it is) lines for people."""
        ...

    def builder(self) -> Builder: ...

    def load(self, image: str) -> str:
        """Put a built image where the nodes find it; answers the reference that pods must name."""
        ...

    def host_address(self) -> str | None:
        """Address at which pods reach a server on this machine; None where it is not known."""
        ...


@dataclass(frozen=True)
class Cluster:
    """A cluster that is Ready."""

    provider_name: str
    kubeconfig: Path
    provider: Provider = field(repr=False)

    def kubectl(self, *args: str, stdin: str | None = None, timeout_s: float = 120) -> str:
        """Run kubectl against this cluster and answer what it printed; `ClusterError` with its words when it fails."""
        result = subprocess.run(
            [find_kubectl(), *args],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
        )
        if result.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(args)}: {result.stderr.strip()}")
        return result.stdout

    def load(self, image: str) -> str:
        return self.provider.load(image)

    def build(self, request: BuildRequest) -> None:
        self.provider.builder().build(request)

    def host_address(self) -> str | None:
        return self.provider.host_address()


def find_kubectl() -> str:
    """The kubectl of this clone's cluster, else the one on PATH."""
    own = BIN_DIR / "kubectl"
    if own.exists():
        return str(own)
    found = shutil.which("kubectl")
    if found is None:
        raise ClusterError("kubectl is not on PATH: `python -m tests.cluster up` brings one, in .cluster/bin")
    return found


def prepare_cluster_dir() -> None:
    """Make `.cluster/` and its parts; only the owner may look inside, for the kubeconfig is an administrator's."""
    for folder in (CLUSTER_DIR, LOG_DIR, BIN_DIR):
        folder.mkdir(parents=True, exist_ok=True)
    CLUSTER_DIR.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)


def read_json(path: Path) -> dict[str, object] | None:
    """The object in a JSON file; None when there is no such file or it does not hold one."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
