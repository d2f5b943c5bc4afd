"""Documents of the unified registry, and what a change of a service does."""

from typing import Any

import pytest

from service.domain.errors import InvalidArguments
from service.domain.unified import build_company_document, build_user_document, plan_service_change


def test_empty_user_document_has_the_contracts_shape() -> None:
    assert build_user_document({"user_id": "u", "#": "3"}) == {
        "user_info": {"user_id": "u", "session_id": "", "backend_route": "", "last_seen_at": "", "status": "offline"},
        "companies": {"current_company_id": "default", "authorized_companies_ids": [], "company_roles": {}},
        "services": {
            "chroma": {"collections": [], "last_heartbeat": None},
            "llm": {"active_conversations": [], "model_preferences": {}},
            "tasks": {"active_tasks": [], "task_history": []},
        },
        "heartbeat": {"last_heartbeat": "", "ttl_seconds": 90},
    }


def test_lists_keep_their_order() -> None:
    fields = {"user_id": "u", "collection:b": "2", "collection:a": "10", "collection:c": "1"}
    document = build_user_document(fields)
    assert document is not None
    assert document["services"]["chroma"]["collections"] == ["c", "b", "a"]


def test_company_document_has_the_contracts_shape() -> None:
    fields = {
        "company_id": "c",
        "company_name": "C",
        "created_at": "2030-01-01T00:00:00+00:00",
        "user:u": '{"role":"user","last_activity":"t","session_id":"s"}',
        "task:t1": "1",
        "quota:max_tasks_per_user": "3",
    }
    assert build_company_document("c", fields) == {
        "company_info": {"company_id": "c", "company_name": "C", "created_at": "2030-01-01T00:00:00+00:00"},
        "active_users": {"u": {"role": "user", "last_activity": "t", "session_id": "s"}},
        "services": {"chroma_collections": [], "active_tasks": ["t1"], "llm_conversations": []},
        "quotas": {"max_tasks_per_user": 3, "max_llm_requests_per_hour": 1000, "storage_limit_mb": 5000},
    }


@pytest.mark.parametrize("build", [build_user_document, lambda fields: build_company_document("c", fields)])
def test_no_entry_no_document(build: Any) -> None:
    assert build({}) is None


@pytest.mark.parametrize(
    ("service", "data", "clear", "append", "values"),
    [
        pytest.param("chroma", {"collections": ["a"]}, ("collection:",), ("collection:a",), {}, id="list"),
        pytest.param("chroma", {"collections": []}, ("collection:",), (), {}, id="emptied list"),
        pytest.param("tasks", {"task_history": [{"a": 1}]}, ("history:",), ('history:{"a":1}',), {}, id="history"),
        pytest.param("llm", {"model_preferences": {"m": 1}}, ("preference:",), (), {"preference:m": "1"}, id="map"),
        pytest.param("chroma", {"last_heartbeat": "t"}, (), (), {"chroma_last_heartbeat": '"t"'}, id="heartbeat"),
        pytest.param("mail", {"seen": [1]}, (), (), {"service:mail:seen": "[1]"}, id="a service of its owner"),
        pytest.param("llm", {}, (), (), {}, id="nothing given"),
    ],
)
def test_service_change(service: str, data: Any, clear: Any, append: Any, values: Any) -> None:
    change = plan_service_change(service, data)
    assert (change.clear, change.append, change.set) == (clear, append, values)


@pytest.mark.parametrize(
    ("service", "data"),
    [
        ("chroma", {"collections": "a"}),
        ("chroma", {"collections": [1]}),
        ("tasks", {"active_tasks": [""]}),
        ("llm", {"active_conversations": ["a\x00"]}),
        ("llm", {"model_preferences": []}),
        ("a:b", {}),
        ("", {}),
    ],
)
def test_refused_changes(service: str, data: Any) -> None:
    with pytest.raises(InvalidArguments):
        plan_service_change(service, data)


@pytest.mark.parametrize(
    ("service", "data", "named"),
    [
        ("chroma", {"collections": [str(number) for number in range(1_001)]}, "collections"),
        ("tasks", {"task_history": list(range(1_001))}, "task_history"),
        ("llm", {"model_preferences": {str(number): 1 for number in range(1_001)}}, "model_preferences"),
        ("mail", {str(number): 1 for number in range(1_001)}, "service_data"),
    ],
)
def test_a_call_writes_no_more_elements_than_valkey_takes_in_milliseconds(service: str, data: Any, named: str) -> None:
    with pytest.raises(InvalidArguments, match=f"{named} holds more than 1000 elements"):
        plan_service_change(service, data)


@pytest.mark.parametrize(
    ("service", "data"),
    [
        ("chroma", {"collections": ["c" * 376]}),
        ("llm", {"model_preferences": {"m" * 376: 1}}),
        ("mail", {"k" * 376: 1}),
    ],
)
def test_a_name_is_as_long_as_an_id_at_most(service: str, data: Any) -> None:
    with pytest.raises(InvalidArguments, match="more than 375 characters"):
        plan_service_change(service, data)
