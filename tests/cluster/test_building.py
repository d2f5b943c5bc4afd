"""What is built, cached and run on the way to a cluster, and what people see of it."""

import re
import sys
from pathlib import Path

import pytest

from tests.cluster import base_image, binaries, cache, commands, packages, steps
from tests.cluster.commands import CommandFailed
from tests.cluster.source.layout import Layout
from tests.cluster.source.manifests import build_addons, path_of

PARTS = [binaries.KUBERNETES, binaries.COREDNS, binaries.PROVISIONER, binaries.HELM, binaries.KIND]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("go1.26.8", (1, 26)), ("go1.24\n", (1, 24)), ("devel", None)],
    ids=["release", "no-patch", "no-version"],
)
def test_go_version(text: str, expected: tuple[int, int] | None) -> None:
    assert binaries.parse_go_version(text) == expected


@pytest.mark.parametrize("part", PARTS, ids=[part.name for part in PARTS])
def test_a_part_is_pinned_by_its_sums(part: binaries.GoPart) -> None:
    folder = binaries.GO_DIR / part.name
    assert (folder / "go.sum").stat().st_size > 0
    assert "go 1." in (folder / "go.mod").read_text()


def test_all_of_kubernetes_is_of_one_version() -> None:
    text = (binaries.GO_DIR / "kubernetes" / "go.mod").read_text()
    staging = "v0." + binaries.KUBERNETES_VERSION.partition(".")[2]
    replaced = re.findall(r"k8s\.io/\S+ => k8s\.io/\S+ (\S+)", text)
    assert f"k8s.io/kubernetes v{binaries.KUBERNETES_VERSION}" in text
    assert set(replaced) == {staging}


def test_helm_says_the_version_that_is_built() -> None:
    assert f"helm.sh/helm/v3 v{binaries.HELM_VERSION}" in (binaries.GO_DIR / "helm" / "go.mod").read_text()


def test_a_failed_result_is_not_published(tmp_path: Path) -> None:
    final = tmp_path / "result"

    def publish_and_fail() -> None:
        with cache.publishing(final) as folder:
            (folder / "half").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_a_result_appears_complete(tmp_path: Path) -> None:
    final = tmp_path / "result"
    with cache.publishing(final) as folder:
        (folder / "file").touch()
        assert not final.exists()
    assert [path.name for path in final.iterdir()] == ["file"]


def test_a_key_tells_parts_from_their_join(tmp_path: Path) -> None:
    assert cache.hash_of("ab", "c") != cache.hash_of("a", "bc")
    file = tmp_path / "file"
    file.write_text("ab")
    assert cache.hash_of(file) == cache.hash_of("ab")


def test_a_lock_is_not_had_while_others_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with cache.locked("it", shared=True), cache.locked("it", shared=True), cache.locked_if_free("it") as free:
        assert not free
    with cache.locked_if_free("it") as free:
        assert free


def test_a_failed_command_shows_its_end_its_log_and_what_to_try() -> None:
    script = "print('first'); print('the reason'); raise SystemExit(3)"
    with pytest.raises(CommandFailed) as failure:
        commands.run([sys.executable, "-c", script], log_name="test", hint="something else")
    assert "ended with 3" in str(failure.value)
    assert "the reason" in failure.value.tail
    assert "test.log" in str(failure.value)
    assert "try: something else" in str(failure.value)


@pytest.mark.parametrize(("elapsed_s", "expected"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (424, "7 min 04 s")], ids=str)
def test_seconds_as_people_read_them(elapsed_s: float, expected: str) -> None:
    assert steps.format_seconds(elapsed_s) == expected


def test_a_step_that_fails_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), steps.step("Something"):
        raise ZeroDivisionError
    assert re.search(r"✗ Something \.+ failed", capsys.readouterr().err)


def test_every_addon_has_a_path_of_its_own() -> None:
    paths = [path_of(manifest) for manifest in build_addons(Layout(Path("/some/clone"), 150))]
    assert len(set(paths)) == len(paths)
    assert "/api/v1/namespaces/kube-system/services/kube-dns" in paths
    assert "/apis/storage.k8s.io/v1/storageclasses/standard" in paths


def test_no_package_comes_by_two_ways() -> None:
    assert len(set(packages.PACKAGES)) == len(packages.PACKAGES)
    assert "python3-venv" in base_image.PACKAGES
