"""Images made of single static programs: pause, CoreDNS, the storage provisioner, busybox.

Owns writing an OCI image layout from files with nothing but the standard library. What is in each of the cluster's
own images stands in `system_images`.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.cache import publishing

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """This machine's architecture in Go's and OCI's words."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def write_layout(
    folder: Path,
    files: Mapping[str, Path],
    *,
    entrypoint: Sequence[str],
    links: Mapping[str, str] | None = None,
) -> None:
    """Write an OCI layout of one image: `files` by their place inside, `links` as symbolic links to others.

    The same files always give the same digest.
    """
    layer = _layer(files, links or {})
    config = {
        "architecture": architecture(),
        "os": "linux",
        "config": {"Entrypoint": list(entrypoint), "Env": ["PATH=/usr/local/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    with publishing(folder) as temporary:
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": put_blob(temporary, json.dumps(config).encode(), CONFIG_TYPE),
            "layers": [put_blob(temporary, layer, LAYER_TYPE)],
        }
        descriptor = put_blob(temporary, json.dumps(manifest).encode(), MANIFEST_TYPE)
        (temporary / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
        (temporary / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _layer(files: Mapping[str, Path], links: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        names = {*files, *links, "tmp/keep"}
        folders = {str(parent) for name in names for parent in Path(name).parents if str(parent) != "."}
        for name in sorted(folders):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o1777 if name == "tmp" else 0o755
            archive.addfile(entry)
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            entry.mode = 0o755
            with path.open("rb") as file:
                archive.addfile(entry, file)
        for name, target in sorted(links.items()):
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.SYMTYPE
            entry.linkname = target
            archive.addfile(entry)
    return buffer.getvalue()


def put_blob(folder: Path, data: bytes, media_type: str) -> dict[str, object]:
    """Write a blob into an OCI layout; answers its descriptor."""
    digest = _digest(data)
    path = folder / "blobs" / digest.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
