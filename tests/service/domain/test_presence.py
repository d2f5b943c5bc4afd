"""Who is listened for, as a document of `listeners_registry` says it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.domain.presence import is_document_id, parse_companies, parse_presence

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def at(age_s: float) -> datetime:
    return NOW - timedelta(seconds=age_s)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "online", "heartbeat_at": at(89), "ttl_seconds": 90}, True),
        ({"status": "online", "heartbeat_at": at(90), "ttl_seconds": 90}, False),
        ({"status": "online", "heartbeat_at": at(89)}, True),
        ({"status": "online", "heartbeat_at": at(91)}, False),
        ({"status": "online", "heartbeat_at": at(91), "ttl_seconds": 120}, True),
        ({"status": "offline", "heartbeat_at": at(1), "ttl_seconds": 90}, False),
        ({"status": "online", "heartbeat_at": at(5).isoformat(), "ttl_seconds": 90}, True),
        ({"status": "online", "heartbeat_at": "soon", "ttl_seconds": 90}, False),
        ({"status": "online"}, False),
        ({"status": "online", "heartbeat_at": at(5), "ttl_seconds": "x"}, True),
        ({}, False),
    ],
    ids=["young", "too old", "default ttl", "default ttl passed", "own ttl", "offline", "as text", "no time", "none",
         "no ttl that can be read", "empty"],
)  # fmt: skip
def test_is_listened_for(fields: dict[str, Any], expected: bool) -> None:
    assert parse_presence(fields).is_listened_for(NOW) is expected


@pytest.mark.parametrize(
    ("value", "expected"), [(["c2", "c1"], ("c2", "c1")), ([], ()), (None, ()), ("c1", ()), (["c1", 3, ""], ("c1",))]
)
def test_companies(value: Any, expected: tuple[str, ...]) -> None:
    assert parse_companies({"authorized_companies_ids": value}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("u1", True), ("a@b.c", True), ("", False), ("a/b", False), ("..", False), ("__x__", False), ("é" * 751, False)],
)
def test_document_ids(text: str, expected: bool) -> None:
    assert is_document_id(text) is expected
