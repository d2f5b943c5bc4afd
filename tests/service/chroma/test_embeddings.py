"""Vectors from an OpenAI-compatible endpoint: batches, order, and every fault of the stand-in."""

import asyncio

import pytest

from service.domain.errors import DependencyRefused, DependencyUnavailable
from service.domain.vectors import unpack_vector
from service.gateways import embeddings as module
from service.gateways.embeddings import Embeddings
from service.gateways.openai import OpenAi
from service.settings import OpenAiSettings
from tests.openai_server.faults import Fault, broken, rate_limited
from tests.openai_server.server import OpenAiServer
from tests.openai_server.vectors import DIMENSION, text_vector
from tests.service.chroma.conftest import openai_settings


async def test_each_text_gets_its_own_vector(embeddings: Embeddings, openai: OpenAiServer) -> None:
    texts = [f"text number {number}" for number in range(5)]
    vectors = await embeddings.embed(texts)
    assert vectors == [text_vector(text).tobytes() for text in texts]
    assert len(unpack_vector(vectors[0])) == DIMENSION
    assert openai.requests[0]["model"] == "text-embedding-ada-002"


async def test_no_texts_ask_nothing(embeddings: Embeddings, openai: OpenAiServer) -> None:
    assert await embeddings.embed([]) == []
    assert openai.requests == []


async def test_requests_are_cut_by_count_and_by_bytes(
    embeddings: Embeddings, openai: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 3)
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    texts = ["aa", "bb", "cc", "dd", "e" * 9, "f" * 20, "gg"]
    assert await embeddings.embed(texts) == [text_vector(text).tobytes() for text in texts]
    assert [body["input"] for body in openai.requests] == [
        ["aa", "bb", "cc"],
        ["dd"],
        ["e" * 9],
        ["f" * 20],
        ["gg"],
    ]


async def test_an_endpoint_that_answers_numbers_is_understood(embeddings: Embeddings, openai: OpenAiServer) -> None:
    openai.knows_base64 = False
    assert await embeddings.embed(["one text"]) == [text_vector("one text").tobytes()]


async def test_lines_are_joined_as_in_the_vectors_that_production_has(
    embeddings: Embeddings, openai: OpenAiServer
) -> None:
    await embeddings.embed(["first\nsecond"])
    assert openai.requests[0]["input"] == ["first second"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(rate_limited(), id="429 with Retry-After"),
        pytest.param(broken(), id="500"),
        pytest.param(Fault(is_truncated=True), id="truncated"),
    ],
)
async def test_a_passing_fault_is_tried_again(embeddings: Embeddings, openai: OpenAiServer, fault: Fault) -> None:
    openai.faults.append(fault)
    assert len(await embeddings.embed(["a text"])) == 1
    assert len(openai.requests) == 2


async def test_retry_after_is_waited_for(embeddings: Embeddings, openai: OpenAiServer) -> None:
    openai.faults.append(rate_limited("1"))
    loop = asyncio.get_running_loop()
    started = loop.time()
    await embeddings.embed(["a text"])
    assert loop.time() - started >= 1.0


@pytest.mark.parametrize(
    ("fault", "times", "error"),
    [
        pytest.param(rate_limited("0.01"), 4, "over its limit: .*Rate limit reached", id="429 for ever"),
        pytest.param(rate_limited("600"), 1, "over its limit", id="429 for too long is not waited for"),
        pytest.param(Fault(status=503, retry_after="0.01"), 4, "cannot serve this now", id="503 for ever"),
        pytest.param(Fault(garbage=b"<html>"), 4, "cannot be read", id="not the protocol"),
        pytest.param(Fault(garbage=b'{"data": 5}'), 1, "cannot be read", id="another shape"),
        pytest.param(Fault(garbage=b'{"data": [{"index": 0, "embedding": "!"}]}'), 1, "cannot be read", id="no base64"),
        pytest.param(Fault(drop=1), 1, "cannot be read", id="a vector is missing"),
    ],
)
async def test_a_fault_that_stays_is_unavailable(
    embeddings: Embeddings, openai: OpenAiServer, fault: Fault, times: int, error: str
) -> None:
    openai.faults.extend([fault] * times)
    with pytest.raises(DependencyUnavailable, match=error):
        await embeddings.embed(["one", "two"])
    openai.faults.clear()
    assert len(await embeddings.embed(["one", "two"])) == 2


async def test_a_slow_endpoint_ends_with_the_limit(openai_client: OpenAi, openai: OpenAiServer) -> None:
    openai.faults.append(Fault(delay_s=30))
    with pytest.raises(DependencyUnavailable, match=r"within 0\.2 s"):
        await Embeddings(openai_client, "text-embedding-ada-002", limit_s=0.2).embed(["a text"])


async def test_an_endpoint_that_is_away_is_unavailable() -> None:
    client = OpenAi(OpenAiSettings("http://127.0.0.1:9/v1", "any", "key"))
    try:
        with pytest.raises(DependencyUnavailable, match="cannot be reached"):
            await Embeddings(client, "any").embed(["a text"])
    finally:
        await client.close()


async def test_a_refusal_is_told(embeddings: Embeddings, openai: OpenAiServer) -> None:
    with pytest.raises(DependencyRefused, match="8192 tokens"):
        await embeddings.embed(["word " * 10_000])
    assert len(openai.requests) == 1


async def test_a_wrong_key_is_told_without_the_key(openai: OpenAiServer) -> None:
    client = OpenAi(openai_settings(openai, key="not-the-key"))
    try:
        with pytest.raises(DependencyRefused) as refused:
            await Embeddings(client, "any").embed(["a text"])
    finally:
        await client.close()
    assert "not-the-key" not in str(refused.value)


async def test_vectors_of_two_dimensions_are_no_answer(
    embeddings: Embeddings, openai: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 1)
    openai.faults.extend([Fault(), Fault(garbage=b'{"data": [{"index": 0, "embedding": [0.5, 0.5]}]}')])
    with pytest.raises(DependencyUnavailable, match="cannot be read"):
        await embeddings.embed(["one", "two"])
