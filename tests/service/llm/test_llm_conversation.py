"""A conversation from its RPC to its last event: a real worker, a real Valkey, a server that speaks OpenAI's protocol.

What a model is sent is read from the stand-in's record, for its answer says only how many messages it got.
"""

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from websockets.asyncio.client import connect

from contract import keys
from service.store.conversations import ConversationKey
from tests.openai_server.faults import Fault, broken, cut_after, rate_limited, slow
from tests.openai_server.server import UNKNOWN_MODEL, OpenAiServer
from tests.service.application import Api
from tests.service.llm.conftest import COMPLETE, UPDATE, Talk, deltas, steps
from tests.service.running_worker import Worker, listening_user
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually


def answer_to(prompt: str, messages: int = 2) -> str:
    """The stand-in's; a first turn has two messages, the system's and the prompt."""
    return f"Of {messages} messages the last says: {prompt}"


async def test_a_turn_from_start_to_end(talk: Talk, openai: OpenAiServer) -> None:
    answer = await talk.start("how much is due?")
    conversation_id = answer["conversation_id"]
    assert answer.keys() == {"success", "conversation_id", "task_id", "celery_task_id", "status"}
    assert (answer["success"], answer["status"]) == (True, "queued")
    assert answer["task_id"] == f"llm_{conversation_id}"

    events = await talk.events(conversation_id)
    whole = answer_to("how much is due?")
    tokens = sum(len(message["content"].split()) for message in openai.requests[0]["messages"]) + len(whole.split())
    assert steps(events) == [("started", 10), ("calling_llm", 30), ("processing_response", 80), ("completed", 100)]
    assert steps(events, "task.progress_update") == [
        ("started", 10), ("processing", 30), ("processing", 80), ("completed", 100),
    ]  # fmt: skip
    assert {event["payload"]["task_id"] for event in events if event["type"] == "task.progress_update"} == {
        conversation_id
    }
    assert events[-1]["type"] == COMPLETE
    assert events[-1]["payload"] == {"conversation_id": conversation_id, "response": whole, "tokens_used": tokens}
    assert all(event["uid"] == "u1" for event in events)

    pieces = deltas(events)
    assert "".join(event["payload"]["data"]["delta"] for event in pieces) == whole
    assert pieces[0]["payload"]["data"]["offset"] == 0
    assert all((event["payload"]["status"], event["payload"]["progress"]) == ("calling_llm", 30) for event in pieces)

    status = await talk.api.data("LLM.get_conversation_status", conversation_id)
    assert status.keys() == {"success", "conversation_id", "status", "progress", "created_at"}
    assert (status["success"], status["status"], status["progress"]["progress_percent"]) == (True, "completed", 100)
    result = await talk.api.data("TASK.get_task_result", answer["task_id"])
    assert result["result"] == {"response": whole, "tokens_used": tokens}
    isolation = (await talk.api.data("TASK.get_task_status", answer["task_id"]))["isolation"]
    assert isolation == {"namespace": "u1_acme", "priority": "normal", "max_duration": 300}


async def test_what_the_endpoint_is_sent(talk: Talk, openai: OpenAiServer) -> None:
    await talk.ask("question", model="gpt-4o", temperature=0)
    sent = openai.requests[0]
    assert (sent["model"], sent["temperature"], sent["max_tokens"], sent["user"]) == ("gpt-4o", 0, 2000, "u1_acme")
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert "u1_acme" in sent["messages"][0]["content"]
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


async def test_text_is_told_while_it_comes_and_at_most_ten_times_a_second(talk: Talk, openai: OpenAiServer) -> None:
    openai.faults.append(slow(0.01))
    prompt = "word " * 200
    events = await talk.ask(prompt)
    pieces = deltas(events)
    assert "".join(event["payload"]["data"]["delta"] for event in pieces) == answer_to(prompt)
    offsets = [event["payload"]["data"]["offset"] for event in pieces]
    lengths = [len(event["payload"]["data"]["delta"]) for event in pieces]
    assert offsets == [sum(lengths[:place]) for place in range(len(pieces))]
    times = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in pieces]
    assert times[-1] - times[0] > 1.0, "the text took two seconds to come"
    assert all(later - earlier > 1.0 for earlier, later in zip(times, times[10:], strict=False))
    order = [event["payload"]["status"] for event in events if event["type"] == UPDATE]
    assert order == ["started", *["calling_llm"] * (1 + len(pieces)), "processing_response", "completed"]


