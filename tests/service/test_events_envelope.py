"""Events as values: the envelope, its channels, and how one that is too large is cut."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.keys import EVENTS_MAX_BYTES
from service.domain.events import Event, build_envelope, channels_of

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def build(payload: dict[str, Any], kind: str = "task.progress_update", job_id: str | None = None) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(build_envelope(Event(kind, "u1", payload, AT, job_id)))
    return envelope


def test_the_envelope_is_the_contracts() -> None:
    assert build({"a": 1}) == {
        "type": "task.progress_update",
        "uid": "u1",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "payload": {"a": 1},
    }
    assert build({}, "workflow.step_update", "j1")["job_id"] == "j1"


@pytest.mark.parametrize(
    ("kind", "payload", "channel"),
    [
        pytest.param("task.progress_update", {}, "user:u1", id="a task's"),
        pytest.param("chat.message", {"space_code": "s", "thread_key": "t"}, "chat:u1:s:t", id="a chat's"),
        pytest.param("chat.message", {"space_code": "s"}, "user:u1", id="a chat's without its thread"),
        pytest.param("notif.sync", {"space_code": "s", "thread_key": "t"}, "user:u1", id="no chat's"),
    ],
)
def test_channels(kind: str, payload: dict[str, Any], channel: str) -> None:
    assert channels_of(Event(kind, "u1", payload, AT), "user:", "chat:") == (channel,)


def test_a_large_event_is_cut_and_says_where() -> None:
    data = {"extracted_data": {"extracted_text": "é" * 60_000, "entities": [{"value": str(n)} for n in range(3000)]}}
    payload = build({"task_id": "t1", "status": "completed", "progress": 100, "data": data})["payload"]
    assert payload["truncated"] == ["data.extracted_data.extracted_text"]
    assert payload["data"]["extracted_data"]["extracted_text"] == "é" * 1000
    assert len(payload["data"]["extracted_data"]["entities"]) == 3000
    assert (payload["task_id"], payload["status"], payload["progress"]) == ("t1", "completed", 100)


def test_a_long_list_keeps_as_many_items_as_fit() -> None:
    items = [{"doc_id": f"n{number:03}", "message": "m" * 480} for number in range(150)]
    payload = build({"notifications": items, "count": 150, "note": "n" * 2000}, "notif.sync")["payload"]
    kept = payload["notifications"]
    assert kept == items[: len(kept)]
    assert 110 < len(kept) < 150
    assert (payload["count"], payload["note"], payload["truncated"]) == (150, "n" * 2000, ["notifications"])


def test_long_texts_of_a_lists_items_are_cut_before_items_are_dropped() -> None:
    rest = [{"id": str(number), "text": "short"} for number in range(100)]
    huge = {"id": "huge", "text": "x" * 90_000, "tags": list(range(50)), "sender": {"name": "y"}}
    payload = build({"raw_messages": [huge, *rest]})["payload"]
    cut = {"id": "huge", "text": "x" * 1000, "tags": list(range(10)), "sender": {"name": "y"}}
    assert payload["raw_messages"] == [cut, *rest]
    assert payload["truncated"] == ["raw_messages"]


def test_one_large_list_does_not_empty_another() -> None:
    payload = build({"a": ["a" * 90] * 1000, "b": ["b" * 90] * 1000, "text": "x" * 90_000})["payload"]
    assert payload["truncated"] == ["a", "b", "text"]
    assert min(len(payload["a"]), len(payload["b"])) > 50


def test_what_fits_is_not_touched() -> None:
    data = {"text": "x" * 60_000}
    assert build({"data": data})["payload"] == {"data": data}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=50),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(max_size=10), children, max_size=5),
    max_leaves=20,
)


@given(payload=st.dictionaries(st.text(max_size=10), JSON, max_size=5), large=st.integers(0, 200_000))
def test_no_event_is_larger_than_the_limit(payload: dict[str, Any], large: int) -> None:
    event = Event(
        "task.progress_update", "u1", {**payload, "text": "ü" * large, "items": ["y" * 90] * (large // 90)}, AT
    )
    assert len(build_envelope(event)) <= EVENTS_MAX_BYTES
