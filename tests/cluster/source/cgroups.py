"""The cgroup that holds every process of a cluster: control plane, shims and pods alike.

It tells what belongs to the cluster however its parents died, and gives kubelet a root of its own, for a kubelet kills
what it does not know under its root, and another cluster's pods must not stand there. Works with cgroups v1 (a folder
in each hierarchy) and v2 (one folder).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SYSTEM = "system"  # the node's own programs
PODS = "kubepods"  # made by kubelet
KILL_TIMEOUT_S = 10.0


def read_hierarchies(mountinfo: str) -> list[Path]:
    """The mount points of all cgroup hierarchies in the text of /proc/self/mountinfo."""
    found = []
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(" - ")
        fields = head.split()
        if len(fields) > 4 and tail.split(" ")[0] in {"cgroup", "cgroup2"} and fields[3] == "/":
            found.append(Path(fields[4]))
    return found


def create_cgroup(name: str) -> list[Path]:
    """Make the cluster's folders in every hierarchy; answers the files that a new process of the node is written to."""
    joins = []
    for hierarchy in _hierarchies():
        root = hierarchy / name
        for folder in (root, root / SYSTEM):
            folder.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                _inherit(folder, file)
        _enable_controllers(hierarchy)
        _enable_controllers(root)
        joins.append(root / SYSTEM / "cgroup.procs")
    return joins


def read_pids(name: str, part: str = "") -> set[int]:
    """The processes in a cluster's cgroup, or in one part of it."""
    pids: set[int] = set()
    for hierarchy in _hierarchies():
        for folder in _walk(hierarchy / name / part):
            with suppress(OSError):
                pids.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
    return pids - {0}


def kill_all(name: str, part: str = "") -> set[int]:
    """Kill every process in a cluster's cgroup, or in one part; answers those that are still there after 10 s."""
    return _until_empty(lambda: read_pids(name, part), lambda pids: _kill_members(pids, name, part))


def set_frozen(name: str, part: str = "", *, is_frozen: bool) -> None:
    """Stop every process where it stands, or let it go on."""
    files = {"freezer.state": "FROZEN" if is_frozen else "THAWED", "cgroup.freeze": "1" if is_frozen else "0"}
    for hierarchy in _hierarchies():
        for folder in _walk(hierarchy / name / part):
            for file, word in files.items():
                if (folder / file).exists():
                    with suppress(OSError):
                        (folder / file).write_text(word)


def remove_cgroup(name: str) -> None:
    """Remove the cluster's folders, the innermost first; a folder with processes in it stays."""
    for hierarchy in _hierarchies():
        for folder in reversed(_walk(hierarchy / name)):
            with suppress(OSError):
                folder.rmdir()


def read_folders(name: str) -> list[Path]:
    return [hierarchy / name for hierarchy in _hierarchies() if (hierarchy / name).exists()]


def _walk(root: Path) -> list[Path]:
    """A folder and all below it, the outer before the inner; those that go meanwhile are passed over."""
    return [Path(folder) for folder, _, _ in os.walk(root)]


def _hierarchies() -> list[Path]:
    return read_hierarchies(Path("/proc/self/mountinfo").read_text())


def _inherit(folder: Path, file: str) -> None:
    """A new folder of the v1 cpuset hierarchy has no CPUs, and nothing may run in it until it has."""
    path = folder / file
    if path.exists() and not path.read_text().strip():
        with suppress(OSError):
            path.write_text((folder.parent / file).read_text())


def _enable_controllers(folder: Path) -> None:
    """With v2, hand a folder's controllers to the folders in it."""
    available = folder / "cgroup.controllers"
    if not available.exists():
        return
    for controller in available.read_text().split():
        with suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _kill_members(pids: set[int], name: str, part: str) -> None:
    # runc freezes a container to end it; one that is killed meanwhile leaves it so, and what is frozen does not end.
    set_frozen(name, part, is_frozen=False)
    for pid in pids:
        _kill_member(pid, name)


def _kill_member(pid: int, name: str) -> None:
    """Kill one process, unless its number has gone to a process outside of the cgroup meanwhile."""
    with suppress(ProcessLookupError, FileNotFoundError):
        descriptor = os.pidfd_open(pid)
        try:
            if f"/{name}" in Path(f"/proc/{pid}/cgroup").read_text():
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


def _until_empty(read: Callable[[], set[int]], kill: Callable[[set[int]], None]) -> set[int]:
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while pids := read():
        if time.monotonic() > deadline:
            return pids
        kill(pids)
        time.sleep(0.02)
    return set()