async def test_a_socket_gets_all_of_it_in_order(worker: Worker, openai: OpenAiServer, server_on: Api) -> None:
    openai.faults.append(slow(0.02))
    frames: list[dict[str, Any]] = []
    async with connect(f"{server_on.websocket_url}?uid=u1") as socket:
        await server_on.data("LLM.start_conversation", "u1", "acme", "word " * 30)
        async with asyncio.timeout(60):
            while not frames or frames[-1]["type"] != COMPLETE:
                frames.append(json.loads(await socket.recv()))
    whole = "".join(event["payload"]["data"]["delta"] for event in deltas(frames))
    assert whole == frames[-1]["payload"]["response"] == answer_to("word " * 30)
    assert steps(frames) == [("started", 10), ("calling_llm", 30), ("processing_response", 80), ("completed", 100)]


async def test_pieces_are_not_kept_but_the_rest_is(talk: Talk, worker: Worker) -> None:
    events = await talk.ask("question")
    assert all("id" not in event for event in deltas(events))
    kept = await talk.user.valkey.xlen(keys.events("u1"))
    assert kept == len(events) - len(deltas(events)) == 9


async def test_a_conversation_goes_on(talk: Talk, openai: OpenAiServer) -> None:
    first = await talk.ask("first?")
    conversation_id = first[-1]["payload"]["conversation_id"]
    second = await talk.ask("second?", conversation_id=conversation_id)
    assert second[-1]["payload"]["conversation_id"] == conversation_id
    assert second[-1]["payload"]["response"] == answer_to("second?", 4)
    assert [(message["role"], message["content"]) for message in openai.requests[1]["messages"][1:]] == [
        ("user", "first?"),
        ("assistant", answer_to("first?")),
        ("user", "second?"),
    ]
    key = keys.conversation("acme", "u1", conversation_id)
    document: dict[Any, Any] = await talk.user.valkey.hgetall(key)
    kept = {name.decode(): value.decode() for name, value in document.items() if not name.startswith(b"turn:")}
    assert (kept["prompt"], kept["response"]) == ("second?", answer_to("second?", 4))
    assert kept.keys() >= {
        "conversation_id", "user_id", "company_id", "prompt", "response", "model", "temperature", "timestamp",
        "tokens_used",
    }  # fmt: skip
    assert kept["tokens_used"] == str(second[-1]["payload"]["tokens_used"])
    assert keys.CONVERSATION_TTL_S - 60 < await talk.user.valkey.ttl(key) <= keys.CONVERSATION_TTL_S


async def test_only_as_much_is_sent_again_as_the_model_has_room_for(talk: Talk, openai: OpenAiServer) -> None:
    """The worker's LLM_HISTORY_TOKENS is 200: the first turn takes some 170, the second and third some 60 each."""
    conversation_id = (await talk.ask("long " * 60))[-1]["payload"]["conversation_id"]
    for prompt in ("short " * 8, "short " * 9, "last"):
        await talk.ask(prompt, conversation_id=conversation_id)
    prompts = [[m["content"] for m in sent["messages"] if m["role"] == "user"] for sent in openai.requests]
    assert [len(sent) for sent in prompts] == [1, 2, 2, 3]
    assert prompts[3] == ["short " * 8, "short " * 9, "last"]


async def test_nobody_reads_another_users_conversation(
    talk: Talk, openai: OpenAiServer, valkey_server: RunningValkey
) -> None:
    """Not by its id, nor in another company."""
    conversation_id = (await talk.ask("a secret"))[-1]["payload"]["conversation_id"]
    async with listening_user("u2", valkey_server) as other:
        theirs = Talk(talk.api, other)
        events = await theirs.ask("what did they say?", conversation_id=conversation_id)
        assert events[-1]["payload"]["response"] == answer_to("what did they say?")
        assert (await talk.api.data("LLM.get_conversation_status", conversation_id, user_id="u1"))["success"] is False
        result = await talk.api.data("TASK.get_task_result", f"llm_{conversation_id}", user_id="u1")
        assert result == {"success": False, "error": f"unknown task llm_{conversation_id}"}
    await talk.ask("what did I say there?", conversation_id=conversation_id, company_id="another")
    assert "a secret" not in str(openai.requests[1:])

    # Its own user still goes on with it.
    await talk.ask("and?", conversation_id=conversation_id)
    assert openai.requests[-1]["messages"][1]["content"] == "a secret"
    turns = await talk.user.services.conversations.read_turns(
        ConversationKey("acme", "u1", conversation_id), before_run=2**53
    )
    assert [turn.prompt for turn in turns] == ["a secret", "and?"]


