"""A one-node Kubernetes built from source, where neither a cluster nor Docker is at hand.

Owns the order of things; the parts are in `tests.cluster.source`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import buildah, cache
from tests.cluster.binaries import (
    COREDNS,
    KUBERNETES,
    KUBERNETES_VERSION,
    PROVISIONER,
    ensure_part,
    ensure_tools,
    why_go_is_unfit,
)
from tests.cluster.export import export_layout
from tests.cluster.model import REPOSITORY, Builder, ClusterError
from tests.cluster.packages import apt_is_there, ensure_packages, missing_packages
from tests.cluster.source import cgroups, joining, node, processes, state
from tests.cluster.source.api import Api
from tests.cluster.source.images import import_image, normalize_reference
from tests.cluster.source.layout import Layout
from tests.cluster.source.memory import read_memory_mb, read_tmpfs_mb
from tests.cluster.source.network import network_exists
from tests.cluster.source.teardown import leftovers, remove_cluster
from tests.cluster.steps import say, step
from tests.cluster.system_images import SystemImage, ensure_system_images

_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21


@dataclass(frozen=True)
class SourceProvider:
    """The cluster of one clone."""

    clone: Path = REPOSITORY
    name: str = "source"

    def describe(self) -> str:
        return f"Kubernetes {KUBERNETES_VERSION} built from source, one node in a network namespace"

    def up(self) -> None:
        with cache.locked(f"cluster-{Layout(self.clone, 0).id}"):
            if self.is_up():
                return
            _clear_left_behind(self.clone)
            ensure_packages()
            kubernetes_bin, images = _ensure_built()
            self._bring_up(kubernetes_bin, images)

    def down(self) -> None:
        with cache.locked(f"cluster-{Layout(self.clone, 0).id}"):
            layout = state.read_layout(self.clone) or Layout(self.clone, 0)
            with step(f"Remove the cluster {layout.name}") as current:
                remove_cluster(layout)
                buildah.release_store()
                layout.kubeconfig.unlink(missing_ok=True)
                left = leftovers(layout)
                if left:
                    raise ClusterError("still there after `down`:\n    " + "\n    ".join(left))
                current.note = "nothing left"

    def is_up(self) -> bool:
        layout = state.read_layout(self.clone)
        if layout is None or not layout.kubeconfig.exists() or not network_exists(layout):
            return False
        records = processes.read_records(layout)
        if not records or node.dead_processes(layout):
            return False
        try:
            api = Api(layout)
            return api.is_ready() and node.why_not_ready(api, layout) is None
        except (OSError, ClusterError):
            return False

    def status(self) -> list[tuple[str, str]]:
        layout = state.read_layout(self.clone)
        if layout is None:
            return [("cluster", "there is none")]
        lines = [("cluster", f"{layout.name}, network {layout.network}, API {layout.api_url}")]
        for name, record in processes.read_records(layout).items():
            alive = processes.is_alive(record)
            size = f"{read_memory_mb([record.pid]):4d} MB" if alive else ""
            lines.append((name, f"pid {record.pid:<9} {'running' if alive else 'ENDED':<11} {size}".rstrip()))
        pods = cgroups.read_pids(layout.cgroup, cgroups.PODS)
        everything = cgroups.read_pids(layout.cgroup)
        lines.append(("pods", f"{len(pods)} processes".ljust(25) + f"{read_memory_mb(pods):5d} MB"))
        etcd_mb = read_tmpfs_mb(layout.etcd_dir)
        lines.append(("etcd's data in memory", f"{etcd_mb:30d} MB"))
        total_mb = read_memory_mb(everything) + etcd_mb
        lines.append(("memory in all", f"{total_mb:30d} MB, {len(everything)} processes"))
        lines.append(("ready", "yes" if self.is_up() else "no: `python -m tests.cluster up` repairs it"))
        return lines

    def stop_program(self, name: str) -> None:
        """End one of the node's programs, such as `kubelet`, by its recorded process id; `up` starts it again."""
        layout = state.read_layout(self.clone)
        record = processes.read_records(layout).get(name) if layout else None
        if record is None:
            raise ClusterError(f"this cluster has no program {name}")
        processes.stop(record)

    @contextmanager
    def second_node(self) -> Iterator[SecondNode]:
        """A further node, Ready, for as long as the block runs."""
        layout = self._layout().nodes[1]
        kubernetes_bin, images = _ensure_built()
        try:
            joining.add_node(layout, kubernetes_bin, images)
            yield SecondNode(layout)
        finally:
            joining.remove_node(layout)

    def builder(self) -> Builder:
        return buildah.BuildahBuilder()

    def load(self, image: str) -> str:
        return _load(self._layout(), image)

    def host_address(self) -> str | None:
        layout = state.read_layout(self.clone)
        return None if layout is None else layout.host_address

    def _layout(self) -> Layout:
        layout = state.read_layout(self.clone)
        if layout is None:
            raise ClusterError("there is no cluster: `python -m tests.cluster up`")
        return layout

    def _bring_up(self, kubernetes_bin: Path, images: list[SystemImage]) -> None:
        """Repair what is there, where that can be; else, or where it does not help, begin anew."""
        layout = state.read_layout(self.clone)
        if layout is not None and _can_be_repaired(layout):
            say(f"  · repairing: ended are {', '.join(node.dead_processes(layout)) or 'none'}")
            try:
                node.bring_up(layout, kubernetes_bin, images)
                return
            except ClusterError as error:
                say(f"  · the repair did not help, beginning anew: {error}")
        if layout is not None or leftovers(Layout(self.clone, 0)):
            remove_cluster(layout or Layout(self.clone, 0))
        node.bring_up(state.create_layout(self.clone), kubernetes_bin, images)


