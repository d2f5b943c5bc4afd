"""TASK.start_* without a worker: what is answered, what is kept and queued, and what is undone when queueing fails."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from contract import keys
from contract.flag import FlagDocument, encode
from service.domain.errors import InvalidArguments
from service.domain.tasks import NewTask
from service.store.lane import Command
from service.store.tasks import TaskStore
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.application import Api
from tests.service.running_worker import User, build_refused_push, listening_user
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

DOCUMENT = {"content": "test doc"}
PREFIX = "{pinnokio}:"


async def messages(user: User, queue: str = "computation") -> list[dict[str, Any]]:
    """The Celery messages that wait in a queue."""
    return [json.loads(raw) for raw in await user.valkey.lrange(PREFIX + queue, 0, -1)]


async def test_the_guides_acceptance(api_on: Api) -> None:
    answer = await api_on.data("TASK.start_document_analysis", "user", DOCUMENT, "job123")
    assert answer == {
        "success": True,
        "task_id": "doc_analysis_job123",
        "celery_task_id": answer["celery_task_id"],
        "status": "queued",
        "job_id": "job123",
    }
    status = await api_on.data("TASK.get_task_status", "doc_analysis_job123")
    assert status == {
        "success": True,
        "task_id": "doc_analysis_job123",
        "status": "queued",
        "progress": {"current_step": None, "progress_percent": 0, "estimated_completion": None},
        "created_at": status["created_at"],
        "isolation": {"namespace": "user_default", "priority": "normal", "max_duration": 1800},
        "progress_percent": 0,
        "current_step": None,
    }
    result = await api_on.data("TASK.get_task_result", "doc_analysis_job123")
    assert result == {"success": True, "task_id": "doc_analysis_job123", "status": "queued", "result": None}
    document = await api_on.data("UNIFIED_REGISTRY.get_task_registry", "doc_analysis_job123")
    assert document["task_info"]["task_type"] == "document_analysis"
    assert document["resources"] == {"worker_id": None, "memory_usage": None, "cpu_usage": None}


async def test_by_name_as_by_position(api_on: Api) -> None:
    arguments = {"user_id": "user", "document_data": DOCUMENT, "job_id": "named"}
    answer = await api_on.data("TASK.start_document_analysis", kwargs=arguments)
    assert answer["task_id"] == "doc_analysis_named"


@pytest.mark.parametrize("method", ["get_task_status", "get_task_result"])
async def test_an_unknown_task_is_no_success(api: Api, method: str) -> None:
    answer = await api.data(f"TASK.{method}", "nobody-knows")
    assert answer["success"] is False
    assert "nobody-knows" in answer["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["user", "text", "job"], id="document is no object"),
        pytest.param(["user", DOCUMENT, 7], id="job id is a number"),
        pytest.param(["user", DOCUMENT, ""], id="empty job id"),
        pytest.param(["user", DOCUMENT, "a\nb"], id="control character in the job id"),
        pytest.param(["user", DOCUMENT, "x" * 1000], id="job id too long"),
        pytest.param(["us:er", DOCUMENT, "job"], id="colon in the user id"),
        pytest.param(["user", DOCUMENT], id="no job id"),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_and_queue_nothing(
    api_on: Api, user: User, arguments: list[Any]
) -> None:
    answer = await api_on.call("TASK.start_document_analysis", *arguments)
    assert answer["error"]["code"] == "INVALID_ARGS"
    assert await user.valkey.keys("registry:task:*") == []


async def test_with_the_flag_off_nothing_is_queued_and_reading_works(api: Api, user: User) -> None:
    answer = await api.data("TASK.start_document_analysis", "user", DOCUMENT, "job1")
    assert (answer["success"], answer["job_id"]) == (False, "job1")
    assert "unified registry is off" in answer["error"]
    assert await messages(user) == []
    assert await user.valkey.keys("*doc_analysis*") == []

    await user.rpc.start_document_analysis("u1", DOCUMENT, "job2")
    status = await api.data("TASK.get_task_status", "doc_analysis_job2")
    assert status["status"] == "queued"


async def test_a_start_that_was_refused_gives_the_idempotency_key_back(api: Api, user: User) -> None:
    async def start() -> Any:
        return await api.data("TASK.start_document_analysis", "user", DOCUMENT, "job1", idempotency_key="mine")

    for _ in range(2):
        assert "unified registry is off" in (await start())["error"]
    await user.valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True)))
    await user.valkey.publish(keys.FLAG_CHANNEL, "1")
    await user.start("document_analysis", "doc_analysis_job1", user_id="another")
    await eventually(lambda: _answers(start, "in use"))
    assert "in use" in (await start())["error"]
    await user.rpc.cancel_task("doc_analysis_job1")
    assert (await start())["success"]
    assert await start() == {"duplicate": True}


async def test_arguments_go_by_reference_and_the_message_stays_small(user: User) -> None:
    await user.rpc.start_document_analysis("u1", {"content": "x" * 1_000_000}, "large")
    (message,) = await messages(user)
    assert len(json.dumps(message)) < 16_384
    assert await user.valkey.hstrlen(keys.task_payload("doc_analysis_large"), "body") > 1_000_000
    assert 0 < await user.valkey.ttl(keys.task_payload("doc_analysis_large")) <= keys.TASK_QUEUED_TTL_S


async def test_of_a_hundred_starts_of_one_id_one_is_queued(user: User) -> None:
    answers = await asyncio.gather(
        *(user.rpc.start_document_analysis("u1", DOCUMENT, "same") for _ in range(50)),
        *(user.start("document_analysis", "doc_analysis_same", user_id="u2") for _ in range(50)),
    )
    assert len(await messages(user)) == 1
    assert len({answer["celery_task_id"] for answer in answers if answer["success"]}) == 1
    assert all(set(answer) == {"success", "error", "job_id"} for answer in answers if not answer["success"])


async def test_a_task_goes_to_the_queue_that_its_route_names(valkey_server: RunningValkey) -> None:
    async with listening_user("u1", valkey_server, TASK_ROUTES="document_analysis=heavy") as routed:
        await routed.rpc.start_document_analysis("u1", DOCUMENT, "by-environment")
        assert len(await messages(routed, "heavy")) == 1

        document = FlagDocument(revision=1, enabled=True, routes={"document_analysis": "flagged"})
        await routed.valkey.set(keys.FLAG, encode(document))
        await routed.flag.start()
        await eventually(lambda: routed.flag.revision == 1)
        await routed.rpc.start_document_analysis("u1", DOCUMENT, "by-flag")
        await routed.flag.stop()
        assert len(await messages(routed, "flagged")) == 1


async def test_a_running_task_stands_with_its_user_and_company(api_on: Api) -> None:
    await api_on.data("UNIFIED_REGISTRY.register_user_session", "user", "s1", "acme", ["acme"])
    await api_on.data("TASK.start_document_analysis", "user", DOCUMENT, "job1")
    registry = await api_on.data("UNIFIED_REGISTRY.get_user_registry", "user")
    assert registry["services"]["tasks"]["active_tasks"] == ["doc_analysis_job1"]
    status = await api_on.data("TASK.get_task_status", "doc_analysis_job1")
    assert status["isolation"]["namespace"] == "user_acme"


async def test_what_cannot_be_queued_is_undone(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(user.queue, "build_push", build_refused_push)
        answer = await user.rpc.start_document_analysis("u1", DOCUMENT, "job1")
    assert (answer["success"], answer["job_id"]) == (False, "job1")
    assert await user.valkey.keys("*doc_analysis_job1") == []
    assert (await user.rpc.start_document_analysis("u1", DOCUMENT, "job1"))["success"]


@pytest.mark.parametrize("fault", [RedisTimeoutError("no answer"), asyncio.CancelledError()], ids=["lost", "deadline"])
async def test_a_claim_whose_answer_is_lost_is_given_back(
    user: User, monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    claim = user.tasks.claim

    async def claim_and_break(task: NewTask) -> None:
        await claim(task)
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(TaskStore, "claim", lambda _, task: claim_and_break(task))
        with suppress(asyncio.CancelledError):
            assert not (await user.start("test_request", "broken"))["success"]
    assert await user.tasks.read("broken") is None
    assert await user.valkey.zcard(keys.request_quota("default")) == 0
    assert await user.valkey.hlen(keys.task_quota("default", "u1")) == 0
    assert (await user.start("test_request", "broken"))["success"]
    assert len(await messages(user, "default")) == 1


async def test_a_start_that_breaks_off_while_another_has_the_id_leaves_that_one_alone(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await user.start("test_request", "same")

    async def break_off(*_: Any) -> None:
        raise RedisTimeoutError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(TaskStore, "claim", break_off)
        assert not (await user.start("test_request", "same"))["success"]
    assert await user.start("test_request", "same") == first
    assert await user.valkey.exists(keys.task_payload("same"))
    assert await user.valkey.zcard(keys.request_quota("default")) == 1
    assert await user.valkey.hlen(keys.task_quota("default", "u1")) == 1


async def test_a_start_whose_message_arrived_and_was_taken_up_takes_nothing_away(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = user.lane.run

    async def run_and_break(*commands: Command) -> list[Any]:
        answers = await run(*commands)
        if commands[-1][0] == "LPUSH":
            entry = await user.tasks.read("begun")
            assert entry is not None
            pipeline = user.valkey.pipeline(transaction=False)
            user.tasks.add_begin(pipeline, "begun", entry.run, 60, {}, holder="h1")
            await pipeline.execute()
            raise RedisTimeoutError("no answer")
        return answers

    with monkeypatch.context() as patched:
        patched.setattr(user.lane, "run", run_and_break)
        await user.start("test_request", "begun")
    entry = await user.tasks.read("begun")
    assert entry is not None
    assert entry.status == "processing"
    assert await user.valkey.exists(keys.task_payload("begun"))
    assert await user.valkey.zcard(keys.request_quota("default")) == 1
    assert await user.valkey.hlen(keys.task_quota("default", "u1")) == 1
    assert await user.valkey.hexists(keys.company("default"), "task:begun")


async def test_while_valkey_is_away_a_start_is_a_clear_failure(own_valkey: RunningValkey) -> None:
    async with listening_user("u1", own_valkey) as user:
        await user.channel.aclose()  # type: ignore[no-untyped-call]
        own_valkey.stop()
        async with asyncio.timeout(10):
            answer = await user.rpc.start_document_analysis("u1", DOCUMENT, "job1")
        assert (answer["success"], answer["job_id"]) == (False, "job1")
        own_valkey.start()
        await eventually(lambda: _is_queued(user))


async def test_an_unprintable_id_is_named_in_the_refusal(user: User) -> None:
    with pytest.raises(InvalidArguments, match="job_id"):
        await user.rpc.start_document_analysis("u1", DOCUMENT, "\x00")


async def _answers(start: Callable[[], Awaitable[Any]], error: str) -> bool:
    return error in (await start()).get("error", "")


async def _is_queued(user: User) -> bool:
    return bool((await user.rpc.start_document_analysis("u1", DOCUMENT, "job2"))["success"])
