"""Fixtures that every kind of test shares: one Kubernetes per run, a namespace of its own for each test.

Where no cluster can be had, the tests that need one skip with the reason; under CI=true they fail with it.

`make test` runs two processes side by side (pytest-xdist): all that needs the cluster in one, which shares it, the rest
by files. The run itself then brings the cluster up first and takes it down last, so that people see its steps.
"""

import contextlib
import os
import uuid
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests import cluster as clusters
from tests.cluster.model import Cluster, ClusterError
from tests.e2e.images import Images, build_and_load
from tests.missing import end_test_without

# Where tests need the cluster.
CLUSTER_FOLDERS = ("tests/chart/", "tests/cluster/", "tests/controller/", "tests/e2e/")
BROUGHT_UP = pytest.StashKey[bool]()
# The strictest pod security level: what the operator makes must live in it.
POD_SECURITY = "pod-security.kubernetes.io/enforce=restricted"


# A busy machine is no failure.
settings.register_profile("pinnokio", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pinnokio")


class _ClusterInOne(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Hands out the tests of CLUSTER_FOLDERS as one piece, the others by files."""

    def _split_scope(self, nodeid: str) -> str:
        return "cluster" if nodeid.startswith(CLUSTER_FOLDERS) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _ClusterInOne(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()) and not item.nodeid.startswith(CLUSTER_FOLDERS):
            raise pytest.UsageError(f"{item.nodeid} needs the cluster: its place is in {', '.join(CLUSTER_FOLDERS)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Bad text that a test sends stands in the logs that it captured, and could not leave its process."""
    report = yield
    report.sections = [(name, text.encode(errors="replace").decode()) for name, text in report.sections]
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    if _leads_others(session.config) and not clusters.requirements() and not clusters.is_up():
        session.config.stash[BROUGHT_UP] = True
        try:
            clusters.ensure()
        except ClusterError as error:
            pytest.exit(f"no cluster: {error}", returncode=pytest.ExitCode.INTERNAL_ERROR)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash.get(BROUGHT_UP, False):
        _take_down()


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
    if not was_up:
        with _shown(pytestconfig):
            _take_down()


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


def _leads_others(config: pytest.Config) -> bool:
    """Whether this process hands the tests to others and runs none itself."""
    return config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")


def _take_down() -> None:
    if os.environ.get("KEEP_CLUSTER") != "true":
        clusters.down()


@contextlib.contextmanager
def _shown(config: pytest.Config) -> Iterator[None]:
    """Lets the steps of a long fixture through pytest's capturing, so that people see what it does."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
        yield
