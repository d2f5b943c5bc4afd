"""Stands in for the kernel's out-of-memory killer, which only a cgroup's owner could call: same victim, same signal."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.service.running_worker import Worker, children_of

LOOK_EVERY_S: Final = 0.02


@contextmanager
def killing_above_mb(limit_mb: int, workers: Sequence[Worker]) -> Iterator[None]:
    """Kills each child of `workers` that holds more."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(LOOK_EVERY_S):
            for worker in workers:
                for pid in children_of(worker.process.pid):
                    if resident_mb(pid) > limit_mb:
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=watch, name="out-of-memory")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def resident_mb(pid: int) -> float:
    """0 for one that is gone."""
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024
    return 0.0
