"""A real Kubernetes for this clone, wherever it runs: an existing context, kind, or one built from source.

`ensure()` brings it up (or finds it up) and answers a `Cluster`; `requirements()` tells why none can be had here.
On the command line: `python -m tests.cluster --help`.
"""

from __future__ import annotations

import time

from tests.cluster.model import KUBECONFIG, REPOSITORY, BuildRequest, Cluster, ClusterError
from tests.cluster.providers.source import SourceProvider
from tests.cluster.selection import forget_provider, is_recorded, record_provider, select_provider
from tests.cluster.source.layout import Layout
from tests.cluster.source.teardown import leftovers
from tests.cluster.steps import format_seconds, say

__all__ = ["BuildRequest", "Cluster", "ClusterError", "down", "ensure", "is_up", "requirements"]


def ensure() -> Cluster:
    """This clone's cluster, Ready; brought up, with its steps shown, where it was not."""
    started = time.monotonic()
    provider = select_provider()
    record_provider(provider)
    if not provider.is_up():
        say(f"Cluster: {provider.describe()}")
        provider.up()
        say(f"Cluster Ready after {format_seconds(time.monotonic() - started)}")
    return Cluster(provider.name, KUBECONFIG, provider)


def is_up() -> bool:
    """Whether this clone's cluster runs and is Ready."""
    try:
        return select_provider().is_up()
    except ClusterError:
        return False


def down() -> None:
    """Remove what `ensure` made; harmless where there is nothing. `ClusterError` names what could not be removed."""
    if is_recorded():
        select_provider().down()
        forget_provider()
    elif not leftovers(Layout(REPOSITORY, 0)):
        say("  ✓ this clone has no cluster")
    if leftovers(Layout(REPOSITORY, 0)):  # one from source, of before another was chosen by CLUSTER
        SourceProvider().down()


def requirements() -> str | None:
    """The reason why no cluster can be had on this machine; None when one can."""
    try:
        select_provider()
    except ClusterError as error:
        return str(error)
    return None
