"""When an object differs from its manifest, and what of others' is taken out."""

from typing import Any

import pytest

from controller.model.base import JsonObject
from controller.plan.drift import build_removal, digest_of, find_drift


@pytest.mark.parametrize(
    ("desired", "observed", "where"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": {"b": 1}}, {"a": {}}, ["a.b"]),
        ({"a": {"b": 1}}, {}, ["a"]),
        ({"a": ""}, {}, []),
        ({"a": []}, {"a": None}, []),
        ({"a": False}, {}, ["a"]),
        ({"a": 0}, {}, ["a"]),
        ({"cpu": "0.5"}, {"cpu": "500m"}, []),
        ({"cpu": "1"}, {"cpu": "500m"}, ["cpu"]),
        ({"value": "1"}, {"value": "1000m"}, ["value"]),
        ({"args": ["a", "b"]}, {"args": ["a"]}, ["args"]),
        ({"args": ["a", "b"]}, {"args": ["a", "c"]}, ["args[1]"]),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "B"}, {"name": "A", "value": "1"}]}, []),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "2"}]}, ["env[A].value"]),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": []}, ["env[A]"]),
        ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A"}]}, []),
    ],
)
def test_drift(desired: JsonObject, observed: JsonObject, where: list[str]) -> None:
    assert list(find_drift(desired, observed)) == where


def _pod(*containers: dict[str, Any]) -> JsonObject:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


@pytest.mark.parametrize(
    ("observed", "removal"),
    [
        (_pod({"name": "api", "env": [{"name": "A"}]}), None),
        (
            _pod({"name": "api", "env": [{"name": "A"}, {"name": "X"}]}),
            _pod({"name": "api", "env": [{"name": "X", "$patch": "delete"}]}),
        ),
        (
            _pod({"name": "api", "env": [{"name": "A"}]}, {"name": "sidecar"}),
            _pod({"name": "sidecar", "$patch": "delete"}),
        ),
    ],
    ids=["nothing foreign", "a variable", "a container"],
)
def test_what_others_put_into_a_pod_is_taken_out(observed: JsonObject, removal: JsonObject | None) -> None:
    assert build_removal(_pod({"name": "api", "env": [{"name": "A"}]}), observed) == removal


def test_a_service_has_nothing_to_take_out() -> None:
    assert build_removal({"spec": {"ports": []}}, {"spec": {"ports": []}}) is None


def test_the_digest_changes_with_the_manifest_and_not_with_the_version_read() -> None:
    plain: JsonObject = {"metadata": {"name": "a"}, "spec": {"x": 1}}
    assert digest_of(plain) == digest_of({"metadata": {"name": "a", "resourceVersion": "5"}, "spec": {"x": 1}})
    assert digest_of(plain) != digest_of({"metadata": {"name": "a"}, "spec": {"x": 2}})
