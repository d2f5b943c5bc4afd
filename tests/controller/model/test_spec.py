"""What a spec says beyond its fields: version, time limits, what is wrong and where."""

from typing import Any

import pytest

from controller.model.quantity import is_same_quantity, parse_quantity
from controller.model.service import InvalidSpec, parse_service
from tests.controller.builders import build_spec


@pytest.mark.parametrize(
    ("image", "version", "expected"),
    [
        ("pinnokio:1.2.3", None, "1.2.3"),
        ("pinnokio:1.2.3", "9", "9"),
        ("host:5000/team/pinnokio", None, "latest"),
        ("host:5000/team/pinnokio:dev", None, "dev"),
        ("pinnokio@sha256:0123456789abcdef", None, "0123456789ab"),
        ("pinnokio:1.0@sha256:0123456789abcdef", None, "1.0"),
    ],
)
def test_version(image: str, version: str | None, expected: str) -> None:
    assert build_spec(image=image, version=version).effective_version == expected


@pytest.mark.parametrize(
    ("queue", "routes", "expected"),
    [
        ({"name": "computation"}, {}, (1800, 1860)),
        ({"name": "llm"}, {}, (300, 360)),
        ({"name": "default"}, {}, (3600, 3660)),
        ({"name": "maintenance"}, {"vector_embeddings": "maintenance"}, (900, 960)),
        ({"name": "own"}, {"special": "own"}, (3600, 3660)),
        ({"name": "idle"}, {}, (3600, 3660)),
        ({"name": "llm", "softTimeLimitSeconds": 60}, {}, (60, 120)),
        ({"name": "llm", "softTimeLimitSeconds": 60, "hardTimeLimitSeconds": 61}, {}, (60, 61)),
    ],
)
def test_time_limits(queue: dict[str, Any], routes: dict[str, str], expected: tuple[int, int]) -> None:
    spec = build_spec(queues=[queue], routes=routes)
    assert spec.time_limits_s(spec.queues[0]) == expected


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "spec.image: Field required"),
        (
            {"image": "a", "queues": [{"name": "default", "concurrency": 0}]},
            "spec.queues[0].concurrency: Input should be greater than or equal to 1",
        ),
        (
            {"image": "a", "beat": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}},
            "spec.beat.resources: requests.cpu 2 is above limits.cpu 1500m: raise the limit",
        ),
        (None, "spec: Input should be a valid dictionary or instance of PinnokioServiceSpec"),
    ],
)
def test_a_wrong_spec_is_a_value_that_names_the_field(spec: dict[str, Any] | None, problem: str) -> None:
    service = parse_service({"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": spec})
    assert service.spec == InvalidSpec((problem,))


def test_a_field_of_a_newer_crd_is_passed_over() -> None:
    assert build_spec(image="a", colour="red") == build_spec(image="a")


@pytest.mark.parametrize(
    ("annotations", "paused"),
    [(None, False), ({}, False), ({"pinnokio.io/paused": "true"}, True), ({"pinnokio.io/paused": "no"}, False)],
)
def test_paused(annotations: dict[str, str] | None, paused: bool) -> None:
    meta = {"name": "a", "namespace": "b", "uid": "c", "annotations": annotations}
    assert parse_service({"metadata": meta, "spec": {}}).paused is paused


def test_a_status_that_cannot_be_read_is_none() -> None:
    meta = {"name": "a", "namespace": "b", "uid": "c"}
    assert parse_service({"metadata": meta, "spec": {}, "status": {"phase": "Old"}}).status is None


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("0.5", "500m", True), ("1Gi", "1024Mi", True), ("1G", "1Gi", False), ("2", 2, True), ("x", "x", False)],
)
def test_quantities(left: str, right: str | int, same: bool) -> None:
    assert is_same_quantity(left, right) is same


def test_what_is_no_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="lots"):
        parse_quantity("lots")
