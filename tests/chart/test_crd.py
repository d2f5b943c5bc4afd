"""The CRD of the chart is the one of crds/, also in a package, and the hook carries it as it is."""

import tarfile
from pathlib import Path

import yaml

from controller.model.crd import FILE
from tests.chart.rendering import CHART, Document, Helm, is_hook, of_kind, one
from tests.cluster.model import REPOSITORY

SOURCE = REPOSITORY / FILE
COPY = CHART / FILE


def test_the_copy_is_the_source() -> None:
    # A copy, not a symbolic link: tools that fetch charts from Git leave links out (Flux) or refuse them.
    assert not COPY.is_symlink()
    assert COPY.read_bytes() == SOURCE.read_bytes(), f"run `cp {FILE} charts/pinnokio/crds/`"


def test_the_chart_has_no_other_crd() -> None:
    assert [path.name for path in (CHART / "crds").iterdir()] == [SOURCE.name]


def test_helm_finds_it(helm: Helm) -> None:
    documents = helm.template({}, "--include-crds")
    assert of_kind(documents, "CustomResourceDefinition") == [yaml.safe_load(COPY.read_text())]


def test_a_package_holds_all_that_is_needed(helm: Helm, tmp_path: Path) -> None:
    helm.run("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")
    values = {"service": {"enabled": True}}
    assert helm.template(values, "--include-crds", chart=package) == helm.template(values, "--include-crds")
    with tarfile.open(package) as archive:
        names = {name.removeprefix("pinnokio/") for name in archive.getnames()}
    assert names == {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file()}


def test_the_hook_carries_it(helm: Helm) -> None:
    hook = hook_objects(helm.template({}))
    assert one(hook, "ConfigMap")["data"] == {COPY.name: COPY.read_text()}
    spec = one(hook, "Job")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert container["command"][-1] == f"{container['volumeMounts'][0]['mountPath']}/{SOURCE.name}"
    assert spec["volumes"][0]["configMap"]["name"] == one(hook, "ConfigMap")["metadata"]["name"]


def test_the_hook_runs_before_installs_and_upgrades_in_order(helm: Helm) -> None:
    hook = hook_objects(helm.template({}))
    weights = {entry["kind"]: int(entry["metadata"]["annotations"]["helm.sh/hook-weight"]) for entry in hook}
    assert all(is_hook(entry, "pre-install") for entry in hook)
    assert weights["ServiceAccount"] <= weights["ClusterRoleBinding"] < weights["Job"]
    assert weights["ClusterRole"] < weights["ClusterRoleBinding"]
    assert weights["ConfigMap"] < weights["Job"]


def test_the_hook_cleans_up_after_itself(helm: Helm) -> None:
    for entry in hook_objects(helm.template({})):
        policies = entry["metadata"]["annotations"]["helm.sh/hook-delete-policy"].split(",")
        assert set(policies) == {"before-hook-creation", "hook-succeeded"}


def test_the_hook_can_be_turned_off(helm: Helm) -> None:
    assert not hook_objects(helm.template({"crds": {"upgrade": False}}))


def hook_objects(documents: list[Document]) -> list[Document]:
    return [entry for entry in documents if is_hook(entry, "pre-upgrade")]
