"""How much memory a cluster takes: the proportional set sizes of its processes, summed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def read_memory_mb(pids: Iterable[int]) -> int:
    """Proportional set size of processes in MB; those that end meanwhile count nothing."""
    return sum(_read_pss_kb(pid) for pid in pids) // 1024


def read_tmpfs_mb(folder: Path) -> int:
    """What the files of a tmpfs take, in MB; 0 where none is mounted."""
    if not folder.is_mount():
        return 0
    used = shutil.disk_usage(folder).used
    return used // 2**20


def _read_pss_kb(pid: int) -> int:
    with suppress(OSError):
        match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(match[1]) if match else 0
    return 0
