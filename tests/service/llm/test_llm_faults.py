"""A conversation whose worker dies, or whose model falls silent: told truthfully, asked again where that is right."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contract import keys
from service.store.conversations import ConversationKey
from tests.openai_server.faults import cut_after, slow
from tests.openai_server.server import API_KEY, OpenAiServer
from tests.service.application import in_process
from tests.service.llm.conftest import COMPLETE, Talk, deltas, steps
from tests.service.running_worker import Worker, listening_user, running_worker
from tests.service.valkey_server import RunningValkey, settings_for


async def test_a_turn_whose_process_dies_is_asked_again_from_its_beginning(
    talk: Talk, worker: Worker, openai: OpenAiServer
) -> None:
    openai.faults.append(slow(0.05))
    started = await talk.start("word " * 400)
    conversation_id = started["conversation_id"]
    await talk.events(conversation_id, lambda event: bool(deltas([event])))
    entry = await talk.user.tasks.read(started["task_id"])
    assert entry is not None
    assert entry.worker_id is not None
    os.kill(int(entry.worker_id.rpartition(":")[2]), signal.SIGKILL)

    rest = await talk.events(conversation_id)
    assert steps(rest) == [("started", 10), ("calling_llm", 30), ("processing_response", 80), ("completed", 100)]
    after = rest[[event["payload"].get("status") for event in rest].index("started") :]
    assert deltas(after)[0]["payload"]["data"]["offset"] == 0
    assert "".join(event["payload"]["data"]["delta"] for event in deltas(after)) == rest[-1]["payload"]["response"]
    turns = await talk.user.services.conversations.read_turns(
        ConversationKey("acme", "u1", conversation_id), before_run=2**53
    )
    assert len(turns) == 1


@asynccontextmanager
async def talking(valkey: RunningValkey, folder: Path, **environ: str) -> AsyncIterator[tuple[Talk, Worker]]:
    """A conversation with a worker of the test's own."""
    with running_worker(valkey, folder, CELERY_QUEUES="llm", **environ) as worker:
        async with (
            in_process(settings_for(valkey.settings, UNIFIED_REGISTRY_ENABLED="true")) as api,
            listening_user("u1", valkey) as user,
        ):
            yield Talk(api, user), worker


@pytest.mark.faults
async def test_a_model_that_falls_silent_is_stopped_at_the_time_limit(
    own_valkey: RunningValkey, openai: OpenAiServer, tmp_path: Path
) -> None:
    openai.faults.append(cut_after(3, "stall"))
    endpoint = {"OPENAI_BASE_URL": openai.base_url, "OPENAI_API_KEY": API_KEY}
    limits = {"CELERY_SOFT_TIME_LIMIT_S": "2", "CELERY_HARD_TIME_LIMIT_S": "10"}
    async with talking(own_valkey, tmp_path, **endpoint, **limits) as (talk, _):
        events = await talk.ask("question")
    assert steps(events)[-1] == ("failed", 0)
    assert "its time limit" in events[-1]["payload"]["data"]["error"]
    assert openai.hung_up == 1


@pytest.mark.parametrize("how", ["no endpoint", pytest.param("another key", marks=pytest.mark.faults)])
async def test_a_worker_that_cannot_ask_says_why(
    how: str, own_valkey: RunningValkey, openai: OpenAiServer, tmp_path: Path
) -> None:
    endpoint = {"OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}
    if how == "another key":
        endpoint = {"OPENAI_BASE_URL": openai.base_url, "OPENAI_API_KEY": "not-its-key"}
    async with talking(own_valkey, tmp_path, **endpoint) as (talk, worker):
        events = await talk.ask("question")
        conversation_id = events[-1]["payload"]["conversation_id"]
        assert not await talk.user.valkey.exists(keys.conversation("acme", "u1", conversation_id))
    assert (
        events[-1]["payload"]["data"]["error"]
        == {
            "no endpoint": "no OpenAI endpoint is configured (OPENAI_API_KEY and OPENAI_BASE_URL are not set)",
            "another key": "the OpenAI endpoint refuses the key (OPENAI_API_KEY)",
        }[how]
    )
    assert not any(event["type"] == COMPLETE for event in events)
    assert "not-its-key" not in worker.log.read_text()
