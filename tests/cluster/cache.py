"""The cache folder that all clones of one user share: `$XDG_CACHE_HOME/pinnokio`.

Owns where it is, its keys, its locks, and how a result gets into it: made in a folder beside, renamed when complete.
What is put there is up to `binaries`, `scratch` and `buildah`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

KEY_LENGTH = 16
UNUSED_DAYS = 14


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pinnokio"


def hash_of(*parts: str | bytes | Path) -> str:
    """A short key of what a result is made from: texts, bytes, and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()[:KEY_LENGTH]


@contextmanager
def locked(name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock that other processes of this user respect, until the block ends or the process does.

    A shared one is held by many at once, and keeps `locked_if_free` from getting it.
    """
    with _lock_file(name) as file:
        fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def locked_if_free(name: str) -> Iterator[bool]:
    """Hold a lock where nobody else does; False, and nothing held, where somebody does."""
    with _lock_file(name) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lock_file(name: str) -> IO[str]:
    folder = cache_dir() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / f"{name}.lock").open("w")


@contextmanager
def publishing(final: Path) -> Iterator[Path]:
    """A fresh folder beside `final` that takes its place when the block ends well, and is removed otherwise."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def mark_used(current: Path, prefix: str) -> None:
    """Note that a result was used now, and remove those of the same kind that nobody used for `UNUSED_DAYS`."""
    os.utime(current)
    oldest = time.time() - UNUSED_DAYS * 86_400
    for folder in current.parent.glob(f"{prefix}*"):
        if folder != current and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder, ignore_errors=True)
