"""A cluster's life from nothing to nothing: of a second clone, beside this one's."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.cluster.model import Cluster
from tests.cluster.providers.source import SourceProvider
from tests.cluster.source import cgroups, processes, state
from tests.cluster.source.layout import Layout
from tests.cluster.source.teardown import leftovers
from tests.missing import end_test_without

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def provider(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourceProvider]:
    """The cluster of another clone, up."""
    if cluster.provider_name != "source":
        end_test_without("a cluster from source, whose lifecycle this is")
    other = SourceProvider(clone=tmp_path_factory.mktemp("clone"))
    other.up()
    yield other
    other.down()


def test_it_lives_beside_this_clones(cluster: Cluster, provider: SourceProvider) -> None:
    assert provider.is_up()
    assert cluster.provider.is_up()
    assert provider.host_address() != cluster.host_address()


def test_up_again_changes_nothing(provider: SourceProvider) -> None:
    before = processes.read_records(layout_of(provider))
    provider.up()
    assert processes.read_records(layout_of(provider)) == before


def test_up_restarts_what_was_killed_and_keeps_the_rest(provider: SourceProvider) -> None:
    before = processes.read_records(layout_of(provider))
    kill(provider, "kubelet", "etcd", "containerd")
    assert not provider.is_up()
    provider.up()
    after = processes.read_records(layout_of(provider))
    assert provider.is_up()
    assert after["kubelet"] != before["kubelet"]
    assert after["kube-apiserver"] == before["kube-apiserver"]


def test_a_dead_control_plane_is_left_behind_for_others(provider: SourceProvider) -> None:
    assert not state.is_left_behind(layout_of(provider))
    kill(provider, *state.CONTROL_PLANE)
    assert state.is_left_behind(layout_of(provider))


def test_down_leaves_nothing_though_all_was_killed_before(cluster: Cluster, provider: SourceProvider) -> None:
    layout = layout_of(provider)
    kill(provider, *processes.read_records(layout))
    # As runc leaves a container that it was about to end.
    cgroups.set_frozen(layout.cgroup, cgroups.PODS, is_frozen=True)
    assert any(line.startswith("process") for line in leftovers(layout)), "the pods outlive the node's programs"
    provider.down()
    assert leftovers(layout) == []
    provider.down()
    assert cluster.provider.is_up(), "another clone's cluster is not touched"


def layout_of(provider: SourceProvider) -> Layout:
    layout = state.read_layout(provider.clone)
    assert layout is not None
    return layout


def kill(provider: SourceProvider, *names: str) -> None:
    """Kill programs of the node without a word, as a crash does, and wait until they are gone."""
    records = processes.read_records(layout_of(provider))
    for name in names:
        if processes.is_alive(records[name]):
            os.kill(records[name].pid, signal.SIGKILL)
    for name in names:
        processes.stop(records[name])
