"""Generated values are made once; the flag's revision only grows."""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from contract.flag import FlagDocument, encode
from controller.model.base import JsonObject
from controller.model.kinds import SECRET
from controller.model.observed import ObjectRef, ObservedObject
from controller.plan.generated import is_secret_complete, plan_flag, plan_secret, read_flag
from tests.controller.builders import KEY, build_spec


def _secret(**values: str) -> ObservedObject:
    data = {name.replace("_", "-"): base64.b64encode(value.encode()).decode() for name, value in values.items()}
    document: JsonObject = {"metadata": {"resourceVersion": "9"}, "data": data}
    return ObservedObject(ObjectRef(SECRET, "demo-auth"), document)


def _counter() -> Callable[[], str]:
    numbers = iter(range(10))
    return lambda: f"new{next(numbers)}"


@pytest.mark.parametrize(
    ("seen", "values", "complete"),
    [
        (None, {"token": "new0", "valkey-password": "new1"}, False),
        (_secret(token="a", valkey_password="b"), {"token": "a", "valkey-password": "b"}, True),
        (_secret(token="a"), {"token": "a", "valkey-password": "new0"}, False),
        (_secret(token="", valkey_password="b"), {"token": "new0", "valkey-password": "b"}, False),
        (_secret(token="a", valkey_password="b", old="c"), {"token": "a", "valkey-password": "b"}, True),
    ],
    ids=["none yet", "all there", "one missing", "one empty", "one too many"],
)
def test_what_is_there_is_kept(seen: ObservedObject | None, values: dict[str, str], complete: bool) -> None:
    spec = build_spec()
    secret = plan_secret(spec, seen, _counter())
    assert secret is not None
    assert secret.values == values
    assert secret.resource_version == ("9" if seen else None)
    assert is_secret_complete(spec, seen) is complete
    assert "new0" not in repr(secret)


def test_what_cannot_be_read_is_made_anew() -> None:
    document = {"metadata": {"resourceVersion": "9"}, "data": {"token": "%%%", "valkey-password": "//8="}}
    secret = plan_secret(build_spec(), ObservedObject(ObjectRef(SECRET, "demo-auth"), document), _counter())
    assert secret is not None
    assert set(secret.values.values()) == {"new0", "new1"}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, {"token", "valkey-password"}),
        ({"api": {"auth": {"disabled": True}}}, {"valkey-password"}),
        ({"valkey": {"mode": "external", "external": {"host": "h"}}}, {"token"}),
        ({"api": {"auth": {"disabled": True}}, "valkey": {"mode": "external", "external": {"host": "h"}}}, set()),
    ],
)
def test_only_what_the_spec_calls_for(fields: dict[str, Any], wanted: set[str]) -> None:
    secret = plan_secret(build_spec(**fields), None, _counter())
    assert set(secret.values if secret else ()) == wanted


SAID = FlagDocument(enabled=True, users=("u",), percent_bp=250, salt=str(KEY), log_level="WARNING")


def _at(revision: int, document: FlagDocument = SAID) -> FlagDocument:
    return msgspec.structs.replace(document, revision=revision)


OTHER = FlagDocument(enabled=False, salt=str(KEY), log_level="WARNING")


@pytest.mark.parametrize(
    ("known", "revision"),
    [
        ([], 1),
        ([None, None], 1),
        ([_at(4), None], 4),
        ([_at(4), _at(4)], 4),
        ([_at(4, OTHER), None], 5),
        ([_at(1), _at(9, OTHER)], 10),
        ([_at(1, OTHER), _at(9)], 9),
        ([_at(4), _at(4, OTHER)], 5),
        ([_at(5), _at(4, OTHER)], 5),
    ],
    ids=[
        "none known",
        "none readable",
        "only mounted",
        "both the same",
        "changed",
        "a kept volume is ahead",
        "mounted is behind",
        "someone wrote over it",
        "Valkey is behind",
    ],
)
def test_the_revision_only_grows(known: list[FlagDocument | None], revision: int) -> None:
    audience = FlagDocument(enabled=True, users=("u",), percent_bp=250)
    assert plan_flag(KEY, build_spec(logLevel="WARNING"), audience, known) == _at(revision)


@pytest.mark.parametrize(
    ("data", "expected"),
    [({}, None), ({"flag.json": "{"}, None), ({"flag.json": encode(_at(3)).decode()}, _at(3))],
)
def test_the_mounted_document(data: dict[str, str], expected: FlagDocument | None) -> None:
    assert read_flag(ObservedObject(ObjectRef(SECRET, "x"), {"data": data})) == expected
    assert read_flag(None) is None


def test_flowers_login_is_generated_beside_the_rest_and_restarts_flower_alone() -> None:
    plain, flowered = build_spec(), build_spec(flower={"enabled": True})
    before = plan_secret(plain, _secret(token="a", valkey_password="b"), _counter())
    after = plan_secret(flowered, _secret(token="a", valkey_password="b"), _counter())
    assert before is not None
    assert after is not None
    assert after.values["flower"] == "pinnokio:new0"
    assert before.checksum("token", "valkey-password") == after.checksum("token", "valkey-password")
    assert before.checksum("flower") != after.checksum("flower")
    own = build_spec(flower={"enabled": True, "basicAuthSecretRef": {"name": "s", "key": "k"}})
    kept = plan_secret(own, _secret(token="a", valkey_password="b"), _counter())
    assert kept is not None
    assert "flower" not in kept.values
