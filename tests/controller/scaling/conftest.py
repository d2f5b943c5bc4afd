"""Workers with a task that waits for its test, and a Valkey on this machine that pods, operator and test reach."""

import itertools
from collections.abc import Iterator

import pytest

from tests.cluster.model import Cluster
from tests.controller.cluster.conftest import crd, operator, place
from tests.controller.cluster.operator import Namespace, Operator
from tests.controller.scaling.broker import Broker
from tests.controller.scaling.image import build_hold_image
from tests.controller.scaling.scaled import Scaled
from tests.missing import end_test_without

__all__ = ["crd", "operator", "place"]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def image(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_hold_image(cluster, tmp_path_factory.mktemp("image"))


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


@pytest.fixture
def service(place: Namespace, operator: Operator, broker: Broker, image: str) -> Iterator[Scaled]:
    own = Scaled(place.cluster, place.name, f"scaled{next(NUMBERS)}", image, broker)
    yield own
    broker.open_gate()
    own.kubectl("delete", "psvc", own.service, "--ignore-not-found", "--wait=false")
    own.kubectl("delete", "pod", "--all", "--grace-period=0", "--force", "--wait=false")
