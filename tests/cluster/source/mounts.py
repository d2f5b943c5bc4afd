"""What is mounted below a folder, and unmounting it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path


def find_mounts(mountinfo: str, folders: Iterable[Path]) -> list[str]:
    """The mount points below any of the folders in the text of /proc/self/mountinfo, in the order of mounting."""
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    prefixes = tuple(f"{folder}/" for folder in folders)
    return [point for point in points if point.startswith(prefixes)]


def read_mounts(*folders: Path) -> list[str]:
    return find_mounts(Path("/proc/self/mountinfo").read_text(), folders)


def unmount_all(*folders: Path) -> None:
    """Unmount everything below the folders, the last mounted first, whoever still looks at it."""
    for mount in reversed(read_mounts(*folders)):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
