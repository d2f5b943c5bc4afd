"""Fixtures that every kind of test shares: one Kubernetes per run, a namespace of its own for each test.

Where no cluster can be had, the tests that need one skip with the reason; under CI=true they fail with it.
"""

import contextlib
import os
import uuid
from collections.abc import Iterator

import pytest

from tests import cluster as clusters
from tests.cluster.model import Cluster
from tests.e2e.images import Images, build_and_load
from tests.missing import end_test_without

# The strictest pod security level: what the operator makes must live in it.
POD_SECURITY = "pod-security.kubernetes.io/enforce=restricted"


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """A cluster that is Ready. One that this run brought up is taken down at its end."""
    missing = clusters.requirements()
    if missing:
        end_test_without(f"a Kubernetes cluster: {missing}")
    was_up = clusters.is_up()
    with _shown(pytestconfig):
        running = clusters.ensure()
    yield running
    if not was_up and os.environ.get("KEEP_CLUSTER") != "true":
        with _shown(pytestconfig):
            clusters.down()


@pytest.fixture(scope="session")
def images(cluster: Cluster, pytestconfig: pytest.Config) -> Images:
    """The project's images, built from this tree and loaded into the cluster."""
    with _shown(pytestconfig):
        return build_and_load(cluster)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A new namespace with the restricted pod security level; its deletion is asked for at the end, not awaited."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, POD_SECURITY)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@contextlib.contextmanager
def _shown(config: pytest.Config) -> Iterator[None]:
    """Lets the steps of a long fixture through pytest's capturing, so that people see what it does."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield
