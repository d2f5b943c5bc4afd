"""The CRD file, the models and the contract say the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from contract import env
from controller.manifests import environment
from controller.model.base import JsonObject
from controller.model.crd import FILE, build_crd, dump_crd
from controller.model.pod import OWNED_VARIABLES
from controller.model.spec import PinnokioServiceSpec

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_file_is_what_the_models_generate() -> None:
    written = (REPOSITORY / FILE).read_text()
    assert written == dump_crd(), f"python -m controller.model.crd > {FILE}"


def test_the_sample_is_a_valid_spec() -> None:
    sample = yaml.safe_load((REPOSITORY / "examples" / "pinnokioservice.yaml").read_text())
    spec = PinnokioServiceSpec.model_validate(sample["spec"])
    assert spec.unified_registry.enabled
    assert {queue.name for queue in spec.queues} == {"computation", "default"}


def test_every_field_is_described() -> None:
    schema = build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    undescribed = [
        path for part in ("spec", "status") for path, field in _fields(schema[part], part) if "description" not in field
    ]
    assert undescribed == []


def test_every_list_and_text_is_bounded_or_typed_for_merging() -> None:
    schema = build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    unbounded = [
        path
        for path, field in _fields(schema, "spec")
        if (field.get("type") == "array" and "maxItems" not in field)
        or (field.get("type") == "string" and not {"maxLength", "enum"} & set(field))
    ]
    assert unbounded == []


def test_variables_of_the_operator_are_variables_of_the_contract() -> None:
    assert set(OWNED_VARIABLES) <= set(env.BY_NAME)


@pytest.mark.parametrize("name", ["HEARTBEAT_FILE", "BEAT_SCHEDULE_FILE"])
def test_paths_are_the_contracts(name: str) -> None:
    variable = {"HEARTBEAT_FILE": "WORKER_HEARTBEAT_FILE"}.get(name, name)
    assert getattr(environment, name) == env.BY_NAME[variable].default


def _fields(schema: JsonObject, path: str) -> Iterator[tuple[str, JsonObject]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from _fields(field, f"{path}.{name}")
        yield from _fields(field.get("items", {}), f"{path}.{name}[]")
