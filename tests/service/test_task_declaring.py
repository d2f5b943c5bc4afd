"""A task type that is added at run time: its method, its task, its events; and what a declaration may not say."""

import json
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import pytest

from service.api.app import create_app
from service.settings import SettingsError
from service.tasks.declaring import (
    TASKS,
    Arguments,
    Result,
    Start,
    TaskContext,
    TaskKind,
    load_task_types,
    task_type,
)
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings
from tests.service.running_worker import User, Worker

NEW_SERVICE = "tests.service.new_service"
DOCS = Path(__file__).parents[2] / "docs" / "tasks.md"


@pytest.fixture
async def new_api(make_settings: MakeSettings) -> AsyncIterator[Api]:
    """The application of a process that knows the new type."""
    # Declared anew for each: a type that stayed would be a method of every later test's application.
    import_module(NEW_SERVICE)
    try:
        async with in_process(make_settings(UNIFIED_REGISTRY_ENABLED="true")) as api:
            yield api
    finally:
        del sys.modules[NEW_SERVICE], TASKS["data_processing"]


async def test_method_task_and_events_of_a_new_type(worker: Worker, user: User, new_api: Api) -> None:
    rows = {"rows": [{"amount": 1.5}, {"amount": 2}]}
    answer = await new_api.data("NEW_SERVICE.process_data", "u1", "acme", rows)
    assert answer["success"] is True
    assert answer.keys() == {"success", "task_id", "celery_task_id", "status", "company_id"}
    assert answer["task_id"].startswith("data_processing_")

    events = [event["payload"] for event in await user.events_until_end(answer["task_id"])]
    assert [(event["status"], event["progress"]) for event in events] == [("started", 50), ("completed", 100)]
    assert events[-1]["data"] == {"rows": 2, "total": 3.5}
    status = await new_api.data("TASK.get_task_status", answer["task_id"])
    assert status["isolation"] == {"namespace": "u1_acme", "priority": "normal", "max_duration": 60}


async def test_its_arguments_are_checked_by_their_types(new_api: Api) -> None:
    for arguments in (["u1", "acme", "text"], ["u:1", "acme", {}], ["u1"]):
        answer = await new_api.call("NEW_SERVICE.process_data", *arguments)
        assert answer["error"]["code"] == "INVALID_ARGS"
    answer = await new_api.data("NEW_SERVICE.process_data", kwargs={"user_id": "u1", "company_id": "a", "data": {}})
    assert answer["success"]


async def test_its_failure_is_told(worker: Worker, user: User, new_api: Api) -> None:
    answer = await new_api.data("NEW_SERVICE.process_data", "u1", "acme", {})
    last = (await user.events_until_end(answer["task_id"]))[-1]["payload"]
    assert (last["status"], last["data"]["error"]) == ("failed", "there are no rows to add up: send data.rows")


async def _handler(_context: TaskContext, _arguments: Arguments) -> Result:
    return {}


def _start() -> Start:
    return Start("u1", {})


@pytest.mark.parametrize(
    ("name", "method", "limits", "says"),
    [
        pytest.param("document_analysis", "X.y", {}, "declared twice", id="a type twice"),
        pytest.param("another", "TASK.start_document_analysis", {}, "starts another", id="a method twice"),
        pytest.param("another", "no_namespace", {}, "no NAMESPACE.method", id="no namespace"),
        pytest.param("another", "X._private", {}, "no NAMESPACE.method", id="a private name"),
        pytest.param("ml_analysis", "X.y", {"queue": "q"}, "contract.queues", id="a queue in two places"),
    ],
)
def test_what_a_declaration_may_not_say(name: str, method: str, limits: dict[str, str], says: str) -> None:
    known = dict(TASKS)
    with pytest.raises(ValueError, match=says):
        task_type(name, starts={method: _start}, queue=limits.get("queue"))(_handler)
    assert known == TASKS


@pytest.mark.parametrize(
    ("method", "says"),
    [
        pytest.param("CHROMA_VECTOR.embed", "CHROMA_VECTOR takes no declared methods: take TASK or", id="not declared"),
        pytest.param("LEDGER.post", "RPC_NAMESPACES mounts LEDGER: take another namespace", id="mounted"),
        pytest.param("TASK.get_task_status", "TASK has a method get_task_status of its own", id="a method's name"),
    ],
)
def test_a_method_that_nobody_could_call_is_refused_at_the_start(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, method: str, says: str
) -> None:
    load_task_types()
    monkeypatch.setitem(TASKS, "another", TaskKind("another", "default", 60, _handler, starts={method: _start}))
    settings = make_settings(RPC_NAMESPACES="LEDGER=tests.service.rpc.mounted_ledger:make_ledger")
    with pytest.raises(SettingsError, match=f"task type another cannot be started by {method}: {says}"):
        create_app(settings)


def test_the_example_in_the_documents_is_this_one() -> None:
    source = (Path(__file__).parent / "new_service.py").read_text()
    _, _, code = source.partition('"""\n\n')
    assert code.strip() in DOCS.read_text()


def test_the_api_imports_no_handlers_library() -> None:
    """A handler's libraries are imported where it runs."""
    import subprocess
    import sys

    script = (
        "import sys, json; from service.tasks.declaring import load_task_types; load_task_types();"
        "print(json.dumps(sorted({'celery', 'pypdf', 'sklearn', 'openpyxl', 'openai'} & set(sys.modules))))"
    )
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert json.loads(answer.stdout) == []
