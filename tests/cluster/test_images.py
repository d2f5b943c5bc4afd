"""Images made from single files, and how they are named and read."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from tests.cluster.model import ClusterError
from tests.cluster.scratch import write_layout
from tests.cluster.source.images import blob_path, normalize_reference, read_blobs, read_descriptor


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param("pinnokio:dev", "docker.io/library/pinnokio:dev", id="short"),
        pytest.param("pinnokio", "docker.io/library/pinnokio:latest", id="no-tag"),
        pytest.param("team/app:1", "docker.io/team/app:1", id="docker-hub-user"),
        pytest.param("localhost/app:1", "localhost/app:1", id="localhost"),
        pytest.param("registry.example:5000/app", "registry.example:5000/app:latest", id="port-is-no-tag"),
    ],
)
def test_reference_in_full(image: str, expected: str) -> None:
    assert normalize_reference(image) == expected


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF not really")
    return path


def test_layout_holds_the_files(program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    write_layout(folder, {"bin/it": program}, entrypoint=["/bin/it"], links={"bin/alias": "it"})
    descriptor = read_descriptor(folder)
    _, config_digest, layer_digest = read_blobs(folder, descriptor)
    config = json.loads(blob_path(folder, config_digest).read_text())
    assert config["config"]["Entrypoint"] == ["/bin/it"]
    assert config["rootfs"]["diff_ids"] == [layer_digest]
    with tarfile.open(blob_path(folder, layer_digest)) as layer:
        assert layer.getmember("bin/it").mode == 0o755
        assert layer.getmember("bin/alias").linkname == "it"
        assert layer.getmember("tmp").mode == 0o1777


def test_the_same_files_give_the_same_digest(program: Path, tmp_path: Path) -> None:
    digests: list[str] = []
    for name in ("one", "two"):
        os.utime(program, (1, len(digests)))
        write_layout(tmp_path / name, {"it": program}, entrypoint=["/it"])
        digests.append(read_descriptor(tmp_path / name)["digest"])
    assert digests[0] == digests[1]


def test_an_image_that_is_not_there_is_named(program: Path, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    write_layout(folder, {"it": program}, entrypoint=["/it"])
    with pytest.raises(ClusterError, match="no image app:1"):
        read_descriptor(folder, "app:1")
