"""The virtual environment of the Chroma server: made once a lock file, outside of the repository.

Not a part of .venv: Chroma's server brings half a gigabyte that nothing else needs, and versions of its own.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

LOCK_FILE = Path(__file__).resolve().parents[2] / "requirements-chroma.lock"
_STAMP = ".installed"
_STEPS = ("Collecting", "Installing", "Successfully")


class ChromaNotInstalled(Exception):
    """The server's packages could not be installed; says why."""


def chroma_command() -> Path:
    """The `chroma` of the locked version; installs it where it is not (a minute or two, told on stderr).

    Raises ChromaNotInstalled.
    """
    folder = _folder()
    command = folder / "bin" / "chroma"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        # Two runs at once: the second waits for the first.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _STAMP).exists():
            _install(folder)
    return command


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(LOCK_FILE.read_bytes() + sys.version.encode()).hexdigest()[:16]
    return cache / "pinnokio" / f"chroma-{digest}"


def _install(folder: Path) -> None:
    started = time.monotonic()
    _say(f"==> installing the Chroma server into {folder} (about 500 MB, a minute or two)")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    install = [*pip, "--require-hashes", "-r", LOCK_FILE]
    with subprocess.Popen(install, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output = _follow(process)
    if process.returncode != 0:
        raise ChromaNotInstalled(f"the Chroma server could not be installed:\n{output}")
    (folder / _STAMP).touch()
    _say(f"    done in {time.monotonic() - started:.0f} s")


def _follow(process: "subprocess.Popen[str]") -> str:
    """Shows each package as pip comes to it; the last lines of what pip said."""
    lines: list[str] = []
    for line in process.stdout or ():
        lines = [*lines[-40:], line]
        if line.startswith(_STEPS):
            _say(f"    {line.partition('(')[0].strip()[:100]}")
    return "".join(lines)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
