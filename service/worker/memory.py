"""Gives each of a worker's processes a limit of memory of its own, so that a task which needs too much fails by itself.

Without one, the kernel kills the whole container, and with it what runs beside that task. What memory a process has is
`WORKER_CHILD_MEMORY_LIMIT_MB`, which the operator makes of the pod's limit.
"""

import os
import resource
from pathlib import Path
from typing import Final

_MB: Final = 1024 * 1024
_DATA: Final = 5  # sixth number of statm: pages of private memory that can be written


def reserve_little(limit_mb: int) -> None:
    """Before numeric libraries are loaded: they keep a thread a core, and 40 MB a thread that nobody may ever touch."""
    if limit_mb:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def limit_growth(limit_mb: int) -> None:
    """From now on this process may take so many MB beyond what it has; above it gets a MemoryError. 0: no limit.

    What is reserved counts, touched or not (a thread's stack is 8 MB); what it shares with its parent is in both.
    """
    if not limit_mb:
        return
    began_bytes = int(Path("/proc/self/statm").read_text().split()[_DATA]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = began_bytes + limit_mb * _MB
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
