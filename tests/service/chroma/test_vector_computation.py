"""Embeddings of many documents by a real worker, into a real Chroma: from the method to the result, and what dies."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contract import keys
from service.domain.errors import InvalidArguments
from service.domain.vector_computation import read_documents
from service.domain.vectors import Documents
from service.gateways.vector_store import VectorStore
from service.store.tasks import parse_begun
from service.tasks.declaring import TASKS, TaskFailure
from service.tasks.types import vector_embeddings
from service.worker.chores.recovery import recover
from service.worker.execution import Run
from tests.chroma.server import RunningChroma
from tests.openai_server.faults import Fault
from tests.openai_server.server import API_KEY, OpenAiServer
from tests.service.application import Api
from tests.service.running_worker import User, listening_user, running_worker
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

COUNTS = ("added", "changed", "unchanged", "duplicates", "failed_count")


def texts(count: int) -> list[str]:
    return [f"invoice number {number} of the year" for number in range(count)]


@pytest.fixture
def environ(chroma: RunningChroma, openai: OpenAiServer) -> dict[str, str]:
    return {**chroma.environ, "OPENAI_BASE_URL": openai.base_url, "OPENAI_API_KEY": API_KEY}


@pytest.fixture
async def user(valkey_server: RunningValkey, environ: dict[str, str]) -> AsyncIterator[User]:
    async with listening_user("u1", valkey_server, **environ) as listening:
        yield listening


def counts_of(result: dict[str, Any]) -> tuple[int, ...]:
    return tuple(result[name] for name in COUNTS)


async def take_up(user: User, task_id: str) -> Run:
    """The next attempt at a task, as a worker takes it up."""
    entry = await user.tasks.read(task_id)
    assert entry is not None
    await user.valkey.hset(keys.task(task_id), "lease_until", 1)
    pipeline = user.valkey.pipeline(transaction=False)
    user.tasks.add_begin(pipeline, task_id, entry.run, 900, {}, holder=str(time.monotonic_ns()))
    (answer,) = await pipeline.execute()
    begun = parse_begun(answer, task_id, entry.run)
    assert begun.outcome == "begun"
    return Run(TASKS["vector_embeddings"], entry, begun.fence, user.services, None)


async def compute(user: User, documents: list[Any], collection: str) -> dict[str, Any]:
    """Starts the task and runs it here, without a worker."""
    answer = await user.rpc.start_vector_computation("u1", documents, collection)
    run = await take_up(user, answer["task_id"])
    try:
        result = await vector_embeddings.compute(run, {"documents": documents, "collection_name": collection})
    except TaskFailure as failure:
        await run.fail(str(failure), type(failure).__name__)
        raise
    await run.complete(result)
    return result


async def test_documents_are_computed_in_batches_and_each_is_told(
    user: User,
    environ: dict[str, str],
    valkey_server: RunningValkey,
    vectors: VectorStore,
    collection: str,
    tmp_path: Path,
) -> None:
    with running_worker(valkey_server, tmp_path, **environ):
        answer = await user.rpc.start_vector_computation("u1", texts(250), collection)
        assert set(answer) == {"success", "task_id", "celery_task_id", "status", "collection_name"}
        assert answer["task_id"].startswith(f"embeddings_{collection}")
        assert answer["status"] == "queued"
        events = [event["payload"] for event in await user.events_until_end(answer["task_id"])]

    assert [event["status"] for event in events] == ["started", *["processing"] * 4, "completed"]
    assert [event["progress"] for event in events] == [5, 41, 77, 95, 100, 100]
    assert [event["data"].get("batch_id") for event in events] == [None, 1, 2, 3, None, None]
    result = events[-1]["data"]
    assert result["collection_name"] == collection
    assert (result["total_documents"], result["processed_count"], result["success_rate"]) == (250, 250, 100.0)
    assert [(batch["batch_id"], batch["documents_processed"], batch["embeddings_created"])
            for batch in result["batch_results"]] == [(1, 100, 100), (2, 100, 100), (3, 50, 50)]  # fmt: skip
    assert await vectors.count(collection) == 250
    found = await vectors.query(collection, ["invoice number 17"], 1, None)
    assert found["documents"] == [["invoice number 17 of the year"]]
    assert (await user.rpc.get_task_result(answer["task_id"]))["result"] == result


async def test_a_killed_workers_computation_goes_on_where_it_was(
    user: User,
    environ: dict[str, str],
    valkey_server: RunningValkey,
    openai: OpenAiServer,
    vectors: VectorStore,
    collection: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    openai.faults.extend([Fault(), Fault(delay_s=600)])
    with running_worker(valkey_server, tmp_path_factory.mktemp("first"), **environ) as first:
        task_id = (await user.rpc.start_vector_computation("u1", texts(250), collection))["task_id"]
        await eventually(lambda: len(openai.requests) >= 2, deadline_s=45.0)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    assert await vectors.count(collection) == 100

    await user.valkey.hset(keys.task(task_id), "lease_until", str(round(time.time() * 1000) - 1))
    await user.valkey.zadd(keys.OPEN_TASKS, {task_id: 1}, xx=True)
    await recover(user.services)
    with running_worker(valkey_server, tmp_path_factory.mktemp("second"), **environ):
        last = (await user.events_until_end(task_id))[-1]["payload"]

    assert last["status"] == "completed"
    assert counts_of(last["data"]) == (250, 0, 0, 0, 0)
    assert await vectors.count(collection) == 250
    # The first batch was not computed a second time.
    assert [len(request["input"]) for request in openai.requests] == [100, 100, 100, 50]


async def test_a_cancelled_computation_keeps_what_it_wrote_and_the_next_one_computes_the_rest(
    user: User,
    environ: dict[str, str],
    valkey_server: RunningValkey,
    openai: OpenAiServer,
    vectors: VectorStore,
    collection: str,
    tmp_path: Path,
) -> None:
    openai.faults.extend([Fault(), Fault(delay_s=600)])
    with running_worker(valkey_server, tmp_path, **environ):
        task_id = (await user.rpc.start_vector_computation("u1", texts(250), collection))["task_id"]
        await eventually(lambda: len(openai.requests) >= 2, deadline_s=45.0)
        assert (await user.rpc.cancel_task(task_id))["success"] is True
        assert (await user.events_until_end(task_id))[-1]["payload"]["status"] == "cancelled"
        assert await vectors.count(collection) == 100

        again = await user.rpc.start_vector_computation("u1", texts(250), collection)
        assert again["task_id"] == task_id
        last = (await user.events_until_end(task_id))[-1]["payload"]
    assert counts_of(last["data"]) == (150, 0, 100, 0, 0)


class _Dying(Exception):
    """The worker, at this place."""


@pytest.mark.parametrize("remembered", [1, 2, 3], ids=["before the write", "after the write", "in the second batch"])
async def test_counts_are_true_wherever_the_worker_died(
    user: User, vectors: VectorStore, collection: str, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vectors.put(
        await vectors.create(collection), Documents(["a", "b"], ["same", "old"], [None, {"gone": 1}]),
        await vectors.embed_each(["same", "old"]),  # type: ignore[arg-type]
    )  # fmt: skip
    sent = [{"id": "a", "text": "same"}, {"id": "b", "text": "new", "metadata": {"kept": 2}}, *texts(150)]
    answer = await user.rpc.start_vector_computation("u1", sent, collection)
    arguments = {"documents": sent, "collection_name": collection}

    dying = await take_up(user, answer["task_id"])
    calls = 0
    remember = dying.remember

    async def die(name: str, value: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == remembered + 1:
            raise _Dying
        await remember(name, value)

    monkeypatch.setattr(dying, "remember", die)
    with pytest.raises(_Dying):
        await vector_embeddings.compute(dying, arguments)

    result = await vector_embeddings.compute(await take_up(user, answer["task_id"]), arguments)
    assert counts_of(result) == (150, 1, 1, 0, 0)
    assert await vectors.count(collection) == 152
    stored = await vectors.read_records(await vectors.create(collection), ["a", "b"])
    assert (stored["b"].text, stored["b"].metadata) == ("new", {"kept": 2})


async def test_what_is_there_is_not_computed_again(user: User, openai: OpenAiServer, collection: str) -> None:
    documents = [
        *texts(3),
        {"id": "n", "content": "a text", "metadata": {"tags": ["a", "b"], "none": None, "n": [1, 2.5]}},
    ]
    first = await compute(user, documents, collection)
    assert counts_of(first) == (4, 0, 0, 0, 0)
    openai.requests.clear()

    again = await compute(user, documents, collection)
    assert counts_of(again) == (0, 0, 4, 0, 0)
    assert again["processed_count"] == 4
    assert again["batch_results"][0]["embeddings_created"] == 0
    assert openai.requests == []

    more = await compute(user, [*documents[1:3], "another", "another", {"id": "n", "content": "a text"}], collection)
    assert counts_of(more) == (1, 1, 2, 1, 0)
    assert (more["total_documents"], more["processed_count"], more["success_rate"]) == (5, 5, 100.0)


async def test_texts_that_the_endpoint_refuses_are_told_and_the_rest_is_computed(
    user: User, vectors: VectorStore, collection: str
) -> None:
    documents = [*texts(9), {"id": "long", "text": "word " * 9_000}]
    result = await compute(user, documents, collection)
    assert counts_of(result) == (9, 0, 0, 0, 1)
    assert (result["processed_count"], result["success_rate"]) == (9, 90.0)
    assert result["failed"][0]["id"] == "long"
    assert "8192 tokens" in result["failed"][0]["error"]
    assert await vectors.count(collection) == 9


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(Fault(status=401), "refuses the key", id="the key"),
        pytest.param(Fault(status=400, message="no such parameter"), "no such parameter", id="every text"),
        pytest.param(Fault(status=503, retry_after="0.01"), "cannot serve this now", id="down"),
    ],
)
async def test_an_endpoint_that_fails_fails_the_task_and_says_how_far_it_got(
    user: User, openai: OpenAiServer, collection: str, fault: Fault, error: str
) -> None:
    openai.faults.extend([Fault(), *[fault] * 30])
    with pytest.raises(TaskFailure, match=rf"^after 100 of 150 documents: .*{error}.*; start it again for the rest$"):
        await compute(user, texts(150), collection)
    assert len(openai.requests) < 20
    openai.faults.clear()
    assert counts_of(await compute(user, texts(150), collection)) == (50, 0, 100, 0, 0)


async def test_a_chroma_that_comes_back_is_waited_for(
    user: User, chroma: RunningChroma, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chroma.stop()
    try:
        monkeypatch.setattr(vector_embeddings, "CHROMA_PATIENCE_S", 0.1)
        with pytest.raises(TaskFailure, match=r"^Chroma does not answer$"):
            await compute(user, texts(2), collection)
        monkeypatch.setattr(vector_embeddings, "CHROMA_PATIENCE_S", 60.0)
        computing = asyncio.create_task(compute(user, texts(2), collection))
    finally:
        await asyncio.to_thread(chroma.start)
    assert counts_of(await computing) == (2, 0, 0, 0, 0)


async def test_over_the_storage_quota_it_fails_and_names_it(user: User, vectors: VectorStore, collection: str) -> None:
    await user.valkey.hset(keys.company("default"), "quota:storage_limit_mb", "1")
    # 100 vectors of 1,536 numbers and a little text: more than half a MB.
    with pytest.raises(TaskFailure, match=r"^after 100 of 200 documents: quota storage_limit_mb .* of 1\.00 MB"):
        await compute(user, texts(200), collection)
    assert await vectors.count(collection) == 100
    sizes = await vectors.read_sizes(collection)
    assert await user.services.storage.read_held("default") == sizes.total_size


async def test_where_the_storage_is_full_nothing_is_queued(user: User, collection: str) -> None:
    await user.valkey.hset(keys.company("default"), "quota:storage_limit_mb", "1")
    await user.services.storage.spend("default", "others", 2 * 1024**2)
    answer = await user.rpc.start_vector_computation("u1", texts(2), collection)
    assert (answer["success"], answer["collection_name"]) == (False, collection)
    assert "quota storage_limit_mb is used up" in answer["error"]
    assert "of 1.00 MB" in answer["error"]


async def test_the_same_documents_again_are_the_running_task(user: User, collection: str) -> None:
    first = await user.rpc.start_vector_computation("u1", texts(2), collection)
    assert await user.rpc.start_vector_computation("u1", texts(2), collection) == first
    assert (await user.rpc.start_vector_computation("u1", texts(3), collection))["task_id"] != first["task_id"]
    # Another user's same documents are another task.
    assert (await user.rpc.start_vector_computation("u2", texts(2), collection))["task_id"] != first["task_id"]


async def test_nothing_is_started_where_the_flag_is_off(chroma_api: Api, collection: str) -> None:
    answer = await chroma_api.data("TASK.start_vector_computation", "u1", ["text"], collection)
    assert answer == {"success": False, "error": answer["error"], "collection_name": collection}
    assert "the unified registry is off" in answer["error"]


@pytest.mark.parametrize(
    ("documents", "collection_name", "message"),
    [
        pytest.param([], "abc", "documents is empty", id="none"),
        pytest.param([""], "abc", r"documents\[0\]: its text is missing or empty", id="empty text"),
        pytest.param(["a", {}], "abc", r"documents\[1\]: its text is missing", id="no text"),
        pytest.param([{"text": "a", "content": "b"}], "abc", "its text is missing", id="two texts"),
        pytest.param([{"text": "a", "id": ""}], "abc", "its id is empty", id="empty id"),
        pytest.param(
            [{"id": "1", "text": "a"}, {"id": "1", "text": "b"}], "abc", r"\[1\]: its id stands twice", id="id twice"
        ),
        pytest.param([{"text": "a", "metadata": {"x": {}}}], "abc", "metadata 'x' is no text", id="nested metadata"),
        pytest.param([{"text": "a", "metadata": {"x": ["1", 1]}}], "abc", "metadata 'x' is no", id="mixed list"),
        pytest.param([{"text": "a", "metadata": {"x": 2**70}}], "abc", "metadata 'x' is no", id="too large a number"),
        pytest.param([{"text": "a", "metadata": {"": 1}}], "abc", "a key of metadata is empty", id="empty key"),
        pytest.param([{"text": "a", "metadata": {"chroma:x": 1}}], "abc", "begins with 'chroma:'", id="reserved key"),
        pytest.param(["a"] * 20_001, "abc", "more than 20,000 documents", id="too many"),
        pytest.param([1], "abc", r"documents\[0\]: expected str \| object, got int", id="a number"),
        pytest.param([{"text": 1}], "abc", r"documents\[0\].text: expected str", id="a number as text"),
        pytest.param([{"text": "a", "url": "x"}], "abc", "contains unknown field", id="unknown"),
        pytest.param("a", "abc", "documents: expected array", id="a text"),
        pytest.param(["a"], "ab", "collection_name: Chroma takes collection names", id="short name"),
        pytest.param(["a"], "a:bc", "collection_name holds ':'", id="a colon"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_before_anything_is_queued(
    api_on: Api, documents: Any, collection_name: str, message: str
) -> None:
    answer = await api_on.call("TASK.start_vector_computation", "u1", documents, collection_name)
    assert answer["error"]["code"] == "INVALID_ARGS"
    assert re.search(message, answer["error"]["message"]), answer["error"]["message"]
    assert len(answer["error"]["message"]) < 400


def test_ids_are_made_of_text_and_metadata() -> None:
    intake = read_documents(["a", {"text": "a"}, {"text": "a", "metadata": {"n": 1}}, {"content": "a", "metadata": {}}])
    assert (len(intake.records), intake.duplicates) == (2, 2)
    with pytest.raises(InvalidArguments):
        read_documents([{"id": intake.records[0].id, "text": "b"}, "a"])
