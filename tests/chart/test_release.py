"""The chart on the real cluster: install, `helm test`, upgrade, rollback, uninstall."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.kubernetes import GROUP, KIND, LABEL_INSTANCE, PLURAL, VERSION
from controller.cluster import crd_install
from tests.chart.conftest import CRD
from tests.chart.releases import Release, wait_until, wait_until_gone
from tests.chart.rendering import CHART, RELEASE, Document, Helm, HelmRefused
from tests.chart.value_sets import VALUE_SETS
from tests.cluster.model import BIN_DIR, Cluster
from tests.e2e.images import Images

pytestmark = pytest.mark.cluster

ACCOUNT = f"{RELEASE}-pinnokio-operator"
CHILDREN = "deployments,statefulsets,services,secrets,configmaps,pods"


@pytest.fixture
def release(live_helm: Helm, cluster: Cluster, namespace: str, images: Images, own_crd: Path) -> Iterator[Release]:
    """Not installed yet; whatever a test leaves of it is uninstalled."""
    made = Release(live_helm, cluster, namespace, images)
    yield made
    made.command("uninstall", "--ignore-not-found", "--wait")


@pytest.fixture
def other_namespace(cluster: Cluster, namespace: str) -> Iterator[str]:
    name = f"{namespace}-other"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())
def test_the_api_server_takes_what_is_rendered(
    helm: Helm, cluster: Cluster, namespace: str, own_crd: Path, values: dict[str, Any]
) -> None:
    watched = [namespace] if values.get("watchNamespaces") else []
    documents = helm.template({**values, "watchNamespaces": watched}, "--namespace", namespace)
    label = "pod-security.kubernetes.io/warn=restricted"
    cluster.kubectl("label", "namespace", namespace, label)
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})
    # A pod that the restricted level would refuse, or a field that nobody knows, is a warning here.
    told = cluster.kubectl("apply", "--dry-run=server", "--warnings-as-errors", "--filename=-", stdin=listed)
    assert len(told.splitlines()) == len(documents)


def test_a_service_comes_is_called_and_goes_with_the_release(release: Release) -> None:
    release.install({"service": {"enabled": True, "name": "books"}})
    assert "PASS: REGISTRY.register_user" in release.command("test", "--logs")
    assert run_token_command(release) == read_token(release)

    release.command("uninstall", "--wait")
    wait_until_gone(lambda: children(release), "what the PinnokioService ran is gone")
    assert release.names("pinnokioservices") == set()
    assert release.names("persistentvolumeclaims") == {"persistentvolumeclaim/data-books-valkey-0"}
    assert release.names("roles,rolebindings") == set()
    left = {f"pod/{RELEASE}-pinnokio-test"}
    wait_until(lambda: release.names("pods") == left, "the pods are gone, but for the finished one of the test")
    assert release.crd(CRD)


def test_an_upgrade_brings_the_crd_along_and_a_rollback_leaves_it(
    release: Release, own_crd: Path, tmp_path: Path
) -> None:
    write_older_crd(own_crd, tmp_path)
    release.install({})
    assert release.crd(CRD)["spec"]["versions"][0]["additionalPrinterColumns"] == columns(own_crd)

    newer = package_with(release.helm, tmp_path, add_column)
    release.upgrade({"operator": {"logLevel": "DEBUG"}}, newer)
    assert release.crd(CRD)["spec"]["versions"][0]["additionalPrinterColumns"][-1]["name"] == "Novelty"
    assert release.names("jobs,configmaps,serviceaccounts", "--selector", f"{LABEL_INSTANCE}={RELEASE}") == {
        f"serviceaccount/{ACCOUNT}"
    }
    assert "PASS: the operator is alive" in release.command("test", "--logs")

    release.command("rollback", "--wait")
    assert operator_variable(release, "LOG_LEVEL") == "INFO"
    assert release.crd(CRD)["spec"]["versions"][0]["additionalPrinterColumns"][-1]["name"] == "Novelty"


def test_an_upgrade_whose_crd_is_refused_changes_nothing(release: Release, tmp_path: Path) -> None:
    release.install({})
    before = release.crd(CRD)["spec"]
    broken = package_with(release.helm, tmp_path, break_schema)
    with pytest.raises(HelmRefused, match="pre-upgrade hooks failed"):
        release.upgrade({"operator": {"logLevel": "DEBUG"}}, broken)
    # One pod: what the API server refused once, it is not asked again.
    (pod,) = release.names("pods", "--selector", "app.kubernetes.io/component=crd-upgrade")
    assert "the API server answered 422" in release.kubectl("logs", pod)
    assert release.crd(CRD)["spec"] == before
    assert operator_variable(release, "LOG_LEVEL") == "INFO"


def test_a_watched_namespace_is_served_and_no_other_is_touched(release: Release, other_namespace: str) -> None:
    release.install({"watchNamespaces": [other_namespace]})
    _ask_for_service(release, other_namespace)
    assert may(release, "patch", "deployments.apps", other_namespace)
    assert not may(release, "patch", "deployments.apps", release.namespace)
    assert not may(release, "list", f"{PLURAL}.{GROUP}", release.namespace)
    assert not may(release, "get", "secrets", "kube-system")
    assert not may(release, "create", "pods", other_namespace)
    assert not may(release, "create", "roles.rbac.authorization.k8s.io", other_namespace)


@pytest.mark.faults
def test_an_operator_for_the_whole_cluster_serves_any_namespace(release: Release, other_namespace: str) -> None:
    release.install({"rbac": {"clusterWide": True}})
    _ask_for_service(release, other_namespace)
    assert may(release, "patch", "deployments.apps", "default")
    assert not may(release, "create", "pods", other_namespace)
    assert not may(release, "create", "clusterroles.rbac.authorization.k8s.io", other_namespace)


def _ask_for_service(release: Release, namespace: str) -> None:
    """Returns once an operator has begun to make what it consists of."""
    least = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": "books", "namespace": namespace},
        "spec": {"image": release.images.app},
    }
    release.cluster.kubectl("apply", "--filename=-", stdin=json.dumps(least))
    made = ("get", "secret", "books-auth", "--namespace", namespace, "--ignore-not-found", "--output=name")
    wait_until(lambda: release.cluster.kubectl(*made) != "", "the operator makes what the service needs")


def test_a_service_that_the_crd_refuses_is_refused_by_helm(release: Release) -> None:
    spec = {"queues": [{"name": "default", "minReplicas": 3, "maxReplicas": 2}]}
    with pytest.raises(HelmRefused, match="lower minReplicas or raise maxReplicas"):
        release.install({"service": {"enabled": True, "spec": spec}})


def may(release: Release, verb: str, resource: str, namespace: str) -> bool:
    """Whether the operator's service account has that right."""
    account = f"system:serviceaccount:{release.namespace}:{ACCOUNT}"
    question = f"kubectl auth can-i {verb} {resource} --as={account} --namespace={namespace} || true"
    return run_shell(release, question) == "yes"


