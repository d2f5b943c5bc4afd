"""Putting images into the node's containerd: only the layers that it lacks are handed over."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.cluster.commands import capture
from tests.cluster.model import ClusterError
from tests.cluster.scratch import INDEX_TYPE
from tests.cluster.source.layout import Layout

NAME_ANNOTATION = "io.containerd.image.name"
REF_ANNOTATION = "org.opencontainers.image.ref.name"


def read_descriptor(folder: Path, ref: str | None = None) -> dict[str, Any]:
    """The manifest's descriptor in an OCI layout: its only one, or the one stored as `ref`."""
    manifests = json.loads((folder / "index.json").read_text())["manifests"]
    for descriptor in manifests:
        if ref is None or descriptor.get("annotations", {}).get(REF_ANNOTATION) == ref:
            return {key: descriptor[key] for key in ("mediaType", "digest", "size")}
    raise ClusterError(f"no image {ref} in {folder}")


def read_blobs(folder: Path, descriptor: dict[str, Any]) -> list[str]:
    """The digests that an image is made of: its manifest, configuration and layers."""
    manifest = json.loads(blob_path(folder, descriptor["digest"]).read_text())
    return [
        descriptor["digest"],
        manifest["config"]["digest"],
        *(layer["digest"] for layer in manifest["layers"]),
    ]


def blob_path(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")


def normalize_reference(image: str) -> str:
    """An image's name in full, as kubelet asks for it: `pinnokio:dev` → `docker.io/library/pinnokio:dev`."""
    name, tag = image, "latest"
    if ":" in image.rpartition("/")[2]:
        name, _, tag = image.rpartition(":")
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    return f"{name}:{tag}"


def import_image(layout: Layout, folder: Path, image: str, ref: str | None = None) -> bool:
    """Make the image of an OCI layout known to the node as `image`; False when it was there already."""
    descriptor, name = read_descriptor(folder, ref), normalize_reference(image)
    if read_images(layout).get(name) == descriptor["digest"]:
        return False
    known = layout.containerd_root / "io.containerd.content.v1.content"
    blobs = read_blobs(folder, descriptor)
    missing = [digest for digest in blobs if not blob_path(known, digest).exists()]
    try:
        _import(layout, folder, descriptor, name, missing)
    except ClusterError:
        if len(missing) == len(blobs):
            raise
        _import(layout, folder, descriptor, name, blobs)  # containerd let go of one of them meanwhile
    return True


def read_images(layout: Layout) -> dict[str, str]:
    """The digest of every image that the node has, by its name."""
    lines = capture([*ctr(layout), "images", "list"]).splitlines()[1:]
    rows = [line.split() for line in lines]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def ctr(layout: Layout) -> list[str]:
    return ["ctr", "--address", str(layout.containerd_socket), "--namespace", "k8s.io"]


def _import(layout: Layout, folder: Path, descriptor: dict[str, Any], name: str, blobs: list[str]) -> None:
    with subprocess.Popen(
        [*ctr(layout), "images", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        if process.stdin is None or process.stderr is None:
            raise ClusterError("ctr: no pipe")
        annotated = {**descriptor, "annotations": {NAME_ANNOTATION: name}}
        with suppress(BrokenPipeError):  # it ended early: its exit code and its words tell why
            with tarfile.open(fileobj=process.stdin, mode="w|", bufsize=1 << 20) as archive:
                for entry, data in _entries(folder, annotated, blobs):
                    with data:
                        archive.addfile(entry, data)
            process.stdin.close()
        errors = process.stderr.read().decode(errors="replace")
    if process.returncode != 0:
        raise ClusterError(f"containerd did not take {name}: {errors.strip()[-500:]}")


def _entries(
    folder: Path, descriptor: dict[str, Any], blobs: list[str]
) -> Iterator[tuple[tarfile.TarInfo, io.BufferedIOBase]]:
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor]}
    for file, text in (("oci-layout", '{"imageLayoutVersion": "1.0.0"}'), ("index.json", json.dumps(index))):
        entry = tarfile.TarInfo(file)
        entry.size = len(text.encode())
        yield entry, io.BytesIO(text.encode())
    for digest in blobs:
        path = blob_path(folder, digest)
        entry = tarfile.TarInfo(f"blobs/{digest.replace(':', '/')}")
        entry.size = path.stat().st_size
        yield entry, path.open("rb")
