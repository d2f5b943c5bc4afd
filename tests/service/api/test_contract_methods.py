"""The contract's table of methods, line by line: names, order and defaults of arguments; by position and by name; and
the keys of each answer, as a client written against today's service reads them."""

import inspect
from typing import Any, Final

import jsonschema
import pytest

from tests.service.application import Api

_NONE: Final = inspect.Parameter.empty
# contract.md, "Methods": the arguments in their order, with what stands for those left out.
ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "REGISTRY.register_user": {"user_id": _NONE, "session_id": _NONE, "backend_route": None},
    "REGISTRY.unregister_session": {"session_id": _NONE},
    "CHROMA_VECTOR.register_collection_user": {"user_id": _NONE, "collection_name": _NONE, "session_id": _NONE},
    "CHROMA_VECTOR.heartbeat_collection": {"user_id": _NONE, "collection_name": _NONE},
    "CHROMA_VECTOR.unregister_collection_user": {"user_id": _NONE, "collection_name": _NONE},
    "CHROMA_VECTOR.add_documents": {
        "collection_name": _NONE, "documents": _NONE, "metadatas": _NONE, "ids": None,
    },
    "CHROMA_VECTOR.query_documents": {
        "collection_name": _NONE, "query_texts": _NONE, "n_results": 10, "where": None,
    },
    "CHROMA_VECTOR.delete_documents": {"collection_name": _NONE, "where": None, "ids": None},
    "CHROMA_VECTOR.get_collection_info": {"collection_name": _NONE},
    "CHROMA_VECTOR.analyze_collection": {"collection_name": _NONE},
    "CHROMA_VECTOR.create_chroma_instance": {"collection_name": _NONE},
    "CHROMA_VECTOR.create_analyzer_instance": {"collection_name": _NONE},
    "CHROMA_VECTOR.generate_report": {"collection_name": _NONE},
    "CHROMA_VECTOR.analyze_storage_full": {"collection_name": _NONE, "max_storage": 10.0},
    "TASK.start_document_analysis": {"user_id": _NONE, "document_data": _NONE, "job_id": _NONE},
    "TASK.start_vector_computation": {"user_id": _NONE, "documents": _NONE, "collection_name": _NONE},
    "TASK.start_llm_conversation": {
        "user_id": _NONE, "company_id": _NONE, "prompt": _NONE, "conversation_id": None, "model": "gpt-4",
        "temperature": 0.7,
    },
    "LLM.start_conversation": {
        "user_id": _NONE, "company_id": _NONE, "prompt": _NONE, "model": "gpt-4", "temperature": 0.7,
    },
    "LLM.get_conversation_status": {"conversation_id": _NONE},
    "TASK.start_report_generation": {"user_id": _NONE, "company_id": _NONE, "report_type": _NONE},
    "TASK.start_data_transformation": {"user_id": _NONE, "source": _NONE, "target": _NONE},
    "TASK.start_ml_analysis": {"user_id": _NONE, "data": _NONE, "model_type": _NONE},
    "TASK.get_task_status": {"task_id": _NONE},
    "TASK.get_task_result": {"task_id": _NONE},
    "UNIFIED_REGISTRY.register_user_session": {
        "user_id": _NONE, "session_id": _NONE, "company_id": _NONE, "authorized_companies": _NONE,
        "backend_route": None,
    },
    "UNIFIED_REGISTRY.update_user_heartbeat": {"user_id": _NONE},
    "UNIFIED_REGISTRY.unregister_user_session": {"session_id": _NONE},
    "UNIFIED_REGISTRY.update_user_service": {"user_id": _NONE, "service_name": _NONE, "service_data": _NONE},
    "UNIFIED_REGISTRY.update_task_progress": {
        "task_id": _NONE, "status": _NONE, "progress_percent": None, "current_step": None, "worker_id": None,
    },
    "UNIFIED_REGISTRY.register_task": {
        "task_id": _NONE, "task_type": _NONE, "user_id": _NONE, "company_id": _NONE, "priority": "normal",
        "max_duration": 3600,
    },
    "UNIFIED_REGISTRY.get_user_registry": {"user_id": _NONE},
    "UNIFIED_REGISTRY.get_task_registry": {"task_id": _NONE},
    "UNIFIED_REGISTRY.get_company_active_users": {"company_id": _NONE},
    "UNIFIED_REGISTRY.cleanup_expired_entries": {},
}  # fmt: skip
VALUES: Final[dict[str, Any]] = {
    "user_id": "u", "session_id": "s", "backend_route": "http://r", "collection_name": "col", "company_id": "acme",
    "authorized_companies": ["acme"], "service_name": "mail", "service_data": {"n": 1}, "task_id": "t",
    "task_type": "audit", "priority": "high", "max_duration": 60, "status": "processing", "progress_percent": 40,
    "current_step": "reading", "worker_id": "w", "documents": ["text"], "metadatas": [{"a": 1}], "ids": ["i"],
    "query_texts": ["text"], "n_results": 3, "where": {"a": 1}, "max_storage": 2.5, "document_data": {"content": "x"},
    "job_id": "j", "prompt": "why?", "conversation_id": "c", "model": "gpt-4o", "temperature": 1,
    "report_type": "usage", "source": {"content": "a", "format": "csv"}, "target": {"format": "json"},
    "data": [{"date": "2024-05-12", "amount": 1, "account": "1"}], "model_type": "forecast",
}  # fmt: skip
STARTED: Final = {"success", "task_id", "celery_task_id", "status"}
CONVERSATION: Final = STARTED | {"conversation_id"}
UNKNOWN_TASK: Final = {"success", "error"}
NO_CHROMA: Final = {"success", "error", "collection_name"}
USER: Final = {"user_info", "companies", "services", "heartbeat"}
TASK_DOCUMENT: Final = {"task_info", "isolation", "progress", "resources"}
# Keys of `data`, or its value; of a user `u` who is registered with the flag on, where neither Chroma nor tasks are.
ANSWERS: Final[dict[str, Any]] = {
    "REGISTRY.register_user": {"user_id", "session_id", "backend_route", "last_seen_at"},
    "REGISTRY.unregister_session": True,
    "CHROMA_VECTOR.register_collection_user": {
        "user_id", "collection_name", "session_id", "registered_at", "last_heartbeat",
    },
    "CHROMA_VECTOR.heartbeat_collection": {"user_id", "collection_name", "heartbeat_updated"},
    "CHROMA_VECTOR.unregister_collection_user": {"user_id", "collection_name", "unregistered"},
    **{name: NO_CHROMA for name in ARGUMENTS if name.startswith("CHROMA_VECTOR.") and "_user" not in name
       and "heartbeat" not in name},
    "TASK.start_document_analysis": STARTED | {"job_id"},
    "TASK.start_vector_computation": STARTED | {"collection_name"},
    "TASK.start_report_generation": STARTED | {"company_id", "report_type"},
    "TASK.start_data_transformation": STARTED,
    "TASK.start_ml_analysis": STARTED | {"model_type"},
    "TASK.start_llm_conversation": CONVERSATION,
    "LLM.start_conversation": CONVERSATION,
    "LLM.get_conversation_status": UNKNOWN_TASK,
    "TASK.get_task_status": UNKNOWN_TASK,
    "TASK.get_task_result": UNKNOWN_TASK,
    "UNIFIED_REGISTRY.register_user_session": USER,
    "UNIFIED_REGISTRY.update_user_heartbeat": True,
    "UNIFIED_REGISTRY.unregister_user_session": True,
    "UNIFIED_REGISTRY.update_user_service": True,
    "UNIFIED_REGISTRY.update_task_progress": False,
    "UNIFIED_REGISTRY.register_task": TASK_DOCUMENT,
    "UNIFIED_REGISTRY.get_user_registry": USER,
    "UNIFIED_REGISTRY.get_task_registry": None,
    "UNIFIED_REGISTRY.get_company_active_users": [],
    "UNIFIED_REGISTRY.cleanup_expired_entries": {
        "company_users", "company_tasks", "company_conversations", "user_tasks", "user_conversations",
    },
}  # fmt: skip


