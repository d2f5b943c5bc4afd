"""What holds for every file of the repository: no registry's address in a lock file, each variable documented."""

from pathlib import Path

import pytest

from contract.env import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
LOCK_FILES = sorted(path.name for path in ROOT.glob("requirements*.lock"))


@pytest.mark.parametrize("name", LOCK_FILES)
def test_a_lock_file_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_what_runs_is_locked_as_it_is_tested() -> None:
    """Every version of the image stands in the development lock too."""
    assert pinned("requirements.lock") <= pinned("requirements-dev.lock")
    assert pinned("requirements-valkey.lock") <= pinned("requirements-dev.lock")
    assert pinned("requirements-ml.lock") <= pinned("requirements-dev.lock")


def test_the_image_with_an_extra_is_the_image_and_the_extra() -> None:
    assert pinned("requirements.lock") < pinned("requirements-ml.lock")
    more = {package.partition("==")[0] for package in pinned("requirements-ml.lock") - pinned("requirements.lock")}
    assert "scikit-learn" in more
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "\nARG EXTRA=\n" in dockerfile
    assert "requirements${EXTRA:+-$EXTRA}.lock" in dockerfile
    assert "requirements-ml.lock" in (ROOT / ".dockerignore").read_text()


def test_the_image_reads_scans_only_where_it_is_built_to() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "\nARG OCR=\n" in dockerfile
    for package in ("tesseract-ocr", "tesseract-ocr-deu", "tesseract-ocr-fra", "tesseract-ocr-ita"):
        assert f" {package} " in dockerfile


def test_the_picture_of_the_readme_is_there_and_small() -> None:
    picture = ROOT / "docs" / "images" / "status.png"
    assert picture.relative_to(ROOT).as_posix() in (ROOT / "README.md").read_text()
    assert picture.stat().st_size < 150 * 1024


def pinned(name: str) -> set[str]:
    return {line.split(" ")[0] for line in (ROOT / name).read_text().splitlines() if "==" in line}


def test_operations_documents_every_variable() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [variable.name for variable in VARIABLES if f"`{variable.name}`" not in text] == []