def children(release: Release) -> set[str]:
    return release.names(CHILDREN, "--selector", f"{LABEL_INSTANCE}=books")


def run_token_command(release: Release) -> str:
    """What the command that NOTES.txt gives for the token prints."""
    notes = release.helm.run("get", "notes", RELEASE, "--namespace", release.namespace)
    (line,) = [line.strip() for line in notes.splitlines() if "get secret" in line]
    return run_shell(release, line)


def read_token(release: Release) -> str:
    secret = json.loads(release.kubectl("get", "secret", "books-auth", "--output", "json"))
    return base64.b64decode(secret["data"]["token"]).decode()


def run_shell(release: Release, line: str) -> str:
    environment = {
        **os.environ,
        "KUBECONFIG": str(release.cluster.kubeconfig),
        "PATH": f"{BIN_DIR}{os.pathsep}{os.environ['PATH']}",
    }
    result = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    return result.stdout.strip()


def operator_variable(release: Release, name: str) -> str:
    deployment = json.loads(release.kubectl("get", "deployment", ACCOUNT, "--output", "json"))
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    found: str = next(entry["value"] for entry in variables if entry["name"] == name)
    return found


def columns(file: Path) -> list[Document]:
    version: Document = yaml.safe_load(file.read_text())["spec"]["versions"][0]
    found: list[Document] = version["additionalPrinterColumns"]
    return found


def write_older_crd(file: Path, folder: Path) -> None:
    """Puts a CRD into the cluster as an older chart would have left it."""
    older = yaml.safe_load(file.read_text())
    older["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    path = folder / "older.yaml"
    path.write_text(yaml.safe_dump(older))
    assert crd_install.main([str(path)]) == 0


def add_column(crd: Document) -> None:
    crd["spec"]["versions"][0]["additionalPrinterColumns"].append(
        {"name": "Novelty", "type": "string", "jsonPath": ".status.phase"}
    )


def break_schema(crd: Document) -> None:
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["type"] = "nothing"


def package_with(helm: Helm, folder: Path, change: Callable[[Document], None]) -> Path:
    """The chart as a package of version 0.2.0 whose CRD is another."""
    copy = folder / "newer"
    shutil.copytree(CHART, copy)
    file = copy / "crds" / f"{CRD}.yaml"
    crd = yaml.safe_load(file.read_text())
    change(crd)
    file.write_text(yaml.safe_dump(crd))
    helm.run("package", str(copy), "--version", "0.2.0", "--destination", str(folder))
    return folder / "pinnokio-0.2.0.tgz"
