"""Running other programs: their output goes to a log file, and a failure shows its end, its place and what to try."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.model import LOG_DIR, ClusterError, prepare_cluster_dir
from tests.cluster.steps import Step

TAIL_LINES = 15
LINE_WIDTH = 300


class CommandFailed(ClusterError):
    """A program ended with an error; `tail` is the end of what it said."""

    def __init__(self, argv: Sequence[str], returncode: int, tail: str, log: Path, hint: str) -> None:
        self.tail = tail
        lines = [f"`{shlex.join(argv)[:200]}` ended with {returncode}"]
        lines += [f"    {line}" for line in tail.splitlines()]
        lines.append(f"  log: {log}")
        if hint:
            lines.append(f"  try: {hint}")
        super().__init__("\n".join(lines))


def run(
    argv: Sequence[str],
    *,
    log_name: str,
    step: Step | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    hint: str = "",
) -> None:
    """Run a program to its end, its output in `.cluster/logs/<log_name>.log` and its last line in the step's detail."""
    prepare_cluster_dir()
    log = LOG_DIR / f"{log_name}.log"
    with log.open("ab") as file:
        start = file.tell()
        file.write(f"$ {shlex.join(argv)}\n".encode())
        file.flush()
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        ) as process:
            for line in process.stdout or ():
                file.write(line)
                file.flush()
                if step is not None:
                    step.detail = line.decode(errors="replace")
        returncode = process.returncode
    if returncode != 0:
        raise CommandFailed(argv, returncode, read_tail(log, start), log, hint)


def capture(argv: Sequence[str], *, stdin: str | None = None, timeout_s: float = 60) -> str:
    """What a quick program printed; `ClusterError` with its words when it fails."""
    try:
        result = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"`{shlex.join(argv)}`: {error}") from error
    if result.returncode != 0:
        raise ClusterError(f"`{shlex.join(argv)}` ended with {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def succeeds(argv: Sequence[str], *, timeout_s: float = 20) -> bool:
    """Whether a program can be run and ends well."""
    try:
        result = subprocess.run(argv, capture_output=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def read_tail(log: Path, start: int = 0, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file, of what stands after byte `start`."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(line[:LINE_WIDTH] for line in text.splitlines()[-lines:])
