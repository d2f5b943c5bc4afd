"""What /rpc takes as a body."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.envelope import BodyUnreadable, ShapeMismatch, parse_request

GOOD = {"api_version": "v1", "method": "A.b", "idempotency_key": "k"}
TEXT = "Input should be a valid string"


def body(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


def test_defaults() -> None:
    request = parse_request(body())
    assert (request.args, request.kwargs, request.user_id, request.timeout_ms) == ([], {}, None, None)


@pytest.mark.parametrize(
    ("sent", "read"), [(100, 100), ("100", 100), (100.0, 100), (None, None), (True, 1), ("-5", -5), (10**30, 10**30)]
)
def test_timeout_is_read_as_today(sent: Any, read: int | None) -> None:
    assert parse_request(body(timeout_ms=sent)).timeout_ms == read


def test_unknown_keys_are_ignored() -> None:
    assert parse_request(body(extra={"deep": [[[]]]})).method == "A.b"


@pytest.mark.parametrize(
    ("raw", "problems"),
    [
        pytest.param(b"", [("missing", ["body"], "Field required")], id="empty"),
        pytest.param(b" \n", [("missing", ["body"], "Field required")], id="blank"),
        pytest.param(b"{", [("json_invalid", ["body"], "JSON decode error")], id="no JSON"),
        pytest.param(b"{}{}", [("json_invalid", ["body"], "JSON decode error")], id="two documents"),
        pytest.param(body(args=["\ud800"]), [("json_invalid", ["body"], "JSON decode error")], id="lone surrogate"),
        pytest.param(b'{"args":[1e999]}', [("json_invalid", ["body"], "JSON decode error")], id="no such double"),
        *(
            pytest.param(
                raw,
                [
                    (
                        "model_attributes_type",
                        ["body"],
                        "Input should be a valid dictionary or object to extract fields from",
                    )
                ],
                id=f"no object: {raw.decode()}",
            )
            for raw in (b"[]", b"null", b'"a"', b"7")
        ),
        pytest.param(
            b"{}",
            [
                ("missing", ["body", "api_version"], "Field required"),
                ("missing", ["body", "method"], "Field required"),
                ("missing", ["body", "idempotency_key"], "Field required"),
            ],
            id="all missing",
        ),
        pytest.param(
            body(method=1, args={}, kwargs=[], user_id=2, timeout_ms="soon"),
            [
                ("string_type", ["body", "method"], TEXT),
                ("list_type", ["body", "args"], "Input should be a valid list"),
                ("dict_type", ["body", "kwargs"], "Input should be a valid dictionary"),
                ("string_type", ["body", "user_id"], TEXT),
                ("int_type", ["body", "timeout_ms"], "Input should be a valid integer"),
            ],
            id="wrong types",
        ),
        pytest.param(
            body(api_version=None, args=None),
            [
                ("string_type", ["body", "api_version"], TEXT),
                ("list_type", ["body", "args"], "Input should be a valid list"),
            ],
            id="nulls",
        ),
        pytest.param(body(timeout_ms=1.5), [("int_type", ["body", "timeout_ms"], "Input should be a valid integer")]),
        pytest.param(
            body(timeout_ms="9" * 5000), [("int_type", ["body", "timeout_ms"], "Input should be a valid integer")]
        ),
    ],
)
def test_422_says_where_and_why(raw: bytes, problems: list[tuple[str, list[str], str]]) -> None:
    with pytest.raises(ShapeMismatch) as raised:
        parse_request(raw)
    found = [problem.document() for problem in raised.value.problems]
    assert found == [{"type": kind, "loc": loc, "msg": message} for kind, loc, message in problems]


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return body(args=["X"]).replace(b'"X"', (opening * depth + closing * depth).encode())


@pytest.mark.parametrize(
    "raw", [nested(100), nested(5_000), nested(60, '{"a":[', "]}"), b"[" * 100_000, b'{"a":' * 2000]
)
def test_too_deep(raw: bytes) -> None:
    with pytest.raises(BodyUnreadable, match="too deep"):
        parse_request(raw)


@pytest.mark.parametrize("raw", [nested(50), body(args=[[]] * 1000), body(args=["[" * 500])])
def test_wide_is_not_deep(raw: bytes) -> None:
    assert parse_request(raw).args


@pytest.mark.parametrize("raw", [b"\xff\xfe", body().replace(b"A.b", b"\xff"), '{"a":1}'.encode("utf-16")])
def test_no_utf8(raw: bytes) -> None:
    with pytest.raises(BodyUnreadable, match="UTF-8"):
        parse_request(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
)


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys((*GOOD, "args", "kwargs", "timeout_ms"), JSON)))
def test_any_json_is_taken_or_refused(document: Any) -> None:
    with contextlib.suppress(ShapeMismatch, BodyUnreadable):
        parse_request(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ShapeMismatch, BodyUnreadable):
        parse_request(raw)
