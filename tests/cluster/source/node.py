"""Bringing the first node up: from nothing, or what is missing of it, to Ready with cluster DNS and storage.

Every part is made only where it is not there, so that the same way starts, repairs and confirms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

from tests.cluster.commands import capture, succeeds
from tests.cluster.model import ClusterError, write_private
from tests.cluster.source import cgroups, processes, settings
from tests.cluster.source.api import Api, wait_until
from tests.cluster.source.images import ctr, import_image
from tests.cluster.source.layout import Layout
from tests.cluster.source.manifests import STORAGE_NAMESPACE, build_addons, path_of
from tests.cluster.source.network import create_network, network_exists
from tests.cluster.source.pki import create_pki
from tests.cluster.source.programs import Programs
from tests.cluster.steps import Step, step
from tests.cluster.system_images import SystemImage

API_TIMEOUT_S = 90.0
READY_TIMEOUT_S = 120.0
ETCD_SIZE = "1g"
# These need no API server; the others give up when they find none.
EARLY = ("containerd", "etcd", "kube-apiserver")
ADDONS = (("kube-system", "coredns"), (STORAGE_NAMESPACE, "local-path-provisioner"))


def bring_up(layout: Layout, kubernetes_bin: Path, images: Sequence[SystemImage]) -> None:
    """Start what does not run, and wait until the node, DNS and storage are Ready."""
    with step("Network, certificates, settings") as current:
        _mount_etcd(layout)
        create_pki(layout)
        if not network_exists(layout):
            create_network(layout)
        prepare_node(layout)
        current.note = f"{layout.network}"
    commands = settings.build_commands(layout, kubernetes_bin)
    programs = Programs(layout, commands, cgroups.create_cgroup(layout.cgroup))
    programs.ensure_running(EARLY)
    with ThreadPoolExecutor() as pool:
        imported = pool.submit(import_images, layout, programs, EARLY, images)
        with step("Control plane") as current:
            api = Api(layout)
            wait_for_programs(programs, EARLY, lambda: _why_no_api(api), current, API_TIMEOUT_S)
            programs.ensure_running(programs.names)
            for manifest in build_addons(layout):
                api.apply(path_of(manifest), manifest)
            write_private(layout.kubeconfig, (layout.pki_dir / "admin.kubeconfig").read_text())
        imported.result()
    with step("Node, cluster DNS, storage") as current:
        wait_for_programs(programs, programs.names, lambda: why_not_ready(api, layout), current, READY_TIMEOUT_S)
        current.note = "Ready"


def why_not_ready(api: Api, layout: Layout) -> str | None:
    """What a usable cluster still lacks; None when it lacks nothing."""
    if (reason := why_node_not_ready(api, layout)) is not None:
        return reason
    if not _kubelet_knows_pods(api, layout):
        return "kubelet does not know its pods yet"
    for namespace, name in ADDONS:
        deployment = api.read(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
        if deployment is None or not _has_condition(deployment, "Available"):
            return f"{name} is not available"
    if api.read("/api/v1/namespaces/default/serviceaccounts/default") is None:
        return "the default service account is missing"
    return None


def why_node_not_ready(api: Api, layout: Layout) -> str | None:
    """What keeps pods off one node; None: they may come."""
    node = api.read(node_path(layout))
    if node is None:
        return "the node has not registered"
    return None if _has_condition(node, "Ready") and not node["spec"].get("taints") else "the node is not Ready"


def node_path(layout: Layout) -> str:
    """Where the API server keeps it."""
    return f"/api/v1/nodes/{layout.node_name}"


def dead_processes(layout: Layout) -> list[str]:
    """The node's programs that were started and have ended."""
    return [name for name, record in processes.read_records(layout).items() if not processes.is_alive(record)]


def _kubelet_knows_pods(api: Api, layout: Layout) -> bool:
    """Whether kubelet itself answers; after a restart the node's conditions are those of the one before."""
    try:
        pods = api.read(f"{node_path(layout)}/proxy/pods")
    except ClusterError:
        return False
    return bool(pods and pods.get("items"))


