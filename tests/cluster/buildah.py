"""Image builds without a Docker engine: buildah with a store of its own in the cache, on a Debian base made here.
Getting an image out of the store is `export`'s.

An image is stored under a name that holds the clone's id, so that two clones' `pinnokio:dev` are two images that share
their layers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.cluster.base_image import BASE_IMAGE, base_key, ensure_base_archive
from tests.cluster.cache import cache_dir, locked, locked_if_free
from tests.cluster.commands import capture, run, succeeds
from tests.cluster.model import REPOSITORY, BuildRequest
from tests.cluster.source.layout import clone_id
from tests.cluster.source.mounts import read_mounts, unmount_all
from tests.cluster.steps import step

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What pip and apt need to reach their registries from inside a build, as this machine has it.
HOST_FILES = ("/etc/ssl/certs", "/etc/pip.conf")


STORE_LOCK = "buildah-store"
RUN_DIR = Path("/run/pinnokio-buildah")


class BuildahBuilder:
    """Builds in a chroot with the host's network and certificates."""

    def build(self, request: BuildRequest) -> None:
        command = [*buildah(), "bud", "--layers", "--isolation", "chroot", "--pull-never", "--format", "oci"]
        command += ["--tag", stored_name(request.tag), "--file", str(request.dockerfile)]
        if request.target is not None:
            command += ["--target", request.target]
        build_args = dict(request.build_args)
        if "ARG BASE_IMAGE" in request.dockerfile.read_text():
            build_args.setdefault("BASE_IMAGE", BASE_IMAGE)
            ensure_base_image()
        for name, value in build_args.items():
            command += ["--build-arg", f"{name}={value}"]
        for path in HOST_FILES:
            if Path(path).exists():
                command += ["--volume", f"{path}:{path}:ro"]
        with step(f"Image {request.tag}") as current, locked(STORE_LOCK, shared=True):
            run([*command, str(request.context)], log_name="image-build", step=current)
            current.note = "built"


def ensure_base_image() -> None:
    """Have the base image in buildah's store; shows nothing where it is there."""
    stored = f"{BASE_IMAGE}-{base_key()}"
    with locked(STORE_LOCK, shared=True):
        if not has_image(stored):
            archive = ensure_base_archive()
            with step("Base image") as current, locked("buildah-base"):
                container = capture([*buildah(), "from", "scratch"]).strip()
                run([*buildah(), "add", container, str(archive), "/"], log_name="base-image", step=current)
                settings = ["--cmd", "/bin/bash", "--env", "LANG=C.UTF-8", "--env", "PATH=" + _PATH]
                capture([*buildah(), "config", *settings, container])
                run([*buildah(), "commit", "--rm", container, stored], log_name="base-image", step=current)
                current.note = "made"
        capture([*buildah(), "tag", stored, BASE_IMAGE])


def release_store() -> None:
    """Unmount what buildah, or a build that was killed, left mounted in the store; not while anybody builds."""
    store = cache_dir() / "buildah"
    with locked_if_free(STORE_LOCK) as free:
        if not free or not store.exists():
            return
        if shutil.which("buildah") is not None and read_mounts(store):
            subprocess.run([*buildah(), "rm", "--all"], capture_output=True, check=False)
        unmount_all(store)
        shutil.rmtree(RUN_DIR, ignore_errors=True)


def buildah() -> list[str]:
    """buildah with the store in the cache."""
    store = cache_dir() / "buildah"
    return ["buildah", "--root", str(store), "--runroot", str(RUN_DIR), "--storage-driver", _driver(store)]


def stored_name(tag: str) -> str:
    """The name under which this clone's image of that tag is stored: `localhost/clone-1a2b3c/pinnokio:dev`."""
    return f"localhost/clone-{clone_id(REPOSITORY)}/{tag}"


def has_image(name: str) -> bool:
    """Whether buildah's store has an image of that stored name."""
    return succeeds([*buildah(), "inspect", "--type", "image", name])


def _driver(store: Path) -> str:
    """The storage driver: overlay, else vfs, which is slow and works everywhere; what the store has stays."""
    chosen = store / "pinnokio-driver"
    if not chosen.exists():
        store.mkdir(parents=True, exist_ok=True)
        trial = ["buildah", "--root", str(store), "--runroot", str(RUN_DIR), "--storage-driver", "overlay"]
        chosen.write_text("overlay" if succeeds([*trial, "info"]) else "vfs")
    return os.environ.get("STORAGE_DRIVER") or chosen.read_text().strip()
