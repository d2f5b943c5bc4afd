"""Taking a cluster down to nothing, and telling what of one is still there.

Its data goes with it, so its processes are killed, not asked: all that is in its cgroup, orphaned or not.
"""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from tests.cluster.source import cgroups, processes
from tests.cluster.source.layout import DATA_ROOT, RUN_ROOT, Layout
from tests.cluster.source.mounts import read_mounts, unmount_all
from tests.cluster.source.network import remove_network

CNI_RESULTS = Path("/var/lib/cni/results")  # libcni's, which containerd does not let one move
CONTAINER_LOGS = Path("/var/log/containers")  # kubelet's, likewise
DEVICE_PLUGIN_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")  # the last started kubelet's
# Folders that containerd, runc and kubelet make on their own; removed when nothing is in them.
SHARED_FOLDERS = (
    *("/run/containerd/s", "/run/containerd", "/var/lib/cni/results", "/var/lib/cni", "/var/log/containers"),
    *("/var/lib/kubelet/device-plugins", "/var/lib/kubelet", str(RUN_ROOT), str(DATA_ROOT)),
)


def remove_cluster(layout: Layout) -> None:
    """Remove all of a cluster, in whatever state it is."""
    records = processes.read_records(layout)
    if "kubelet" in records:
        processes.stop(records["kubelet"], term_timeout_s=0)  # or it would start pods again
    cgroups.kill_all(layout.cgroup, cgroups.PODS)
    for record in reversed(records.values()):
        processes.stop(record, term_timeout_s=0)
    cgroups.kill_all(layout.cgroup)
    for node in layout.nodes:
        remove_sockets(node)
    unmount_all(layout.run_dir, layout.data_dir)
    cgroups.remove_cgroup(layout.cgroup)
    remove_network(layout)
    for path in _stray_files(layout):
        path.unlink(missing_ok=True)
    _remove_dead_socket(DEVICE_PLUGIN_SOCKET)
    shutil.rmtree(layout.data_dir, ignore_errors=True)
    shutil.rmtree(layout.run_dir, ignore_errors=True)
    for folder in SHARED_FOLDERS:
        with suppress(OSError):
            Path(folder).rmdir()


def leftovers(layout: Layout) -> list[str]:
    """What of a cluster is still on this machine, a line for each thing; empty when it is gone."""
    records = processes.read_records(layout)
    pids = cgroups.read_pids(layout.cgroup) | {r.pid for r in records.values() if processes.is_alive(r)}
    found = [f"process {pid}" for pid in sorted(pids)]
    found += [f"mount {mount}" for mount in read_mounts(layout.run_dir, layout.data_dir)]
    found += [f"cgroup {folder}" for folder in cgroups.read_folders(layout.cgroup)]
    found += [f"interface {link}" for link in (layout.bridge, *(n.veth for n in layout.nodes)) if _link_exists(link)]
    paths = [*(node.netns for node in layout.nodes), layout.run_dir, layout.data_dir]
    found += [f"path {path}" for path in [*paths, *_stray_files(layout)] if os.path.lexists(path)]
    return found


def _link_exists(name: str) -> bool:
    return Path(f"/sys/class/net/{name}").exists()


def _stray_files(layout: Layout) -> list[Path]:
    """What the cluster's programs put outside of its folders."""
    files = list(CNI_RESULTS.iterdir()) if CNI_RESULTS.exists() else []
    results = [file for file in files if f"{layout.run_dir}/" in file.read_text(errors="replace")]
    links = list(CONTAINER_LOGS.iterdir()) if CONTAINER_LOGS.exists() else []
    own = [link for link in links if link.is_symlink() and f"{layout.data_dir}/" in str(link.readlink())]
    return [*results, *own]


def _remove_dead_socket(path: Path) -> None:
    """Remove a socket on which nobody listens."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def remove_sockets(layout: Layout) -> None:
    """The sockets of killed shims, which stand in a folder that all containerds share."""
    for address in (layout.run_dir / "containerd").glob("io.containerd.runtime.v2.task/*/*/address"):
        Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)
