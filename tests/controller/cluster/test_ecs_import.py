"""What the importer writes, and what docs/migration.md does to it, is what the API server takes."""

import json
from pathlib import Path

import pytest

from controller.ecs.importing import import_task_definitions
from controller.ecs.reading import read_source
from controller.ecs.rendering import render_yaml
from tests.controller.cluster.operator import Namespace
from tests.docs.commands import read_page

pytestmark = pytest.mark.cluster
DEFINITIONS = Path(__file__).parents[1] / "ecs" / "definitions"


@pytest.mark.parametrize("file", sorted(DEFINITIONS.glob("*.json")), ids=lambda file: file.stem)
def test_the_api_server_takes_it(place: Namespace, file: Path) -> None:
    result = import_task_definitions([read_source(file.read_text(), file.name)], desired_count=3)
    command = ("apply", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")
    taken = json.loads(place.kubectl(*command, stdin=render_yaml(result)))
    assert taken["spec"]["image"] == result.document["spec"]["image"]


def test_the_api_server_takes_each_patch_of_the_migration(place: Namespace) -> None:
    """One after the other, as they stand on the page."""
    file = DEFINITIONS / "three_containers.json"
    result = import_task_definitions([read_source(file.read_text(), file.name)], "pinnokio-prod")
    place.kubectl("apply", "-f", "-", stdin=render_yaml(result))
    for words in read_page("migration.md").commands("kubectl"):
        if words[0] == "patch":
            place.kubectl(*(word if word != "pinnokio" else place.name for word in words))
    spec = (place.get("pinnokioservice", "pinnokio-prod") or {})["spec"]
    assert spec["unifiedRegistry"]["legacyWrites"] is False
    assert spec["migration"]["oldService"] is False
