"""The node's programs as a set: those that must run are started, and started again when they end early."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.commands import read_tail
from tests.cluster.model import ClusterError
from tests.cluster.source import processes, settings
from tests.cluster.source.layout import Layout

# kubelet gives up when containerd's CRI service is not initialized yet, though containerd answers; as with systemd, it
# is started again.
MOST_RESTARTS = 10


class Programs:
    """Starts and watches a node's programs while it comes up; may be used by several threads."""

    def __init__(self, layout: Layout, commands: Mapping[str, Sequence[str]], joins: Sequence[Path]) -> None:
        self._layout = layout
        self._commands = commands
        self._joins = joins
        self._starts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._commands)

    @property
    def log_dir(self) -> Path:
        return self._layout.log_dir

    def ensure_running(self, names: Sequence[str]) -> None:
        """Start those of the programs that do not run; `ClusterError`, with its log's end, when one ends too often."""
        with self._lock:
            records = processes.read_records(self._layout)
            for name in names:
                if name in records and processes.is_alive(records[name]):
                    continue
                if self._starts[name] > MOST_RESTARTS:
                    log = self.log_dir / f"{name}.log"
                    raise ClusterError(f"{name} ended {self._starts[name]} times; {log} ends with:\n{read_tail(log)}")
                self._starts[name] += 1
                processes.start(self._layout, name, self._commands[name], settings.ENVIRONMENT, self._joins)