async def test_a_running_conversation_is_its_users(talk: Talk, openai: OpenAiServer) -> None:
    openai.faults.append(slow(0.05))
    started = await talk.start("word " * 200)
    conversation_id = started["conversation_id"]
    await talk.events(conversation_id, lambda event: bool(deltas([event])))
    again = await talk.start("and?", conversation_id=conversation_id)
    assert (again["success"], again["celery_task_id"]) == (True, started["celery_task_id"])
    theirs = await talk.start("and?", conversation_id=conversation_id, user_id="u2")
    assert theirs == {"success": False, "error": "this id is in use", "conversation_id": conversation_id}
    for asker in ({}, {"user_id": "u1"}):
        status = await talk.api.data("LLM.get_conversation_status", conversation_id, **asker)
        assert status["status"] == "processing"
    unknown = await talk.api.data("LLM.get_conversation_status", conversation_id, user_id="u2")
    assert unknown == {"success": False, "error": f"unknown conversation {conversation_id}"}
    await talk.api.data("TASK.cancel_task", started["task_id"])


async def test_cancelled_in_the_midst_of_its_text(talk: Talk, openai: OpenAiServer) -> None:
    openai.faults.append(slow(0.05))
    started = await talk.start("word " * 400)
    conversation_id = started["conversation_id"]
    await talk.events(conversation_id, lambda event: bool(deltas([event])))
    answer = await talk.api.data("TASK.cancel_task", started["task_id"], user_id="u1")
    assert (answer["success"], answer["status"]) == (True, "cancelled")
    events = await talk.events(conversation_id)
    assert steps(events)[-1] == ("cancelled", 0)
    assert not any(event["type"] == COMPLETE for event in events)
    await eventually(lambda: openai.hung_up == 1)
    assert (await talk.api.data("LLM.get_conversation_status", conversation_id))["status"] == "cancelled"

    # What was broken off is no part of the conversation.
    await talk.ask("again", conversation_id=conversation_id)
    assert [message["role"] for message in openai.requests[-1]["messages"]] == ["system", "user"]


@pytest.mark.parametrize("fault", [rate_limited(), broken()], ids=["429 with Retry-After", "500"])
async def test_a_fault_before_the_first_token_is_got_over(talk: Talk, openai: OpenAiServer, fault: Fault) -> None:
    openai.faults.append(fault)
    events = await talk.ask("question")
    assert events[-1]["payload"]["response"] == answer_to("question")
    assert len(openai.requests) == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param(cut_after(3), "broke off before its end", id="no finish reason"),
        pytest.param(cut_after(3, "hang up"), "broke off before its end", id="the connection goes"),
        pytest.param(cut_after(3, "error"), "the stand-in refuses", id="an error after the first token"),
        pytest.param(Fault(finish="content_filter"), "content filter", id="withheld"),
    ],
)
async def test_an_answer_that_breaks_is_a_failure(talk: Talk, openai: OpenAiServer, fault: Fault, says: str) -> None:
    openai.faults.append(fault)
    events = await talk.ask("question")
    assert deltas(events), "the user saw how it began"
    assert steps(events)[-1] == ("failed", 0)
    assert says in events[-1]["payload"]["data"]["error"]
    assert not any(event["type"] == COMPLETE for event in events)
    status = await talk.api.data("LLM.get_conversation_status", events[-1]["payload"]["conversation_id"])
    assert (status["status"], status["progress"]["progress_percent"]) == ("failed", 0)
    assert says in status["error"]
    assert len(openai.requests) == 1, "no second answer after a first token"
    key = keys.conversation("acme", "u1", events[-1]["payload"]["conversation_id"])
    assert not await talk.user.valkey.exists(key)


async def test_tokens_that_the_endpoint_does_not_count_are_estimated_and_said_so(
    talk: Talk, openai: OpenAiServer
) -> None:
    openai.faults.append(Fault(has_usage=False))
    last = (await talk.ask("question"))[-1]["payload"]
    assert last["tokens_estimated"] is True
    characters = sum(len(message["content"]) for message in openai.requests[0]["messages"]) + len(last["response"])
    assert 0.8 < last["tokens_used"] / (characters / 4) < 1.3
    key = keys.conversation("acme", "u1", last["conversation_id"])
    assert await talk.user.valkey.hget(key, "tokens_estimated") == b"1"


