"""`make down`: takes away what `make up` brought: the sample, the release, and the cluster where it made one."""

import sys

from tests import cluster as clusters
from tests.cluster.model import Cluster, ClusterError
from tests.cluster.selection import is_recorded
from tests.cluster.steps import say, step
from tests.e2e import release
from tests.e2e.up import NAME, NAMESPACE


def main() -> int:
    try:
        if is_recorded() and clusters.is_up():
            take_away(clusters.ensure())
        clusters.down()
    except ClusterError as error:
        say(f"\n{error}")
        return 1
    return 0


def take_away(cluster: Cluster) -> None:
    """Removes sample and release from a cluster that stays; one made from source goes as a whole."""
    if cluster.provider_name == "source" or not cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
        return
    with step(f"PinnokioService {NAMESPACE}/{NAME}, its release and namespace"):
        cluster.kubectl("delete", "pinnokioservice", NAME, "--namespace", NAMESPACE, "--ignore-not-found")
        release.helm(cluster, "uninstall", "pinnokio", "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
        cluster.kubectl("delete", "namespace", NAMESPACE)


if __name__ == "__main__":
    sys.exit(main())
