"""What tells a cluster's processes, mounts and cgroups from everybody else's."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster.source import processes
from tests.cluster.source.cgroups import read_hierarchies
from tests.cluster.source.mounts import find_mounts
from tests.cluster.source.processes import BOOT_ID, Process

MOUNTINFO = """\
30 25 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 30 0:28 /user.slice /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
33 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
40 25 0:40 / /run/it/a rw - tmpfs one rw
41 25 0:41 / /run/it/a/with\\040space rw - tmpfs two rw
42 25 0:42 / /run/item rw - tmpfs three rw
"""


@pytest.fixture
def process() -> Iterator[Process]:
    """A process of this test's own, as a record."""
    running = subprocess.Popen(["sleep", "60"])
    ticks = processes.read_started_ticks(running.pid)
    assert ticks is not None
    yield Process("sleep", running.pid, ticks, BOOT_ID.read_text().strip())
    running.kill()
    running.wait()


def test_the_very_process_is_alive(process: Process) -> None:
    assert processes.is_alive(process)


def test_another_process_with_its_number_is_not_it(process: Process) -> None:
    assert not processes.is_alive(replace(process, started_ticks=process.started_ticks - 1))


def test_nothing_outlives_a_boot(process: Process) -> None:
    assert not processes.is_alive(replace(process, boot_id="another"))


def test_stop_ends_it_though_it_is_a_child_not_waited_for(process: Process) -> None:
    processes.stop(process)
    assert not processes.is_alive(process)


def test_stop_leaves_another_process_alone(process: Process) -> None:
    processes.stop(replace(process, started_ticks=process.started_ticks - 1))
    assert processes.is_alive(process)


def test_cgroup_hierarchies_are_those_mounted_whole() -> None:
    assert read_hierarchies(MOUNTINFO) == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]


def test_mounts_below_a_folder() -> None:
    assert find_mounts(MOUNTINFO, [Path("/run/it")]) == ["/run/it/a", "/run/it/a/with space"]
