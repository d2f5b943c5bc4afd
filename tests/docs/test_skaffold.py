"""skaffold.yaml as far as it can be shown without Docker: its keys, the chart with its values, which files are copied
where, and how a part starts anew. The loop of skaffold itself is not run."""

import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from controller.model.service import ServiceKey
from controller.model.spec import PinnokioServiceSpec
from tests.chart.rendering import CHART, Helm, containers, one
from tests.cluster.model import REPOSITORY
from tests.controller.builders import build_all, build_target
from tests.controller.cluster.operator import wait_for
from tests.docs.skaffold_model import Config

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
RELOAD = REPOSITORY / "dev" / "reload.py"
BUILT = {
    "IMAGE_REPO_pinnokio": "registry.example/me/pinnokio",
    "IMAGE_TAG_pinnokio": "3f1c",
    "IMAGE_DIGEST_pinnokio": "sha256:" + "0" * 64,
}
PROFILES = [None, "existing"]


def _raw() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "skaffold.yaml").read_text())
    return document


def _read(profile: str | None) -> Config:
    """The configuration with a profile's patches applied, as skaffold does."""
    raw = _raw()
    for patch in Config.model_validate(raw).profiles:
        if patch.name == profile:
            for change in patch.patches:
                _replace(raw, change.path, change.value)
    return Config.model_validate(raw)


def _replace(document: Any, path: str, value: object) -> None:
    *parents, last = path.strip("/").split("/")
    for step in parents:
        document = document[int(step)] if isinstance(document, list) else document[step]
    assert last in document, f"{path} replaces what is not there"
    document[last] = value


@pytest.mark.parametrize("profile", PROFILES)
def test_every_key_is_one_of_skaffolds(profile: str | None) -> None:
    config = _read(profile)
    assert config.build.local.push is (profile == "existing")


def test_a_misspelled_key_is_found() -> None:
    wrong = copy.deepcopy(_raw())
    wrong["deploy"]["helm"]["releases"][0]["chartpath"] = "x"
    with pytest.raises(ValidationError, match="chartpath"):
        Config.model_validate(wrong)


@pytest.mark.parametrize(
    ("profile", "image"),
    [
        (None, "registry.example/me/pinnokio:3f1c"),
        ("existing", f"registry.example/me/pinnokio:3f1c@sha256:{'0' * 64}"),
    ],
    ids=["kind", "existing"],
)
def test_the_chart_takes_its_values(helm: Helm, profile: str | None, image: str) -> None:
    config = _read(profile)
    release = config.deploy.helm.releases[0]
    assert REPOSITORY / release.chart_path == CHART
    words = [f"{name}={str(value).lower() if value in (True, False) else value}" for name, value in _values(release)]
    documents = helm.template({}, *[part for word in words for part in ("--set", word)])
    assert {each["image"] for each in containers(documents)} == {image}
    service = one(documents, "PinnokioService")
    spec = PinnokioServiceSpec.model_validate(service["spec"])
    assert spec.image == image
    assert spec.unified_registry.enabled
    forward = config.port_forward[0]
    target = build_target(spec)
    made = build_all(type(target)(ServiceKey("n", service["metadata"]["name"]), "u", spec, target.secret, target.flag))
    assert ("Service", forward.resource_name) in {(each["kind"], each["metadata"]["name"]) for each in made}
    assert forward.namespace == release.namespace


def _values(release: Any) -> Iterator[tuple[str, object]]:
    yield from release.set_values.items()
    for name, template in release.set_value_templates.items():
        yield name, re.sub(r"\{\{\.(\w+)\}\}", lambda found: BUILT[found.group(1)], template)


def test_the_image_is_a_stage_of_the_dockerfile() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    artifact = _read(None).build.artifacts[0]
    assert artifact.docker.target in stages
    assert stages[-1] == "app", "what is built where no target is named"
    assert f"COPY {RELOAD.relative_to(REPOSITORY)} /opt/dev/bin/python" in DOCKERFILE
    assert os.access(RELOAD, os.X_OK)


def test_every_source_is_copied_to_where_parts_run() -> None:
    rules = _read(None).build.artifacts[0].sync.manual
    assert {rule.dest for rule in rules} == {"/tmp/app"}
    assert '"DEV_COPY", "/tmp/app"' in RELOAD.read_text()
    synced = {file for rule in rules for file in REPOSITORY.glob(rule.src)}
    folders = ("contract", "service", "controller")
    sources = {file for folder in folders for end in ("py", "lua") for file in (REPOSITORY / folder).rglob(f"*.{end}")}
    assert synced == sources


@pytest.fixture
def part(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A part of one file under dev/reload.py; it writes what `word` says into a file. Called, it changes the word."""
    source, copied = tmp_path / "app", tmp_path / "copy"
    (source / "service").mkdir(parents=True)
    (source / "service" / "__main__.py").write_text(_program(tmp_path, "first"))
    environment = {
        **os.environ, "DEV_PYTHON": sys.executable, "DEV_SOURCE": str(source), "DEV_COPY": str(copied)
    }  # fmt: skip
    running = subprocess.Popen([sys.executable, str(RELOAD), "-m", "service"], env=environment)
    yield lambda word: _write(copied / "service" / "__main__.py", _program(tmp_path, word))
    running.terminate()
    assert running.wait(timeout=60) == 0


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def _program(folder: Path, word: str) -> str:
    if word == "broken":
        return "this is no Python"
    return f"import pathlib, time\npathlib.Path({str(folder / 'said')!r}).write_text({word!r})\ntime.sleep(600)\n"


def test_a_part_starts_anew_when_its_files_change(part: Callable[[str], None], tmp_path: Path) -> None:
    said = tmp_path / "said"
    wait_for(said.exists, bool, 60)
    wait_for(said.read_text, lambda text: text == "first", 60)
    part("broken")
    part("second")
    wait_for(said.read_text, lambda text: text == "second", 60)


def test_other_commands_just_run() -> None:
    environment = {**os.environ, "DEV_PYTHON": sys.executable}
    command = [sys.executable, str(RELOAD), "-c", "print('ran')"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "ran\n"
