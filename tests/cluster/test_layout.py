"""Names and addresses of a clone's cluster, and what its programs are told."""

import ipaddress
import json
from pathlib import Path

import pytest

from tests.cluster.source import settings
from tests.cluster.source.layout import FIRST_OCTET, OCTETS, Layout, choose_octet, clone_id, network_of

CLONE = Path("/some/clone")
LONGEST_INTERFACE_NAME = 15
LONGEST_SOCKET_PATH = 107


def test_two_clones_share_nothing() -> None:
    one, other = Layout(CLONE, 120), Layout(Path("/other/clone"), 121)
    for name in ("id", "name", "run_dir", "data_dir", "netns", "bridge", "veth", "network", "kubeconfig"):
        assert getattr(one, name) != getattr(other, name), name


def test_octet_is_steady_and_avoids_what_is_taken() -> None:
    first = choose_octet(CLONE, [])
    assert first is not None
    assert choose_octet(CLONE, []) == first
    taken = [ipaddress.IPv4Network(f"10.{first}.3.0/24")]
    second = choose_octet(CLONE, taken)
    assert second is not None
    assert second != first
    assert not network_of(second).overlaps(taken[0])


def test_no_octet_where_all_networks_are_taken() -> None:
    assert choose_octet(CLONE, [ipaddress.IPv4Network("10.0.0.0/8")]) is None


def test_octets_stay_within_a_byte() -> None:
    assert 0 < FIRST_OCTET < FIRST_OCTET + OCTETS - 1 < 256


def test_addresses_lie_in_the_network_and_apart() -> None:
    layout = Layout(CLONE, 150)
    ranges = [ipaddress.IPv4Network(text) for text in (layout.pod_cidr, layout.service_cidr)]
    link = ipaddress.IPv4Network(f"{layout.host_address}/24", strict=False)
    assert all(part.subnet_of(layout.network) for part in [*ranges, link])
    assert not ranges[0].overlaps(ranges[1])
    assert not any(part.overlaps(link) for part in ranges)
    assert ipaddress.IPv4Address(layout.dns_address) in ranges[1]
    assert ipaddress.IPv4Address(layout.node_address) in link


def test_a_second_node_stands_apart_and_goes_with_the_cluster() -> None:
    first, second = Layout(CLONE, 150).nodes
    for name in ("name", "node_name", "netns", "veth", "node_address", "node_pod_cidr", "kubelet_user", "log_dir"):
        assert getattr(first, name) != getattr(second, name), name
    for name in ("bridge", "network", "pki_dir", "api_url", "kubeconfig", "dns_address"):
        assert getattr(first, name) == getattr(second, name), name
    assert second.run_dir.parent == first.run_dir
    assert second.data_dir.parent == first.data_dir
    assert second.cgroup.startswith(f"{first.cgroup}/")
    pods = ipaddress.IPv4Network(second.node_pod_cidr)
    assert pods.subnet_of(ipaddress.IPv4Network(first.pod_cidr))
    assert not pods.overlaps(ipaddress.IPv4Network(first.node_pod_cidr))


def test_names_fit_the_kernel() -> None:
    layout = Layout(CLONE, 150).nodes[-1]
    assert max(len(layout.veth), len(layout.bridge)) <= LONGEST_INTERFACE_NAME
    assert len(str(layout.containerd_socket)) + len(".ttrpc") <= LONGEST_SOCKET_PATH
    assert len(str(layout.kubelet_dir / "pod-resources" / "kubelet.sock")) <= LONGEST_SOCKET_PATH
    assert len(clone_id(CLONE)) == len(layout.id)


@pytest.mark.parametrize(
    "program",
    ["containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"],
)
def test_every_program_has_a_command(program: str) -> None:
    commands = settings.build_commands(Layout(CLONE, 150), Path("/bin-folder"))
    assert Path(commands[program][0]).name == program


def test_what_programs_write_stays_in_the_clusters_folders() -> None:
    layout = Layout(CLONE, 150)
    kubelet = settings.build_kubelet_config(layout)
    assert kubelet["cgroupRoot"] == f"/{layout.cgroup}"
    assert str(kubelet["podLogsDir"]).startswith(str(layout.data_dir))
    containerd = settings.build_containerd_config(layout)
    assert "netns_mounts_under_state_dir = true" in containerd
    assert f'state = "{layout.run_dir}/containerd"' in containerd
    cni = json.dumps(settings.build_cni_config(layout))
    assert f'"dataDir": "{layout.run_dir}/cni"' in cni
