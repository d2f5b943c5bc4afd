"""The base image where none can be pulled: a minimal Debian with Python, made by debootstrap and kept as an archive."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.cluster.cache import cache_dir, hash_of, locked, mark_used, publishing
from tests.cluster.commands import run
from tests.cluster.steps import Step, step

SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
BASE_IMAGE = f"localhost/pinnokio-base:{SUITE}"
_RECIPE = "1"  # raise it when what is done to the folder changes
# Downloaded lists and packages, logs, and what only people read.
_DROPPED = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale")
_KEPT = ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/log")


def base_key() -> str:
    """A key of what the base image is made from."""
    return hash_of(SUITE, *PACKAGES, _RECIPE)


def ensure_base_archive() -> Path:
    """The archive of the base image's files."""
    folder = cache_dir() / "base" / f"{SUITE}-{base_key()}"
    with step(f"Debian {SUITE} with Python") as current:
        if folder.exists():
            current.note = "cached"
        else:
            current.detail = "waiting for another build of it"
            with locked("base-image"):
                if not folder.exists():
                    _make(folder, current)
            current.note = "made"
        mark_used(folder, f"{SUITE}-")
    return folder / "root.tar"


def _make(folder: Path, current: Step) -> None:
    with publishing(folder) as temporary:
        root = Path(tempfile.mkdtemp(prefix="root.", dir=temporary))
        include = f"--include={','.join(PACKAGES)}"
        hint = "is a Debian mirror reachable? `apt-get update` shows it"
        command = ["debootstrap", "--variant=minbase", include, SUITE, str(root)]
        run(command, log_name="base-image", step=current, hint=hint)
        for name in _DROPPED:
            shutil.rmtree(root / name, ignore_errors=True)
        for name in _KEPT:
            (root / name).mkdir(parents=True, exist_ok=True)
        python = root / "usr/local/bin/python"
        python.symlink_to("/usr/bin/python3")
        archive = ["tar", "--create", "--numeric-owner", "--sort=name", f"--file={temporary / 'root.tar'}"]
        run([*archive, f"--directory={root}", "."], log_name="base-image", step=current)
        shutil.rmtree(root)
