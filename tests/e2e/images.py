"""The project's images: built from the Dockerfile and put where the cluster's nodes find them.

A tag names what its image was built from, so that pods are replaced exactly when that changes.
"""

import hashlib
from dataclasses import dataclass

from tests.cluster.model import REPOSITORY, BuildRequest, Cluster

# The image without an extra: `requirements-ml.lock` is copied beside, and not installed.
APP_SOURCES = ("Dockerfile", "requirements.lock", "contract", "service", "controller")
VALKEY_SOURCES = ("Dockerfile", "requirements-valkey.lock")


@dataclass(frozen=True)
class Images:
    """References that pods name, as the cluster's provider gave them."""

    app: str
    valkey: str


def build_and_load(cluster: Cluster) -> Images:
    """Raises ClusterError where an image cannot be built or loaded."""
    return Images(
        app=_image(cluster, f"pinnokio:dev-{hash_of(APP_SOURCES)}", "app"),
        valkey=_image(cluster, f"pinnokio-valkey:dev-{hash_of(VALKEY_SOURCES)}", "valkey"),
    )


def hash_of(sources: tuple[str, ...]) -> str:
    """Twelve hex digits of the names and contents of the files that these files and folders are."""
    digest = hashlib.sha256()
    for source in sources:
        path = REPOSITORY / source
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(REPOSITORY)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _image(cluster: Cluster, tag: str, target: str) -> str:
    cluster.build(BuildRequest(tag=tag, context=REPOSITORY, dockerfile=REPOSITORY / "Dockerfile", target=target))
    return cluster.load(tag)
