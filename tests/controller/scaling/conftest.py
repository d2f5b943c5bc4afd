"""Workers with a task that waits for its test, and a Valkey on this machine that pods, operator and test reach."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.model import REPOSITORY, BuildRequest, Cluster
from tests.controller.cluster.conftest import crd, operator, place
from tests.controller.scaling.broker import Broker
from tests.e2e.images import APP_SOURCES, hash_of
from tests.missing import end_test_without

__all__ = ["crd", "operator", "place"]
HOLD = Path(__file__).with_name("hold.py")


@pytest.fixture(scope="session")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The project's image with `hold` among its task types."""
    context = tmp_path_factory.mktemp("image")
    for source in APP_SOURCES:
        path = REPOSITORY / source
        if path.is_dir():
            shutil.copytree(path, context / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, context / source)
    for more in ("requirements-valkey.lock", "requirements-chroma.lock"):
        if (REPOSITORY / more).exists():
            shutil.copy(REPOSITORY / more, context / more)
    shutil.copy(HOLD, context / "service" / "worker" / "chores" / "hold.py")
    tag = f"pinnokio:hold-{hash_of((*APP_SOURCES, str(HOLD.relative_to(REPOSITORY))))}"
    cluster.build(BuildRequest(tag=tag, context=context, dockerfile=context / "Dockerfile", target="app"))
    return cluster.load(tag)


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Broker]:
    address = cluster.host_address()
    if address is None:
        end_test_without("a cluster whose pods reach a server on this machine")
    running = Broker(address)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def broker(server: Broker) -> Broker:
    server.flush()
    return server
