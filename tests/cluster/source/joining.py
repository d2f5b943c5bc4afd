"""A further node: it joins a cluster that is up, for tests of what is lost with a node, and leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.commands import capture
from tests.cluster.source import cgroups, settings
from tests.cluster.source.api import Api
from tests.cluster.source.layout import Layout
from tests.cluster.source.mounts import unmount_all
from tests.cluster.source.network import join_network, leave_network
from tests.cluster.source.node import (
    READY_TIMEOUT_S,
    import_images,
    node_path,
    prepare_node,
    wait_for_programs,
    why_node_not_ready,
)
from tests.cluster.source.pki import create_node_credentials
from tests.cluster.source.programs import Programs
from tests.cluster.source.teardown import remove_sockets
from tests.cluster.steps import step
from tests.cluster.system_images import SystemImage


def add_node(layout: Layout, kubernetes_bin: Path, images: Sequence[SystemImage]) -> None:
    """Start the node and wait until pods may come."""
    with step(f"Network and settings of {layout.node_name}"):
        remove_node(layout)
        join_network(layout)
        create_node_credentials(layout)
        prepare_node(layout)
    commands = settings.build_joining_commands(layout, kubernetes_bin)
    programs = Programs(layout, commands, cgroups.create_cgroup(layout.cgroup))
    import_images(layout, programs, ("containerd",), images)
    api = Api(layout)
    with step(f"Node {layout.node_name}") as current:
        wait_for_programs(programs, programs.names, lambda: why_node_not_ready(api, layout), current, READY_TIMEOUT_S)
        current.note = "Ready"


def cut_power(layout: Layout) -> None:
    """Everything on the node ends at once, and nobody hears a word of it: no connection is closed."""
    capture(["ip", "link", "set", layout.veth, "down"])
    cgroups.kill_all(layout.cgroup)


def remove_node(layout: Layout) -> None:
    """Remove all of a node, in whatever state it is."""
    cgroups.kill_all(layout.cgroup)
    remove_sockets(layout)
    unmount_all(layout.run_dir, layout.data_dir)
    cgroups.remove_cgroup(layout.cgroup)
    leave_network(layout)
    for folder in (layout.data_dir, layout.run_dir):
        shutil.rmtree(folder, ignore_errors=True)
    Api(layout).delete(node_path(layout))
