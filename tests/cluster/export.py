"""Getting built images out of buildah's store: as an OCI layout of uncompressed layers, each written once.

buildah compresses what it writes to a layout and leaves alone what is there already under the digest that it knows,
the uncompressed one. So the layers are uncompressed after each export, and the next one writes only those that are new.
All clones share the layers; each has its own index.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from tests.cluster.buildah import STORE_LOCK, buildah, has_image, stored_name
from tests.cluster.cache import UNUSED_DAYS, cache_dir, locked
from tests.cluster.commands import capture, run
from tests.cluster.model import REPOSITORY, ClusterError
from tests.cluster.scratch import LAYER_TYPE, MANIFEST_TYPE, put_blob
from tests.cluster.source.images import REF_ANNOTATION, blob_path, read_descriptor
from tests.cluster.source.layout import clone_id

_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 1 << 20


def export_layout(image: str) -> tuple[Path, str]:
    """Write an image that this clone built to its OCI layout; answers the folder and the image's name in it."""
    stored = stored_name(image)
    if not has_image(stored):
        raise ClusterError(f"no image {image} was built here: `python -m tests.cluster build --tag {image} .`")
    ref = stored.rpartition("/")[2]
    with locked(STORE_LOCK, shared=True), locked("layouts"):
        folder = _ensure_layout()
        _seed(folder, stored)
        push = [*buildah(), "push", "--quiet", stored, f"oci:{folder}:{ref}"]
        run(push, log_name="image-export")
        _store_uncompressed(folder, ref)
        _remove_unused(folder)
    return folder, ref


def _ensure_layout() -> Path:
    folder = cache_dir() / "layouts" / clone_id(REPOSITORY)
    shared = cache_dir() / "layers"
    for path in (folder, shared / "sha256"):
        path.mkdir(parents=True, exist_ok=True)
    if not (folder / "blobs").exists():
        (folder / "blobs").symlink_to(shared)
    return folder


def _seed(folder: Path, stored: str) -> None:
    """Where not even the base's layer is there, write all of them in buildah's own way that compresses nothing."""
    query = ["inspect", "--type", "image", "--format", "{{range .OCIv1.RootFS.DiffIDs}}{{.}} {{end}}", stored]
    digests = capture([*buildah(), *query]).split()
    if blob_path(folder, digests[0]).exists():
        return
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        push = [*buildah(), "push", "--quiet", "--disable-compression", stored, f"dir:{temporary}"]
        run(push, log_name="image-export")
        for digest in digests:
            written = Path(temporary) / digest.removeprefix("sha256:")
            if written.exists():
                written.replace(blob_path(folder, digest))


def _store_uncompressed(folder: Path, ref: str) -> None:
    """Replace an image's compressed layers by what is in them, and its manifest by one that says so."""
    manifest = json.loads(blob_path(folder, read_descriptor(folder, ref)["digest"]).read_text())
    config = json.loads(blob_path(folder, manifest["config"]["digest"]).read_text())
    layers = []
    for layer, digest in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
        path = blob_path(folder, digest)
        if layer["digest"] != digest:
            _uncompress(blob_path(folder, layer["digest"]), path, digest)
        os.utime(path)
        layers.append({"mediaType": LAYER_TYPE, "digest": digest, "size": path.stat().st_size})
    plain = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": manifest["config"],
        "layers": layers,
    }
    descriptor = put_blob(folder, json.dumps(plain).encode(), MANIFEST_TYPE)
    _replace_in_index(folder, {**descriptor, "annotations": {REF_ANNOTATION: ref}})


def _uncompress(source: Path, target: Path, digest: str) -> None:
    temporary = target.with_name(f".{target.name}")
    found, inflater = hashlib.sha256(), zlib.decompressobj(_GZIP)
    with source.open("rb") as compressed, temporary.open("wb") as file:
        while chunk := compressed.read(_CHUNK):
            data = inflater.decompress(chunk)
            found.update(data)
            file.write(data)
    if f"sha256:{found.hexdigest()}" != digest:
        raise ClusterError(f"a layer is not what its image says: {digest}; try the build again")
    temporary.replace(target)
    source.unlink()


def _replace_in_index(folder: Path, descriptor: dict[str, Any]) -> None:
    path = folder / "index.json"
    index = json.loads(path.read_text())
    ref = descriptor["annotations"][REF_ANNOTATION]
    others = [entry for entry in index["manifests"] if entry.get("annotations", {}).get(REF_ANNOTATION) != ref]
    path.write_text(json.dumps({**index, "manifests": [*others, descriptor]}))


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for blob in (folder / "blobs" / "sha256").iterdir():
        if blob.stat().st_mtime < oldest:
            blob.unlink()
