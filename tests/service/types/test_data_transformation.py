"""TASK.start_data_transformation: a table into another format, whatever its size."""

import base64
import io
import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import openpyxl
import pytest

from contract.keys import EVENTS_MAX_BYTES
from service.settings import Settings
from service.tasks.declaring import TaskFailure
from service.tasks.types.data_transformation import transform
from tests.service.application import Api
from tests.service.running_worker import User, Worker
from tests.service.types.asking import check_flag_off, check_refused, run_task

CSV = "Datum;Betrag;Text\n12.05.2024;1.234,50;Miete\n13.05.2024;kein Betrag;Papier\n"
COLUMNS = [
    {"from": "Datum", "to": "date", "type": "date"},
    {"from": "Betrag", "to": "amount", "type": "decimal"},
    {"from": "Text", "to": "text"},
]
SOURCE = {"content": CSV, "format": "csv", "options": {"locale": "de"}}
METHOD = "TASK.start_data_transformation"


async def test_a_table_is_transformed_and_each_step_is_told(user: User, worker: Worker) -> None:
    target = {"format": "json", "columns": COLUMNS}
    answer, events, result = await run_task(user, "start_data_transformation", "u1", SOURCE, target)
    assert set(answer) == {"success", "task_id", "celery_task_id", "status"}
    assert answer["task_id"].startswith("data_transformation_")
    assert [(event["current_step"], event["progress"], event["status"]) for event in events] == [
        ("reading", 40, "started"),
        ("mapping", 60, "processing"),
        ("writing", 90, "processing"),
        ("final_processing", 100, "processing"),
        ("final_processing", 100, "completed"),
    ]
    assert json.loads(result["content"]) == [{"date": "2024-05-12", "amount": 1234.5, "text": "Miete"}]
    assert (result["rows_read"], result["rows_written"], result["rows_rejected"]) == (2, 1, 1)
    assert result["rejected"][0]["values"]["Betrag"] == "kein Betrag"
    # The last event says what was done, and where the content is.
    told = events[-1]["data"]
    assert (told.pop("left_out"), told.pop("get_from")) == (["content"], "TASK.get_task_result")
    assert told == {name: value for name, value in result.items() if name != "content"}


async def test_a_workbook_is_made_and_read(user: User, worker: Worker) -> None:
    source = {"content": [{"a": 1, "b": "x"}, {"a": 2, "b": None}], "format": "json"}
    _, events, result = await run_task(user, "start_data_transformation", "u1", source, {"format": "xlsx"})
    assert events[-1]["data"]["left_out"] == ["content_base64"]
    sheet = openpyxl.load_workbook(io.BytesIO(base64.b64decode(result["content_base64"]))).active
    assert sheet is not None
    assert list(sheet.values) == [("a", "b"), (1, "x"), (2, None)]

    back = {"content_base64": result["content_base64"], "format": "xlsx"}
    _, _, result = await run_task(user, "start_data_transformation", "u1", back, {"format": "json"})
    assert json.loads(result["content"]) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


async def test_a_result_of_megabytes_is_kept_whole_and_its_event_is_small(user: User, worker: Worker) -> None:
    source = {"content": [{"text": f"row {number} " + "x" * 100} for number in range(20_000)], "format": "json"}
    answer = await user.rpc.start_data_transformation("u1", source, {"format": "csv"})
    last = (await user.events_until_end(answer["task_id"]))[-1]
    assert len(json.dumps(last)) < EVENTS_MAX_BYTES
    assert last["payload"]["data"]["rows_written"] == 20_000
    outcome = await user.rpc.get_task_result(answer["task_id"])
    assert len(outcome["result"]["content"]) > 2_000_000


async def test_content_may_be_as_large_as_a_body() -> None:
    settings = Settings.from_env({"RPC_MAX_BODY_BYTES": str(2 * 1024 * 1024)})
    context: Any = SimpleNamespace(services=SimpleNamespace(settings=settings), step_done=AsyncMock())
    source = {"content": "a\n" + ("x" * 99 + "\n") * 20_000, "format": "csv"}
    result = await transform(context, {"source": source, "target": {"format": "csv"}})
    assert result["rows_written"] == 20_000
    source["content"] += ("y" * 99 + "\n") * 2_000
    with pytest.raises(TaskFailure, match="larger than 2 MB"):
        await transform(context, {"source": source, "target": {"format": "csv"}})


async def test_content_that_is_broken_fails_with_a_sentence(user: User, worker: Worker) -> None:
    source = {"content": 'a,b\n"1,2\n', "format": "csv"}
    _, events, result = await run_task(user, "start_data_transformation", "u1", source, {"format": "json"})
    assert (events[-1]["status"], events[-1]["progress"], result) == ("failed", 0, None)
    assert events[-1]["data"] == {"error": events[-1]["data"]["error"]}
    assert "Is a quotation mark missing?" in events[-1]["data"]["error"]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        pytest.param("a,b", {"format": "json"}, "source is an object, not text", id="text"),
        pytest.param({"format": "csv"}, {"format": "json"}, "neither content nor content_base64", id="nothing"),
        pytest.param({"content": "a", "format": "pdf"}, {"format": "json"}, "source.format is one of", id="format"),
        pytest.param({"content": "a", "format": "csv"}, {"format": "pdf"}, "target.format is one of", id="target"),
        pytest.param(SOURCE, [], "target must be an object", id="no target"),
        pytest.param(SOURCE, {"format": "json", "columns": []}, "target.columns is a list", id="no columns"),
        pytest.param({"content": "a", "format": "xlsx"}, {"format": "csv"}, "XLSX is binary", id="xlsx as text"),
        *[
            pytest.param({"content": address, "format": "csv"}, {"format": "json"}, "content is an address", id=name)
            for name, address in {
                "url": "http://127.0.0.1/a.csv", "file url": "file:///etc/passwd", "path": "/etc/passwd",
                "windows path": "C:\\data.csv", "bucket": "s3://bucket/key",
            }.items()
        ],
        pytest.param({"url": "http://127.0.0.1/a", "format": "csv"}, {"format": "json"}, "holds 'url'", id="a url key"),
        pytest.param({"path": "/etc/passwd", "format": "csv"}, {"format": "json"}, "holds 'path'", id="a path key"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_before_anything_is_queued(
    api_on: Api, source: Any, target: Any, message: str
) -> None:
    await check_refused(api_on, METHOD, ["u1", source, target], message)


async def test_nothing_is_started_where_the_flag_is_off(api: Api) -> None:
    await check_flag_off(api, METHOD, ["u1", SOURCE, {"format": "json"}])
