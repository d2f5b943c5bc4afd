"""Outages of the cluster itself, which only one that is built from source can be given."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.model import Cluster
from tests.cluster.providers.source import SecondNode, SourceProvider
from tests.missing import end_test_without


def source_of(cluster: Cluster) -> SourceProvider:
    """Whose programs can be stopped; ends the test where there is none."""
    if not isinstance(cluster.provider, SourceProvider):
        end_test_without("a cluster from source, whose programs can be stopped")
    return cluster.provider


def restart_api_server(cluster: Cluster) -> None:
    """Away for some seconds, with every watch and connection; returns when the cluster is Ready again.

    Kubernetes' controllers begin anew with it, as where they lose their leadership meanwhile: those that have met
    several restarts list again only after a minute.
    """
    provider = source_of(cluster)
    for program in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        provider.stop_program(program)
    provider.up()


@contextmanager
def second_node(cluster: Cluster, image: str) -> Iterator[SecondNode]:
    """A node to lose, which has the image. Pods come to it alone where the test cordons the other one."""
    with source_of(cluster).second_node() as node:
        node.load(image)
        try:
            yield node
        finally:
            cluster.kubectl("uncordon", node.other)
