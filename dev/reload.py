#!/opt/pinnokio/bin/python
"""`python` of the development image: parts run from a copy that Skaffold writes to, and start anew when it changes.

The root file system is read-only, and the operator starts every part by `python -m …`: so this stands before Python on
PATH, copies /app to /tmp/app, runs the part from there, and starts it again a moment after files have changed. What
ends by itself with an error waits for the next change. Other commands (probes, `python -m service verify`) just run.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PYTHON = os.environ.get("DEV_PYTHON", "/opt/pinnokio/bin/python")
SOURCE = Path(os.environ.get("DEV_SOURCE", "/app"))
COPY = Path(os.environ.get("DEV_COPY", "/tmp/app"))
PARTS = (["-m", "service"], ["-m", "controller"])
LOOK_S = 0.5
END_S = 20.0


def main() -> int:
    arguments = sys.argv[1:]
    if arguments not in PARTS:
        where = COPY if COPY.exists() else SOURCE
        os.execve(PYTHON, [PYTHON, *arguments], {**os.environ, "PYTHONPATH": str(where)})  # noqa: S606 (a fixed program)
    if not COPY.exists():
        shutil.copytree(SOURCE, COPY, ignore=shutil.ignore_patterns("__pycache__"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        run_until_change(arguments)


def run_until_change(arguments: list[str]) -> None:
    """One run of the part, until files change. Its own end with 0 is ours."""
    before = newest()
    part = subprocess.Popen([PYTHON, *arguments], cwd=COPY, env={**os.environ, "PYTHONPATH": str(COPY)})
    try:
        while newest() == before:
            if part.poll() == 0:
                sys.exit(0)
            time.sleep(LOOK_S)
        say(f"files changed: {' '.join(arguments)} starts anew")
    finally:
        end(part)
    # A sync of several files is one change.
    while (now := newest()) != before:
        before = now
        time.sleep(LOOK_S)


def newest() -> tuple[int, int]:
    """Number of the files and the time of the last change."""
    times = [file.stat().st_mtime_ns for file in COPY.rglob("*") if file.suffix in (".py", ".lua") and file.exists()]
    return len(times), max(times, default=0)


def end(part: "subprocess.Popen[bytes]") -> None:
    part.terminate()
    try:
        part.wait(timeout=END_S)
    except subprocess.TimeoutExpired:
        part.kill()
        part.wait()


def say(text: str) -> None:
    sys.stderr.write(f"dev: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
