"""The nodes' network namespaces, their links to the host, and the routes by which the host reaches pods and Services.

Nothing in the namespace has a way out: it has no default route, so a pod reaches pods, Services, the node and the
host's end of the link, and nothing else.
"""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path

from tests.cluster.commands import capture, succeeds
from tests.cluster.source.layout import NETNS_DIR, Layout

_NODE_LINK = "eth0"


def read_taken_networks(own_bridge: str) -> list[ipaddress.IPv4Network]:
    """The networks that this machine already has routes to (but for the default one), and its name servers'."""
    taken = []
    for route in json.loads(capture(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]"):
        destination = str(route.get("dst", "default"))
        if destination != "default" and route.get("dev") != own_bridge:
            taken.append(ipaddress.IPv4Network(destination, strict=False))
    resolver = Path("/etc/resolv.conf")
    text = resolver.read_text() if resolver.exists() else ""
    addresses = re.findall(r"^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$", text, re.MULTILINE)
    taken += [ipaddress.IPv4Network(address) for address in addresses]
    return [network for network in taken if not network.is_loopback]


def create_network(layout: Layout) -> None:
    """Make the bridge, the first node's namespace, the link between them, and the routes."""
    _run_all(
        ["ip", "link", "add", layout.bridge, "type", "bridge"],
        ["ip", "address", "add", f"{layout.host_address}/24", "dev", layout.bridge],
        ["ip", "link", "set", layout.bridge, "up"],
    )
    _link_node(layout)
    _run_all(
        ["ip", "route", "add", layout.pod_cidr, "via", layout.node_address],
        ["ip", "route", "add", layout.service_cidr, "via", layout.node_address],
    )


def join_network(layout: Layout) -> None:
    """Link a further node to the bridge; this machine and the first node find its pods by it."""
    first = layout.nodes[0]
    _link_node(layout)
    via = ["route", "replace", layout.node_pod_cidr, "via", layout.node_address]
    _run_all(
        ["ip", *via],
        ["ip", "-netns", first.name, *via],
        ["ip", "-netns", layout.name, "route", "add", first.node_pod_cidr, "via", first.node_address],
    )


def leave_network(layout: Layout) -> None:
    """Remove what `join_network` made, as far as it is there."""
    for where in ([], ["-netns", layout.nodes[0].name]):
        succeeds(["ip", *where, "route", "delete", layout.node_pod_cidr, "via", layout.node_address])
    _unlink_node(layout)


def _link_node(layout: Layout) -> None:
    inside = ["ip", "-netns", layout.name]
    _run_all(
        ["ip", "netns", "add", layout.name],
        ["ip", "link", "add", layout.veth, "type", "veth", "peer", _NODE_LINK, "netns", layout.name],
        ["ip", "link", "set", layout.veth, "master", layout.bridge, "up"],
        [*inside, "link", "set", "lo", "up"],
        [*inside, "address", "add", f"{layout.node_address}/24", "dev", _NODE_LINK],
        [*inside, "link", "set", _NODE_LINK, "up"],
        # Without a route a Service that has no endpoints were unreachable; so kube-proxy refuses connections to it.
        [*inside, "route", "add", layout.service_cidr, "dev", "lo"],
        in_namespace(layout, ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]),
    )


def _unlink_node(layout: Layout) -> None:
    _delete_link(layout.veth)
    if layout.netns.exists() and not succeeds(["ip", "netns", "delete", layout.name]):
        layout.netns.unlink(missing_ok=True)


def _delete_link(name: str) -> None:
    if Path(f"/sys/class/net/{name}").exists():
        capture(["ip", "link", "delete", name])


def _run_all(*commands: list[str]) -> None:
    for command in commands:
        capture(command)


def in_namespace(layout: Layout, argv: list[str]) -> list[str]:
    """The command that runs `argv` in the node's network.

    `nsenter`, for `ip netns exec` mounts a /sys of its own, in which kubelet finds no cgroups.
    """
    return ["nsenter", f"--net={layout.netns}", "--", *argv]


def network_exists(layout: Layout) -> bool:
    has_namespace = layout.netns.exists() and layout.netns.stat().st_dev != NETNS_DIR.stat().st_dev
    return has_namespace and Path(f"/sys/class/net/{layout.bridge}").exists()


def remove_network(layout: Layout) -> None:
    """Remove what `create_network` and `join_network` made, as far as it is there."""
    for node in layout.nodes:
        _unlink_node(node)
    _delete_link(layout.bridge)