def prepare_node(layout: Layout) -> None:
    """What a node's own programs need before they start, beside the network."""
    folders = [layout.run_dir, layout.log_dir, layout.config_dir / "cni", layout.volumes_dir, layout.pod_logs_dir]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    _mount_containerd(layout)
    config = layout.config_dir
    files = {
        "containerd.toml": settings.build_containerd_config(layout),
        "cni/10-pods.conflist": json.dumps(settings.build_cni_config(layout)),
        "kubelet.json": json.dumps(settings.build_kubelet_config(layout)),
        "proxy.json": json.dumps(settings.build_proxy_config(layout)),
    }
    for name, text in files.items():
        path = config / name
        if not path.exists() or path.read_text() != text:  # kube-proxy ends when its file is written anew
            path.write_text(text)


def _mount_etcd(layout: Layout) -> None:
    """Keep etcd's data in memory: every write to the API waits for its fsync, and image builds keep the disk busy."""
    if not layout.etcd_dir.exists():
        layout.etcd_dir.mkdir(parents=True)
        options = f"size={ETCD_SIZE},mode=0700"
        capture(["mount", "-t", "tmpfs", "-o", options, layout.name, str(layout.etcd_dir)])


def _mount_containerd(layout: Layout) -> None:
    """Spare containerd the disk's answer: it waits for 300 fsyncs until the node is Ready, half a minute
    on a busy disk.

    What a crash of the machine takes is imported again: no cluster is kept over one. The unpacked images stay outside:
    an overlay cannot stand on an overlay.
    """
    if layout.containerd_root.exists():
        return
    folders = {name: layout.data_dir / f"containerd-{name}" for name in ("lower", "upper", "work")}
    for folder in (*folders.values(), layout.containerd_root, layout.snapshots_dir):
        folder.mkdir(parents=True)
    options = ",".join(f"{name}dir={folder}" for name, folder in folders.items())
    # A kernel before 5.10 has no `volatile`: slower there, not broken.
    if succeeds(["mount", "-t", "overlay", "-o", f"{options},volatile", layout.name, str(layout.containerd_root)]):
        (layout.snapshots_dir / "metadata.db").symlink_to(layout.containerd_root / "snapshots.db")


def import_images(layout: Layout, programs: Programs, needed: Sequence[str], images: Sequence[SystemImage]) -> None:
    """Once containerd answers; `needed`: what must run for it."""

    def why_not() -> str | None:
        return None if succeeds([*ctr(layout), "version"]) else "containerd does not answer"

    with step("System images into the node") as current:
        wait_for_programs(programs, needed, why_not, current, API_TIMEOUT_S)
        taken = [import_image(layout, image.layout, image.reference) for image in images]
        current.note = f"{sum(taken)} imported"


def _why_no_api(api: Api) -> str | None:
    """What keeps the API server from taking manifests; it makes the first namespaces after it says that it is ready."""
    if not api.is_ready():
        return "the API server is not ready"
    return None if api.read("/api/v1/namespaces/kube-system") else "the namespace kube-system is not there yet"


def wait_for_programs(
    programs: Programs, needed: Sequence[str], why_not: Callable[[], str | None], current: Step, timeout_s: float
) -> None:
    """Keep programs running until `why_not` has no reason left; the reason is shown, and told at a timeout."""

    def is_done() -> bool:
        programs.ensure_running(needed)
        try:
            current.detail = why_not() or ""
        except (OSError, HTTPException, ClusterError) as error:  # a server that is just starting
            current.detail = str(error)
        return not current.detail

    wait_until(is_done, timeout_s=timeout_s, why_not=lambda: f"{current.detail}; the logs are in {programs.log_dir}")


def _has_condition(item: dict[str, Any], kind: str) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(entry["type"] == kind and entry["status"] == "True" for entry in conditions)
