"""The images that the cluster itself runs: what is in each, under which name, and where its layout is cached."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cache import cache_dir, hash_of, locked, mark_used
from tests.cluster.commands import run
from tests.cluster.scratch import write_layout
from tests.cluster.steps import step

PAUSE = "localhost/pinnokio/pause:1"
COREDNS = "localhost/pinnokio/coredns:1"
PROVISIONER = "localhost/pinnokio/local-path-provisioner:1"
BUSYBOX = "localhost/pinnokio/busybox:1"

PAUSE_SOURCE = Path(__file__).parent / "images" / "pause.c"
BUSYBOX_PROGRAM = Path("/usr/bin/busybox")
BUSYBOX_APPLETS = (
    *("cat", "chmod", "cp", "date", "echo", "env", "grep", "head", "hostname", "httpd", "id", "ls", "mkdir"),
    *("nc", "nslookup", "ps", "rm", "sh", "sleep", "tail", "test", "timeout", "touch", "true", "wget"),
)
_RECIPE = "1"  # raise it when what is put into an image changes


@dataclass(frozen=True)
class SystemImage:
    """An image of the cluster's own: its reference and its OCI layout."""

    reference: str
    layout: Path


def ensure_system_images(coredns_bin: Path, provisioner_bin: Path) -> list[SystemImage]:
    """The layouts of all system images, made when the cache has none for these programs."""
    with step("System images") as current:
        images = [
            _ensure_pause(),
            _ensure_program(COREDNS, coredns_bin / "coredns", coredns_bin.name),
            _ensure_program(PROVISIONER, provisioner_bin / "local-path-provisioner", provisioner_bin.name),
            _ensure_busybox(),
        ]
        current.note = f"{len(images)} ready"
    return images


def _ensure_program(reference: str, program: Path, key: str) -> SystemImage:
    layout = _layout(program.name, hash_of(key, _RECIPE))
    if not layout.exists():
        with locked(f"image-{program.name}"):
            write_layout(layout, {program.name: program}, entrypoint=[f"/{program.name}"])
    mark_used(layout, f"{program.name}-")
    return SystemImage(reference, layout)


def _ensure_pause() -> SystemImage:
    layout = _layout("pause", hash_of(PAUSE_SOURCE, _RECIPE))
    if not layout.exists():
        with locked("image-pause"), tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "pause"
            compile_it = ["gcc", "-static", "-Os", "-s", "-o", str(program), str(PAUSE_SOURCE)]
            run(compile_it, log_name="image-pause", hint="the packages gcc and libc6-dev are needed")
            write_layout(layout, {"pause": program}, entrypoint=["/pause"])
    mark_used(layout, "pause-")
    return SystemImage(PAUSE, layout)


def _ensure_busybox() -> SystemImage:
    layout = _layout("busybox", hash_of(BUSYBOX_PROGRAM, _RECIPE, *BUSYBOX_APPLETS))
    if not layout.exists():
        links = {f"bin/{name}": "busybox" for name in BUSYBOX_APPLETS}
        with locked("image-busybox"):
            write_layout(layout, {"bin/busybox": BUSYBOX_PROGRAM}, entrypoint=["/bin/sh"], links=links)
    mark_used(layout, "busybox-")
    return SystemImage(BUSYBOX, layout)


def _layout(name: str, key: str) -> Path:
    return cache_dir() / "images" / f"{name}-{key}"
