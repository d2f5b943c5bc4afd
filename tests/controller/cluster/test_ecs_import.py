"""What the importer writes is what the API server takes: schema, rules and unknown fields, without making anything."""

import json
from pathlib import Path

import pytest

from controller.ecs.importing import import_task_definitions
from controller.ecs.reading import read_source
from controller.ecs.rendering import render_yaml
from tests.controller.cluster.operator import Namespace

pytestmark = pytest.mark.cluster
DEFINITIONS = Path(__file__).parents[1] / "ecs" / "definitions"


@pytest.mark.parametrize("file", sorted(DEFINITIONS.glob("*.json")), ids=lambda file: file.stem)
def test_the_api_server_takes_it(place: Namespace, file: Path) -> None:
    result = import_task_definitions([read_source(file.read_text(), file.name)], desired_count=3)
    command = ("apply", "--dry-run=server", "--validate=strict", "-o", "json", "-f", "-")
    taken = json.loads(place.kubectl(*command, stdin=render_yaml(result)))
    assert taken["spec"]["image"] == result.document["spec"]["image"]
