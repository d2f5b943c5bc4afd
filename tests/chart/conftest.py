"""helm for the tests of the chart, and the chart rendered with each set of values."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cluster import crd_install
from tests.chart.rendering import CHART, Document, Helm
from tests.chart.value_sets import VALUE_SETS
from tests.cluster.binaries import ensure_tools
from tests.cluster.model import Cluster, ClusterError
from tests.missing import end_test_without

CRD = "pinnokioservices.pinnokio.io"


@pytest.fixture(scope="session")
def helm() -> Helm:
    """helm 3: the one on PATH, else built once and cached."""
    try:
        return Helm(ensure_tools() / "helm")
    except ClusterError as error:
        end_test_without(f"helm: {error}")


@pytest.fixture(params=list(VALUE_SETS.values()), ids=list(VALUE_SETS))
def rendered(request: pytest.FixtureRequest, helm: Helm) -> list[Document]:
    return helm.template(request.param)


@pytest.fixture
def live_helm(helm: Helm, cluster: Cluster) -> Helm:
    """helm against the real cluster."""
    return Helm(helm.binary, cluster.kubeconfig)


@pytest.fixture
def own_crd(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tree's CRD, which is in the cluster, and is so again when the test is over: all namespaces share it."""
    file = CHART / "crds" / f"{CRD}.yaml"
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    assert crd_install.main([str(file)]) == 0
    yield file
    assert crd_install.main([str(file)]) == 0
