"""Items of notifications and messages, what a user may see, and the events made of them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.messages import Chat, build_chat_message, build_messages, build_msg_sync, parse_chat
from service.domain.notifications import build_notif_sync, build_notification, choose_visible, info_message

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FULL: dict[str, Any] = {
    "file_name": "a.pdf",
    "collection_id": "c1",
    "collection_name": "Acme",
    "status": "error",
    "read": False,
    "job_id": "j1",
    "file_id": "f1",
    "function_name": "APbookeeper",
    "timestamp": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "additional_info": '{"error_message": "no total", "message": "less"}',
}


def test_notification_item() -> None:
    assert build_notification("n1", FULL) == {
        "message": "a.pdf - error",
        "file_name": "a.pdf",
        "collection_id": "c1",
        "collection_name": "Acme",
        "url": "/edit_form/j1",
        "status": "error",
        "read": False,
        "doc_id": "n1",
        "job_id": "j1",
        "file_id": "f1",
        "function_name": "APbookeeper",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "additional_info": '{"error_message": "no total", "message": "less"}',
        "info_message": "no total",
    }


def test_defaults_of_an_empty_notification() -> None:
    item = build_notification("n1", {})
    assert (item["message"], item["url"], item["timestamp"]) == ("Document - info", "/edit_form/", "")
    assert {item[name] for name in ("collection_id", "job_id", "additional_info", "info_message")} == {""}
    assert item["read"] is False


def test_structured_additional_info_becomes_text() -> None:
    item = build_notification("n1", {"additional_info": {"message": "done", "at": NOW}})
    assert item["additional_info"] == '{"message":"done","at":"2026-03-04T05:06:07Z"}'
    assert item["info_message"] == "done"


@pytest.mark.parametrize(
    ("additional_info", "expected"),
    [
        ('{"error_message": "bad", "message": "less"}', "bad"),
        ('{"message": "fine"}', "fine"),
        ('{"error_message": "", "message": "fine"}', "fine"),
        ("{}", ""),
        ("[1]", ""),
        ("no json", ""),
        ("", ""),
        ("[" * 100_000, ""),
    ],
)
def test_info_message(additional_info: str, expected: str) -> None:
    assert info_message(additional_info) == expected


def items() -> list[dict[str, Any]]:
    at = {"old": "2026-01-01T00:00:00Z", "new": "2026-02-01T00:00:00+01:00", "none": None}
    return [
        build_notification(name, {"timestamp": at[name], "collection_id": company})
        for name, company in (("old", "c1"), ("none", "c1"), ("new", "c2"))
    ]


@pytest.mark.parametrize(
    ("companies", "expected"),
    [((), ["new", "old", "none"]), (("c1",), ["old", "none"]), (("c1", "c2"), ["new", "old", "none"]), (("c3",), [])],
)
def test_only_the_users_companies_newest_first(companies: tuple[str, ...], expected: list[str]) -> None:
    assert [item["doc_id"] for item in choose_visible(items(), companies)] == expected


def test_notif_sync() -> None:
    event = build_notif_sync("u1", items(), NOW)
    assert (event.type, event.uid, event.payload["count"]) == ("notif.sync", "u1", 3)
    assert event.payload["timestamp"] == NOW.isoformat()
    assert len(event.payload["notifications"]) == 3


def test_message_items_have_no_read_and_no_info_message() -> None:
    (item,) = build_messages({"m1": FULL})
    notification = build_notification("m1", FULL)
    assert item == {name: value for name, value in notification.items() if name not in ("read", "info_message")}


def test_messages_with_a_number_as_time() -> None:
    found = build_messages(
        {"a": {"timestamp": 1_700_000_000}, "b": {"timestamp": 1_700_000_001_000}, "c": "no message"}
    )
    assert [item["doc_id"] for item in found] == ["b", "a"]
    assert found[0]["timestamp"] == "2023-11-14T22:13:21+00:00"


def test_messages_that_the_database_answers_as_a_list() -> None:
    assert [item["doc_id"] for item in build_messages([None, {"file_name": "x"}])] == ["1"]
    assert build_messages(None) == []


def test_msg_sync() -> None:
    event = build_msg_sync("u1", build_messages({"m1": FULL}), NOW)
    assert event.type == "msg.sync"
    assert event.payload == {"messages": build_messages({"m1": FULL}), "count": 1, "timestamp": NOW.isoformat()}


def test_chat_message() -> None:
    event = build_chat_message(Chat("u1", "s", "t", None), {"b": {"text": "2"}, "a": {"text": "1"}}, NOW)
    assert event.type == "chat.message"
    assert event.payload == {
        "space_code": "s",
        "thread_key": "t",
        "raw_messages": [{"text": "1", "id": "a"}, {"text": "2", "id": "b"}],
    }


@pytest.mark.parametrize(
    ("space_code", "thread_key", "mode", "expected"),
    [
        ("s", "t", None, Chat("u1", "s", "t", None)),
        ("s", "t", "job_chats", Chat("u1", "s", "t", "job_chats")),
        ("s", "t", "other", Chat("u1", "s", "t", None)),
        ("s", None, None, None),
        ("", "t", None, None),
        ("s/../x", "t", None, None),
        ("s", "t:u", None, None),
        ("s", "t\n", None, None),
    ],
)
def test_parse_chat(space_code: str | None, thread_key: str | None, mode: str | None, expected: Chat | None) -> None:
    assert parse_chat("u1", space_code, thread_key, mode) == expected
