"""TASK.start_report_generation: a company's real figures, by a real worker."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract import keys
from contract.keys import EVENTS_MAX_BYTES
from service.domain.conversation import Turn
from service.domain.vectors import Documents
from service.gateways.vector_store import VectorStore
from service.store.conversations import ConversationKey
from service.store.tasks import Fence
from tests.chroma.server import RunningChroma
from tests.service.application import Api
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.types.asking import check_flag_off, check_refused, run_task
from tests.service.valkey_server import RunningValkey

METHOD = "TASK.start_report_generation"
# What a user sends stands in no report.
SENT = "confidential"


@pytest.fixture(scope="module")
def worker(
    shared_valkey: RunningValkey, chroma: RunningChroma, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    with running_worker(shared_valkey, tmp_path_factory.mktemp("worker"), **chroma.environ) as running:
        yield running


@pytest.fixture
async def user(valkey_server: RunningValkey, chroma: RunningChroma) -> AsyncIterator[User]:
    async with listening_user("u1", valkey_server, **chroma.environ) as listening:
        yield listening


def headlines(result: dict[str, Any]) -> dict[str, Any]:
    return {line["label"]: line["value"] for line in result["json"]["headlines"]}


async def ended_tasks(user: User, count: int, company_id: str) -> None:
    """Tasks of that company, one of which failed by what it was sent, and said so."""
    for number in range(count):
        columns = {} if number else {"columns": [{"from": "nope", "to": "b"}]}
        answer = await user.rpc.start_data_transformation(
            "u1", {"content": f"{SENT}\n1\n", "format": "csv"}, {"format": "json", **columns}
        )
        last = (await user.events_until_end(answer["task_id"]))[-1]["payload"]
        assert number or SENT in last["data"]["error"]


async def test_a_report_on_tasks(user: User, worker: Worker) -> None:
    await ended_tasks(user, 3, "default")
    answer, events, result = await run_task(user, "start_report_generation", "u1", "default", "tasks")
    assert set(answer) == {"success", "task_id", "celery_task_id", "status", "company_id", "report_type"}
    assert [(event["current_step"], event["progress"]) for event in events] == [
        ("reading_registry", 15),
        ("reading_storage", 40),
        ("analysis", 60),
        ("tables", 80),
        ("final_processing", 100),
        ("final_processing", 100),
    ]
    # The report itself is one of them, and runs.
    assert headlines(result) | {"Duration": 0, "Wait for a worker": 0} == {
        "Tasks": 4, "Completed": 2, "Failed": 1, "Duration": 0, "Wait for a worker": 0,
    }  # fmt: skip
    rows = result["json"]["details"]["rows"]
    assert {row["task_type"] for row in rows} == {"data_transformation", "report_generation"}
    ended = next(row for row in rows if row["status"] == "failed")
    assert ended["duration_s"] >= 0
    assert ended["error"] == "the input is refused: unknown_column"
    assert not [name for name in ("json", "csv", "html") if SENT in str(result[name])]
    assert result["csv"].startswith("task_id,task_type,user_id,status,")
    assert result["html"].startswith("<!doctype html>")

    told = events[-1]["data"]
    assert told["left_out"] == ["json", "csv", "html"]
    assert told["get_from"] == "TASK.get_task_result"
    assert (told["report_type"], told["company_id"]) == ("tasks", "default")


async def test_a_report_on_storage(user: User, worker: Worker, vectors: VectorStore, collection: str) -> None:
    await vectors.add(collection, Documents(["1", "2"], ["text", "more"], [{"a": 1}, {"a": 2}]))
    await user.valkey.hset(keys.company("acme"), mapping={"company_id": "acme", "company_name": "ACME GmbH"})
    await user.valkey.hset(
        keys.company("acme"), mapping={"collection:not-yet-made": "1", "quota:storage_limit_mb": "1"}
    )
    async with await user.services.storage.reserve("acme", collection, 1, holder="test") as reservation:
        await reservation.spend(1)
    _, _, result = await run_task(user, "start_report_generation", "u1", "acme", "storage")
    sizes = await vectors.read_sizes(collection)
    assert headlines(result) == {"Storage": sizes.total_size, "Collections": 2, "Documents": 2}
    found = {row["collection"]: row["total_bytes"] for row in result["json"]["details"]["rows"]}
    assert found == {collection: sizes.total_size, "not-yet-made": 0}
    assert result["json"]["company_name"] == "ACME GmbH"
    quota = next(section for section in result["json"]["sections"] if section["name"] == "quotas")
    assert quota["rows"][2]["limit"] == "1.00 MB"


async def test_what_cannot_be_read_is_unknown_and_never_nothing(
    user: User, worker: Worker, chroma: RunningChroma, vectors: VectorStore, collection: str
) -> None:
    await user.valkey.hset(keys.company("acme"), mapping={"company_id": "acme", f"collection:{collection}": "1"})
    await user.valkey.hset(keys.company("acme"), mapping={"collection:another": "2"})
    chroma.stop()
    try:
        _, events, result = await run_task(user, "start_report_generation", "u1", "acme", "storage")
    finally:
        await asyncio.to_thread(chroma.start)
    assert events[-1]["status"] == "completed"
    assert headlines(result) == {"Storage": None, "Collections": 2, "Documents": None}


async def test_a_report_on_usage(user: User, worker: Worker) -> None:
    active = '{"role":"admin","last_activity":"2030-01-01T00:00:00+00:00","session_id":"s"}'
    await user.valkey.hset(keys.company("acme"), mapping={"company_id": "acme", "user:u2": active})
    _, _, result = await run_task(user, "start_report_generation", "u1", "acme", "usage")
    assert headlines(result)["Users"] == 2
    rows = {row["user_id"]: row for row in result["json"]["details"]["rows"]}
    assert rows["u2"]["role"] == "admin"
    assert rows["u1"]["tasks"] == 1


async def test_a_report_on_conversations(user: User, worker: Worker) -> None:
    """No worker of the test serves their queue: the turns are written here."""
    for _ in range(2):
        answer = await user.rpc.start_llm_conversation("u1", "acme", "a secret question")
    key = ConversationKey("acme", "u1", answer["conversation_id"])
    for number, is_estimate in ((1, False), (2, True)):
        turn = Turn("a secret question", "a secret answer", "gpt-4", 0.7, f"2026-01-0{number}T00:00:00+00:00", 100)
        fence = Fence(answer["task_id"], number, 1)
        assert await user.services.conversations.add_turn(key, fence, replace(turn, is_estimate=is_estimate))
    _, _, result = await run_task(user, "start_report_generation", "u1", "acme", "conversations")
    assert headlines(result) == {"Conversations": 1, "Users": 1, "Tokens": 200, "Tokens a conversation": 200}
    (row,) = result["json"]["details"]["rows"]
    assert (row["model"], row["tokens_are"], row["started_at"]) == ("gpt-4", "estimate", "2026-01-01T00:00:00+00:00")
    assert "secret" not in str(result)

    _, _, result = await run_task(user, "start_report_generation", "u1", "acme", "usage")
    assert (headlines(result)["Conversations"], headlines(result)["Tokens"]) == (1, 200)
    quotas = next(section for section in result["json"]["sections"] if section["name"] == "quotas")
    assert quotas["rows"][1]["used"] == "2", "both are requests, though one has no answer yet"


async def test_another_companys_tasks_are_not_counted(user: User, worker: Worker) -> None:
    await user.start("elsewhere", "one")
    await user.valkey.zadd(keys.company_tasks("acme"), {"one": 1, "gone": 2})
    _, _, result = await run_task(user, "start_report_generation", "u1", "acme", "tasks")
    assert [row["task_type"] for row in result["json"]["details"]["rows"]] == ["report_generation"]


async def test_a_user_sees_no_company_that_is_not_theirs(user: User, worker: Worker) -> None:
    await user.valkey.hset(keys.unified_user("u1"), mapping={"user_id": "u1", "authorized:home": "1"})
    _, events, _ = await run_task(user, "start_report_generation", "u1", "acme", "usage")
    assert events[-1]["status"] == "failed"
    assert "not authorised for the company acme" in events[-1]["data"]["error"]
    _, events, _ = await run_task(user, "start_report_generation", "u1", "home", "usage")
    assert events[-1]["status"] == "completed"


async def test_a_company_of_ten_thousand_tasks(user: User, worker: Worker) -> None:
    now = datetime.now(UTC)
    entry: Any = {
        "task_type": "document_analysis",
        "user_id": "u1",
        "company_id": "acme",
        "status": "completed",
        "created_at": (now - timedelta(hours=2)).isoformat(),
    }
    pipeline = user.valkey.pipeline(transaction=False)
    for number in range(keys.COMPANY_TASKS_MAX):
        pipeline.hset(keys.task(f"t{number}"), mapping=entry)
        pipeline.zadd(keys.company_tasks("acme"), {f"t{number}": now.timestamp() * 1000 - number})
    await pipeline.execute()
    answer = await user.rpc.start_report_generation("u1", "acme", "tasks")
    last = (await user.events_until_end(answer["task_id"]))[-1]
    assert len(str(last)) < EVENTS_MAX_BYTES
    result = (await user.rpc.get_task_result(answer["task_id"]))["result"]
    # The oldest has made room for the report's own.
    assert headlines(result)["Tasks"] == keys.COMPANY_TASKS_MAX
    assert datetime.fromisoformat(result["json"]["since"]) == now - timedelta(hours=2)
    assert len(result["csv"]) > 500_000


@pytest.mark.parametrize(
    ("company_id", "report_type", "message"),
    [
        pytest.param("acme", "salaries", "report_type is one of usage, tasks, storage, conversations", id="type"),
        pytest.param("acme", 7, "report_type: expected str", id="no text as a type"),
        pytest.param("a:b", "usage", "company_id holds ':'", id="company"),
        pytest.param("", "usage", "company_id is empty", id="no company"),
    ],
)
async def test_bad_input_is_refused_before_anything_is_queued(
    api_on: Api, company_id: str, report_type: Any, message: str
) -> None:
    await check_refused(api_on, METHOD, ["u1", company_id, report_type], message)


async def test_nothing_is_started_where_the_flag_is_off(api: Api) -> None:
    await check_flag_off(api, METHOD, ["u1", "acme", "usage"], company_id="acme", report_type="usage")
