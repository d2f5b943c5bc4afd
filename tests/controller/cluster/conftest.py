"""The CRD in the cluster, a namespace with kubectl, and an operator that watches it with the rights of its Role."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.model.kinds import LEASE_RULES, RULES
from tests.cluster.model import REPOSITORY, Cluster
from tests.conftest import POD_SECURITY
from tests.controller.cluster.operator import Namespace, Operator

CRD = REPOSITORY / "crds" / "pinnokioservices.pinnokio.io.yaml"


@pytest.fixture(scope="session")
def crd(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    cluster.kubectl("wait", "--for=condition=Established", "crd/pinnokioservices.pinnokio.io", "--timeout=30s")


@pytest.fixture(scope="module")
def place(cluster: Cluster, crd: None) -> Iterator[Namespace]:
    """A namespace for the tests of one module: an operator takes seconds to start, a PinnokioService does not."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, POD_SECURITY)
    yield Namespace(cluster, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def operator(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """It may do what `controller.model.kinds.RULES` lists, in its namespace, and nothing else."""
    folder = tmp_path_factory.mktemp("operator")
    grant(place, folder / "kubeconfig")
    running = Operator(place.name, folder / "operator.log", folder / "kubeconfig")
    running.start()
    yield running
    running.stop()
    said = running.log.read_text()
    assert "Traceback" not in said, said


def grant(place: Namespace, kubeconfig: Path) -> None:
    """A service account with a Role of the operator's rules, and a kubeconfig that logs in as it."""
    rules = [
        {"apiGroups": [rule.group], "resources": list(rule.resources), "verbs": list(rule.verbs)}
        for rule in (*RULES, *LEASE_RULES)
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "operator"}}
    place.kubectl("create", "-f", "-", stdin=json.dumps(role | {"rules": rules}))
    place.kubectl("create", "serviceaccount", "operator")
    who = f"--serviceaccount={place.name}:operator"
    place.kubectl("create", "rolebinding", "operator", "--role=operator", who)
    config = yaml.safe_load(place.cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": place.kubectl("create", "token", "operator").strip()}
    kubeconfig.write_text(yaml.safe_dump(config))
