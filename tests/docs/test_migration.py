"""docs/migration.md is what can be typed: its commands parse, what they name exists, and its patches are good specs."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controller.ecs import __main__ as ecs
from controller.ecs.importing import import_task_definitions
from controller.ecs.model import Import
from controller.ecs.reading import read_source
from controller.kubectl import main as plugin
from controller.manifests.target import Target
from controller.model.service import ServiceKey
from controller.model.spec import PinnokioServiceSpec
from tests.chart.rendering import CHART, Helm, containers
from tests.cluster.model import REPOSITORY
from tests.controller.builders import UID, build_all, build_target
from tests.docs.commands import read_page

PAGE = read_page("migration.md")
NAMESPACE, NAME = "pinnokio", "pinnokio-prod"
VERBS = {"apply", "delete", "describe", "exec", "get", "logs", "patch", "pinnokio", "port-forward", "wait"}


@pytest.fixture(scope="module")
def imported() -> Import:
    """What the page's import makes of a task definition as it runs today."""
    file = REPOSITORY / "tests" / "controller" / "ecs" / "definitions" / "three_containers.json"
    return import_task_definitions([read_source(file.read_text(), "taskdef.json")], NAME, 2)


@pytest.fixture(scope="module")
def built(imported: Import) -> set[str]:
    """`kind/name` of what the operator makes of it."""
    made = build_target(PinnokioServiceSpec.model_validate(imported.document["spec"]))
    target = Target(ServiceKey(NAMESPACE, NAME), UID, made.spec, made.secret, made.flag)
    return {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in build_all(target)}


@pytest.mark.parametrize("block", PAGE.blocks, ids=lambda block: block.split("\n")[0][:50])
def test_blocks_are_shell(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True, timeout=30)


def test_every_kubectl_command_names_the_service_and_its_namespace() -> None:
    for words in PAGE.commands("kubectl"):
        assert words[0] in VERBS, words
        if len(words) > 3 and words[0] != "describe":
            assert {"-n", "--namespace"} & set(words), words
            assert words[words.index("-n" if "-n" in words else "--namespace") + 1] == NAMESPACE, words


def test_what_is_named_exists(imported: Import, built: set[str]) -> None:
    named = {word for words in PAGE.commands("kubectl") for word in words if re.match(r"(service|deployment)/", word)}
    assert named
    assert named <= built
    secrets = {words[2] for words in PAGE.commands("kubectl") if words[:2] == ["get", "secret"]}
    assert secrets == {imported.secret_name}
    keys = set(re.findall(r"\.data\.(\w+)\}", PAGE.text))
    assert keys <= {each.key for each in imported.secret_keys}


def test_labels_are_those_of_the_pods(built: set[str]) -> None:
    components = set(re.findall(r"app\.kubernetes\.io/component=(\w+)", PAGE.text))
    assert components == {"api", "worker", "beat"}
    assert set(re.findall(r"app\.kubernetes\.io/instance=([\w-]+)", PAGE.text)) == {NAME}


def test_each_patch_leaves_a_good_spec(imported: Import) -> None:
    """One after the other, as they stand on the page."""
    spec = json.loads(json.dumps(imported.document["spec"]))
    patches = read_patches()
    for patch in patches:
        assert set(patch) == {"spec"}
        spec = _merge(spec, patch["spec"])
        PinnokioServiceSpec.model_validate(spec)
    assert len(patches) == 5
    last = PinnokioServiceSpec.model_validate(spec)
    assert not last.migration.old_service
    assert not last.unified_registry.legacy_writes


def read_patches() -> list[dict[str, Any]]:
    return [json.loads(words[words.index("-p") + 1]) for words in PAGE.commands("kubectl") if words[0] == "patch"]


def _merge(before: Any, patch: Any) -> Any:
    """RFC 7386, which `kubectl patch --type merge` follows."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        merged[key] = _merge(merged.get(key), value)
        if value is None:
            del merged[key]
    return merged


def test_the_plugins_commands_parse() -> None:
    parser = plugin.build_parser()
    commands = [words[1:] for words in PAGE.commands("kubectl") if words[0] == "pinnokio" and len(words) > 1]
    assert {words[0] for words in commands} == {"status", "promote", "rollback", "pause", "resume"}
    for words in commands:
        parser.parse_args(words)


def test_the_importers_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = REPOSITORY / "tests" / "controller" / "ecs" / "definitions" / "three_containers.json"
    (tmp_path / "taskdef.json").write_text(source.read_text())
    monkeypatch.chdir(tmp_path)
    commands = [words for words in PAGE.commands("python -m") if words[0] == "controller.ecs"]
    assert commands
    for words in commands:
        assert ecs.main(words[1:]) == 0
    assert (tmp_path / "service.yaml").exists()


def test_the_charts_values_are_taken(helm: Helm) -> None:
    installs = [words for words in PAGE.commands("helm") if words[0] == "upgrade"]
    assert len(installs) == 1
    words = installs[0]
    assert REPOSITORY / words[words.index("--install") + 2] == CHART
    values = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
    documents = helm.template({}, *[part for value in values for part in ("--set", value)])
    images = {each["image"] for each in containers(documents)}
    assert images == {"registry.example/pinnokio:1.5.0"}


def test_links_lead_somewhere() -> None:
    for page in ("migration.md", "operations.md", "../README.md"):
        read = read_page(page)
        for target in re.findall(r"\]\(([^)#:]+)\)", read.text):
            assert (read.path.parent / target).exists(), f"{page}: {target}"
