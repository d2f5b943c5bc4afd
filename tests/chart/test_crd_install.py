"""controller.cluster.crd_install: on the real API server, with a CRD of the tests' own."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import ApiException

from controller.cluster.crd_install import CrdInstallError, exit_code_of, explain, main, read_definition
from tests.chart.rendering import Helm, one
from tests.cluster.model import Cluster

Manifest = dict[str, Any]


@pytest.fixture
def manifest(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manifest]:
    """A CRD with the properties `size` and `colour`; removed when the test is over."""
    plural = f"widgets{uuid.uuid4().hex[:6]}"
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    yield build_crd(plural, "size", "colour")
    cluster.kubectl("delete", "crd", f"{plural}.tests.pinnokio.io", "--ignore-not-found", "--wait=false")


@pytest.mark.cluster
def test_a_missing_crd_is_created_and_served(
    cluster: Cluster, manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(tmp_path, manifest) == 0
    assert capsys.readouterr().out == f"{manifest['metadata']['name']}: created\n"
    cluster.kubectl("get", manifest["metadata"]["name"])


@pytest.mark.cluster
def test_what_is_right_already_is_left_alone(
    cluster: Cluster, manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, manifest)
    before = read_live(cluster, manifest)["metadata"]["resourceVersion"]
    capsys.readouterr()
    assert install(tmp_path, manifest) == 0
    assert capsys.readouterr().out.endswith(": unchanged\n")
    assert read_live(cluster, manifest)["metadata"]["resourceVersion"] == before


@pytest.mark.cluster
def test_what_the_file_no_longer_has_goes_whoever_made_it(
    cluster: Cluster, manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.kubectl("create", "--field-manager=helm", "--filename=-", stdin=json.dumps(manifest))
    cluster.kubectl("annotate", "crd", manifest["metadata"]["name"], "example.com/owner=platform")
    newer = build_crd(manifest["spec"]["names"]["plural"], "size", "weight")
    assert install(tmp_path, newer) == 0
    assert capsys.readouterr().out.endswith(": changed\n")
    live = read_live(cluster, manifest)
    schema = live["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema["properties"]["spec"]["properties"].keys() == {"size", "weight"}
    assert live["metadata"]["annotations"]["example.com/owner"] == "platform"


@pytest.mark.cluster
def test_a_refusal_is_told_in_the_servers_words(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest["spec"]["scope"] = "Everywhere"
    assert install(tmp_path, manifest) == 2
    told = capsys.readouterr().err
    assert "the API server answered 422" in told
    assert 'spec.scope: Unsupported value: "Everywhere"' in told


@pytest.mark.cluster
def test_a_version_that_is_still_stored_cannot_be_dropped(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(tmp_path, manifest)
    manifest["spec"]["versions"][0]["name"] = "v2"
    assert install(tmp_path, manifest) == 2
    assert "migrate them first" in capsys.readouterr().err


@pytest.mark.cluster
def test_the_role_of_the_hook_is_enough_to_create_and_to_change(
    cluster: Cluster,
    namespace: str,
    helm: Helm,
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (rule,) = one(helm.template({}), "ClusterRole", ":crd-upgrade")["rules"]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{namespace}:crd-upgrade"},
        "rules": [{**rule, "resourceNames": [manifest["metadata"]["name"]]}],
    }
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(role))
    account = f"--serviceaccount={namespace}:default"
    cluster.kubectl(
        "create", "clusterrolebinding", f"{namespace}:crd-upgrade", f"--clusterrole={namespace}:crd-upgrade", account
    )
    try:
        monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(cluster, namespace, tmp_path)))
        assert install(tmp_path, manifest) == 0
        assert install(tmp_path, build_crd(manifest["spec"]["names"]["plural"], "size")) == 0
        assert capsys.readouterr().out.splitlines()[-1].endswith(": changed")
        manifest["metadata"]["name"] = f"others.{manifest['spec']['group']}"
        assert install(tmp_path, manifest) == 2
        assert "answered 403" in capsys.readouterr().err
    finally:
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", f"{namespace}:crd-upgrade")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("kind: ConfigMap\nmetadata: {name: a}\n", "not one CustomResourceDefinition", id="other-kind"),
        pytest.param("kind: CustomResourceDefinition\n", "not one CustomResourceDefinition", id="no-name"),
        pytest.param("", "not one CustomResourceDefinition", id="empty"),
        pytest.param("a: b\n---\nc: d\n", "single document", id="two-documents"),
        pytest.param("a: [", "while parsing", id="not-yaml"),
    ],
)
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "crd.yaml"
    path.write_text(text)
    with pytest.raises(CrdInstallError, match=message):
        read_definition(path)


def test_a_missing_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert "No such file" in capsys.readouterr().err


def test_a_missing_right_comes_with_what_to_do() -> None:
    error = ApiException(status=403, reason="Forbidden", body=json.dumps({"message": "crds is forbidden"}))
    told = explain(error, "widgets.tests.pinnokio.io")
    assert "widgets.tests.pinnokio.io: the API server answered 403: crds is forbidden" in told
    assert "crds.upgrade=false" in told


@pytest.mark.parametrize(
    ("status", "code"),
    [
        pytest.param(403, 2, id="forbidden"),
        pytest.param(422, 2, id="invalid"),
        pytest.param(409, 1, id="conflict"),
        pytest.param(429, 1, id="too-many"),
        pytest.param(503, 1, id="unavailable"),
        pytest.param(None, 1, id="no-answer"),
    ],
)
def test_only_a_refusal_is_final(status: int | None, code: int) -> None:
    assert exit_code_of(ApiException(status=status)) == code


def test_a_server_that_is_not_there_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "a", "user": {}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(nowhere))
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert install(tmp_path, build_crd("widgets", "size")) == 1
    assert "127.0.0.1:9" in capsys.readouterr().err


def test_an_answer_that_is_no_json_is_told_by_its_reason() -> None:
    assert "502: Bad Gateway" in explain(ApiException(status=502, reason="Bad Gateway", body="<html>"), "a")


def install(folder: Path, manifest: Manifest) -> int:
    path = folder / "crd.yaml"
    path.write_text(yaml.safe_dump(manifest))
    return main([str(path)])


def write_kubeconfig(cluster: Cluster, namespace: str, folder: Path) -> Path:
    """A kubeconfig of the service account `default` of a namespace."""
    token = cluster.kubectl("create", "token", "default", "--namespace", namespace).strip()
    whole = yaml.safe_load(cluster.kubectl("config", "view", "--minify", "--flatten", "--output", "json"))
    whole["users"] = [{"name": whole["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(whole))
    return path


def read_live(cluster: Cluster, manifest: Manifest) -> Manifest:
    text = cluster.kubectl("get", "crd", manifest["metadata"]["name"], "--output", "json", "--show-managed-fields")
    live: Manifest = json.loads(text)
    return live


def build_crd(plural: str, *properties: str) -> Manifest:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {name: {"type": "string"} for name in properties}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.tests.pinnokio.io"},
        "spec": {
            "group": "tests.pinnokio.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.capitalize()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