def _methods(api: Api) -> dict[str, Any]:
    return dict(api.app.state.services.dispatcher.methods)  # type: ignore[attr-defined]


async def test_arguments_and_their_defaults(api: Api) -> None:
    methods = _methods(api)
    found = {
        name: {parameter.name: parameter.default for parameter in methods[name].signature.parameters.values()}
        for name in ARGUMENTS
    }
    for name, arguments in ARGUMENTS.items():
        # What is added beside them stands behind them, and may be left out.
        assert list(found[name].items())[: len(arguments)] == list(arguments.items()), name
        assert all(default is not _NONE for default in list(found[name].values())[len(arguments) :]), name


async def test_the_openapi_document_declares_each_method(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    described = document["paths"]["/rpc"]["post"]["x-rpc-methods"]
    assert set(described) == set(_methods(api))
    for name, arguments in ARGUMENTS.items():
        assert described[name]["summary"], name
        declared = described[name]["arguments"]
        assert list(declared["properties"])[: len(arguments)] == list(arguments), name
        assert declared["required"] == [one for one, default in arguments.items() if default is _NONE], name
        defaults = {one: schema["default"] for one, schema in declared["properties"].items() if "default" in schema}
        assert defaults.items() >= {one: of for one, of in arguments.items() if of is not _NONE}.items(), name
        # An example of each fits its schema.
        for one, schema in declared["properties"].items():
            if one in arguments:
                jsonschema.validate(VALUES[one], {**schema, "components": document["components"]})


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
@pytest.mark.parametrize("way", ["by position", "by name", "without what may be left out", "mixed"])
async def test_each_method_answers(api_on: Api, name: str, way: str) -> None:
    await api_on.data("REGISTRY.register_user", "u", "s")
    given = {parameter: VALUES[parameter] for parameter in ARGUMENTS[name]}
    if way == "without what may be left out":
        given = {parameter: value for parameter, value in given.items() if ARGUMENTS[name][parameter] is _NONE}
    by_position = len(given) if way == "by position" else 1 if way == "mixed" else 0
    args = list(given.values())[:by_position]
    kwargs = dict(list(given.items())[by_position:])
    data = await api_on.data(name, *args, kwargs=kwargs)
    expected = ANSWERS[name]
    if isinstance(expected, set):
        assert set(data) == expected
    else:
        assert data == expected
        assert type(data) is type(expected)


@pytest.mark.parametrize("name", sorted(name for name in ARGUMENTS if ARGUMENTS[name]))
async def test_each_method_refuses_what_does_not_fit(api_on: Api, name: str) -> None:
    required = [parameter for parameter, default in ARGUMENTS[name].items() if default is _NONE]
    too_few = {parameter: VALUES[parameter] for parameter in required[:-1]}
    whole = [VALUES[parameter] for parameter in ARGUMENTS[name]]
    for args, kwargs in (
        ([], too_few),
        ([*whole, "more", "more", "more", "more"], {}),
        (whole[:1], {required[0]: VALUES[required[0]]}),
        ([], {**too_few, required[-1]: VALUES[required[-1]], "unheard_of": 1}),
    ):
        answer = await api_on.call(name, *args, kwargs=kwargs)
        assert answer["error"]["code"] == "INVALID_ARGS", (args, kwargs, answer)
        assert (answer["ok"], answer["data"]) == (False, None)
