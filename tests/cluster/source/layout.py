"""Where everything of one clone's cluster is: its names, folders and addresses, derived from the clone's path.

Two clones on one machine get different ones, so that their clusters live side by side. Of a cluster's nodes the first
has the control plane; each other one has folders of its own within the cluster's, so that all goes with the cluster.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

RUN_ROOT = Path("/run/pinnokio-cluster")
DATA_ROOT = Path("/var/lib/pinnokio-cluster")
NETNS_DIR = Path("/run/netns")
# The second number of the cluster's 10.x.0.0/16 is one of these: clear of the low ones that networks like to use, and
# of 10.244 and 10.96, which other Kubernetes clusters take.
FIRST_OCTET, OCTETS = 112, 112
API_PORT = 6443
# The first one, and one that a test may add to lose it.
NODES = 2


@dataclass(frozen=True)
class Layout:
    """Names and places of a clone's cluster, as one of its nodes sees them; nothing here says whether they exist."""

    clone: Path
    octet: int
    node: int = 1

    @property
    def nodes(self) -> tuple[Layout, ...]:
        """All nodes that the cluster may have."""
        return tuple(replace(self, node=number) for number in range(1, NODES + 1))

    @property
    def id(self) -> str:
        return clone_id(self.clone)

    @property
    def name(self) -> str:
        """Name of the namespace, the kubeconfig's context."""
        return f"{self._cluster}{'' if self.node == 1 else f'-n{self.node}'}"

    @property
    def cgroup(self) -> str:
        return str(Path(self._cluster) / self._own)

    @property
    def run_dir(self) -> Path:
        """Sockets, records and containerd's state; short, for a socket's path ends at 107 characters."""
        return RUN_ROOT / self.id / self._own

    @property
    def data_dir(self) -> Path:
        return DATA_ROOT / self.id / self._own

    @property
    def pki_dir(self) -> Path:
        return DATA_ROOT / self.id / "pki"

    @property
    def config_dir(self) -> Path:
        return self.data_dir / "config"

    @property
    def etcd_dir(self) -> Path:
        return self.data_dir / "etcd"

    @property
    def kubelet_dir(self) -> Path:
        return self.data_dir / "kubelet"

    @property
    def volumes_dir(self) -> Path:
        return self.data_dir / "volumes"

    @property
    def pod_logs_dir(self) -> Path:
        return self.data_dir / "pod-logs"

    @property
    def containerd_root(self) -> Path:
        return self.data_dir / "containerd"

    @property
    def snapshots_dir(self) -> Path:
        """The unpacked layers of images and the containers' own."""
        return self.data_dir / "snapshots"

    @property
    def containerd_socket(self) -> Path:
        return self.run_dir / "containerd.sock"

    @property
    def log_dir(self) -> Path:
        return self.clone / ".cluster" / "logs" / self._own

    @property
    def kubeconfig(self) -> Path:
        return self.clone / ".cluster" / "kubeconfig"

    @property
    def netns(self) -> Path:
        return NETNS_DIR / self.name

    @property
    def bridge(self) -> str:
        """The host's interface to the nodes."""
        return f"pk{self.id}"

    @property
    def veth(self) -> str:
        """The host's end of the node's link."""
        return f"pk{self.id}n{self.node}"

    @property
    def node_name(self) -> str:
        return f"{self._cluster}-node-{self.node}"

    @property
    def kubelet_user(self) -> str:
        """Name of kubelet's certificate and kubeconfig."""
        return "kubelet" if self.node == 1 else f"kubelet-{self.node}"

    @property
    def network(self) -> ipaddress.IPv4Network:
        return network_of(self.octet)

    @property
    def pod_cidr(self) -> str:
        return f"10.{self.octet}.0.0/18"

    @property
    def node_pod_cidr(self) -> str:
        return f"10.{self.octet}.{self.node - 1}.0/24"

    @property
    def service_cidr(self) -> str:
        return f"10.{self.octet}.128.0/18"

    @property
    def api_service_address(self) -> str:
        return f"10.{self.octet}.128.1"

    @property
    def dns_address(self) -> str:
        return f"10.{self.octet}.128.10"

    @property
    def host_address(self) -> str:
        return f"10.{self.octet}.192.1"

    @property
    def node_address(self) -> str:
        return f"10.{self.octet}.192.{10 + self.node}"

    @property
    def api_address(self) -> str:
        return self.nodes[0].node_address

    @property
    def api_url(self) -> str:
        return f"https://{self.api_address}:{API_PORT}"

    @property
    def _cluster(self) -> str:
        return f"pinnokio-{self.id}"

    @property
    def _own(self) -> str:
        """The folder of a node that is not the first, within the cluster's."""
        return "" if self.node == 1 else f"n{self.node}"


def clone_id(clone: Path) -> str:
    """Six hexadecimal digits that stand for a clone's path."""
    return hashlib.sha256(str(clone).encode()).hexdigest()[:6]


def network_of(octet: int) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(f"10.{octet}.0.0/16")


def choose_octet(clone: Path, taken: Iterable[ipaddress.IPv4Network]) -> int | None:
    """The second number of a 10.x.0.0/16 that overlaps nothing in `taken`; None when all do.

    Begins at a number that the clone's path gives and goes on from there, so that a clone mostly gets the same one.
    """
    busy = list(taken)
    start = int(clone_id(clone), 16) % OCTETS
    for offset in range(OCTETS):
        octet = FIRST_OCTET + (start + offset) % OCTETS
        if not any(network_of(octet).overlaps(network) for network in busy):
            return octet
    return None
