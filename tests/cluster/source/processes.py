"""The node's own programs: starting each in the node's network and cgroup, recording it, and stopping it.

A record holds the process id and the time at which the kernel says it started, so that nothing else is ever taken for
it, and the machine's boot, after which no record means anything.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.model import ClusterError, read_json, write_private
from tests.cluster.source.layout import Layout
from tests.cluster.source.network import in_namespace

TERM_TIMEOUT_S = 5.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Joins each cgroup, then becomes the program, in the background of a shell that ends at once: its parent is init.
_START = (
    'joins=$1 log=$2; shift 2; for file in $joins; do echo $$ > "$file"; done;'
    ' setsid "$@" >>"$log" 2>&1 </dev/null & echo $!'
)


@dataclass(frozen=True)
class Process:
    """A started program. `started_ticks` is field 22 of /proc/PID/stat."""

    name: str
    pid: int
    started_ticks: int
    boot_id: str


def start(
    layout: Layout, name: str, argv: Sequence[str], environment: Mapping[str, str], joins: Sequence[Path]
) -> Process:
    """Start a program of the node and record it; its output goes to the clone's `.cluster/logs/<name>.log`."""
    log = layout.log_dir / f"{name}.log"
    with log.open("a") as file:
        file.write(f"$ {shlex.join(argv)}\n")
    command = in_namespace(layout, list(argv))
    files = " ".join(str(path) for path in joins)
    answer = subprocess.run(
        ["sh", "-c", _START, "sh", files, str(log), *command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    pid = int(answer.stdout)
    ticks = read_started_ticks(pid)
    if ticks is None:
        raise ClusterError(f"{name} ended at once; its log is {log}")
    process = Process(name, pid, ticks, BOOT_ID.read_text().strip())
    records = {**read_records(layout), name: process}
    write_private(_records_file(layout), json.dumps({key: asdict(value) for key, value in records.items()}, indent=1))
    return process


def read_records(layout: Layout) -> dict[str, Process]:
    """What was started for this cluster and recorded, running or not, in the order of starting."""
    stored = read_json(_records_file(layout)) or {}
    return {name: Process(**fields) for name, fields in stored.items() if isinstance(fields, dict)}


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return process.boot_id == BOOT_ID.read_text().strip() and read_started_ticks(process.pid) == process.started_ticks


def stop(process: Process, *, term_timeout_s: float = TERM_TIMEOUT_S) -> None:
    """End a process: TERM, and KILL when it has not ended in time."""
    for signal_number, timeout_s in ((signal.SIGTERM, term_timeout_s), (signal.SIGKILL, TERM_TIMEOUT_S)):
        if not is_alive(process):
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal_number)
        deadline = time.monotonic() + timeout_s
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.02)


def read_started_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot; None when there is none or it has ended and waits to be taken in."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _records_file(layout: Layout) -> Path:
    return layout.run_dir / "processes.json"