@dataclass(frozen=True)
class SecondNode:
    """A node that can be lost."""

    layout: Layout

    @property
    def name(self) -> str:
        return self.layout.node_name

    @property
    def other(self) -> str:
        """Name of the first node."""
        return self.layout.nodes[0].node_name

    def load(self, reference: str) -> None:
        """Put an image there that this clone built, by the reference that pods name."""
        _load(self.layout, reference.removeprefix("docker.io/library/"))

    def cut_power(self) -> None:
        joining.cut_power(self.layout)


def why_unfit() -> str | None:
    """The reason why a cluster from source cannot be had on this machine; None when it can."""
    if sys.platform != "linux":
        return "a cluster from source needs Linux"
    if os.geteuid() != 0:
        return "a cluster from source needs root"
    effective = _read_capabilities()
    if not all(effective >> bit & 1 for bit in (_CAP_NET_ADMIN, _CAP_SYS_ADMIN)):
        return "a cluster from source needs the capabilities NET_ADMIN and SYS_ADMIN"
    if not apt_is_there():
        return "a cluster from source needs a Debian with apt-get"
    return why_go_is_unfit()


def _load(layout: Layout, image: str) -> str:
    with step(f"Load {image}") as current:
        folder, ref = export_layout(image)
        taken = import_image(layout, folder, image, ref)
        current.note = "imported" if taken else "the node has it"
    return normalize_reference(image)


def _ensure_built() -> tuple[Path, list[SystemImage]]:
    """Everything that is built: the programs one after the other, the base image beside them."""
    with ThreadPoolExecutor() as pool:
        base = pool.submit(buildah.ensure_base_image)
        kubernetes_bin = ensure_part(KUBERNETES)
        coredns_bin = ensure_part(COREDNS)
        provisioner_bin = ensure_part(PROVISIONER)
        images = ensure_system_images(coredns_bin, provisioner_bin)
        ensure_tools(kubectl_from=kubernetes_bin)
        base.result()
    return kubernetes_bin, images


def _can_be_repaired(layout: Layout) -> bool:
    records = processes.read_records(layout)
    boot_id = processes.BOOT_ID.read_text().strip()
    same_boot = all(record.boot_id == boot_id for record in records.values())
    return bool(records) and same_boot and network_exists(layout) and layout.data_dir.exists()


def _clear_left_behind(clone: Path) -> None:
    """Remove clusters of other clones that nobody can use any more; say which live beside."""
    for folder in state.read_abandoned_data():
        with step(f"Remove abandoned data {folder.name}"):
            shutil.rmtree(folder, ignore_errors=True)
    for other in state.read_other_layouts(clone):
        with cache.locked(f"cluster-{other.id}"):
            if state.is_left_behind(other):
                with step(f"Remove what {other.clone} left behind"):
                    remove_cluster(other)
                continue
        say(f"  · {other.clone} has a cluster of its own, {other.name}; this one lives beside it")
        if not other.clone.exists():
            say(f"    that folder is gone: `python -m tests.cluster down --clone {other.clone}` ends it")


def _read_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


__all__ = ["SourceProvider", "missing_packages", "why_unfit"]