async def test_an_answer_at_its_limit_says_so(talk: Talk, openai: OpenAiServer) -> None:
    openai.faults.append(Fault(finish="length"))
    assert (await talk.ask("question"))[-1]["payload"]["finish_reason"] == "length"


async def test_over_quota(talk: Talk) -> None:
    await talk.user.valkey.hset(keys.company("acme"), "quota:max_llm_requests_per_hour", "1")
    await talk.ask("the only one")
    refused = await talk.api.data("LLM.start_conversation", "u1", "acme", "one more")
    assert refused["success"] is False
    assert "quota max_llm_requests_per_hour is used up: 1 LLM requests of this company" in refused["error"]
    assert 3_500_000 < refused["retry_after_ms"] <= 3_600_000
    assert (await talk.start("one more", user_id="u2"))["success"] is False, "it is the company's"
    assert (await talk.start("elsewhere", company_id="another"))["success"]


async def test_no_word_of_a_conversation_is_logged(
    talk: Talk, worker: Worker, openai: OpenAiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a prompt nor an answer, nor an endpoint's error that quotes the prompt; the worker logs from INFO on."""
    secret = "the-secret-of-this-prompt"
    conversation_id = (await talk.ask(secret))[-1]["payload"]["conversation_id"]
    await talk.ask("and?", conversation_id=conversation_id)
    for fault in (cut_after(4, "error"), Fault(status=400, message=f"bad: {secret}"), broken()):
        openai.faults.append(fault)
        await talk.ask(secret)
    refused = await talk.ask(secret, model=UNKNOWN_MODEL)
    assert secret in refused[-1]["payload"]["data"]["error"], "its user is told the endpoint's words"
    await talk.api.call("TASK.start_llm_conversation", "u1", "acme", secret, "an:id")
    await talk.api.call("TASK.start_llm_conversation", "u1", "acme", secret, None, "gpt-4", 7)
    await eventually(lambda: len(worker.logged("task_ended", status="failed")) >= 3)
    assert worker.logged("task_ended", error="the OpenAI endpoint failed: BadRequestError 400")
    assert secret not in worker.log.read_text()
    assert secret not in caplog.text


async def test_the_documents_list_the_conversation(talk: Talk) -> None:
    await talk.api.data("REGISTRY.register_user", "u1", "s1")
    events = await talk.ask("question")
    conversation_id = events[-1]["payload"]["conversation_id"]
    user = await talk.api.data("UNIFIED_REGISTRY.get_user_registry", "u1")
    assert user["services"]["llm"]["active_conversations"] == [conversation_id]
    company = await talk.user.services.unified.read_company("acme")
    assert company is not None
    assert company["services"]["llm_conversations"] == [conversation_id]
    # As long as it can be gone on with.
    await talk.api.data("UNIFIED_REGISTRY.cleanup_expired_entries")
    assert (await talk.user.services.unified.read_company("acme")) == company
    await talk.user.valkey.delete(keys.task(f"llm_{conversation_id}"))
    removed = await talk.api.data("UNIFIED_REGISTRY.cleanup_expired_entries")
    assert (removed["user_conversations"], removed["company_conversations"]) == (1, 1)


async def test_cancelled_in_its_queue(talk: Talk, openai: OpenAiServer) -> None:
    openai.faults.append(slow(0.05))
    first = await talk.start("word " * 400)
    await talk.events(first["conversation_id"], lambda event: bool(deltas([event])))
    second = await talk.start("never asked")
    await talk.api.data("TASK.cancel_task", second["task_id"])
    events = await talk.events(second["conversation_id"])
    assert steps(events) == [("cancelled", 0)]
    await talk.api.data("TASK.cancel_task", first["task_id"])
    assert "never asked" not in str(openai.requests)


async def test_with_the_flag_off_nothing_is_queued(api: Api) -> None:
    for method in ("TASK.start_llm_conversation", "LLM.start_conversation"):
        answer = await api.data(method, "u1", "acme", "question")
        assert answer["success"] is False
        assert "the unified registry is off" in answer["error"]
    assert (await api.data("LLM.get_conversation_status", "conv_unknown"))["success"] is False
