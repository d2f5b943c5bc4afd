"""Collections over a real Chroma: windows, pages, outages."""

import asyncio
import subprocess
import sys
import uuid

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from service.domain.errors import DependencyRefused, DependencyUnavailable
from service.domain.vectors import Documents
from service.gateways import chroma as chroma_module
from service.gateways import vector_store as module
from service.gateways.chroma import Chroma
from service.gateways.embeddings import Embeddings, TextsRefused
from service.gateways.vector_store import VectorStore
from service.settings import ChromaSettings
from tests.chroma.server import RunningChroma
from tests.openai_server.faults import Fault, rate_limited
from tests.openai_server.server import OpenAiServer
from tests.service.application import Api
from tests.service.valkey_server import free_port


def documents(count: int, *, size: int = 10) -> Documents:
    return Documents([f"id-{number:05}" for number in range(count)], ["x" * size] * count)


async def test_windows_are_written_one_after_the_other(
    vectors: VectorStore, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW", 4)
    await vectors.add(collection, documents(10))
    assert await vectors.count(collection) == 10


async def test_a_failure_tells_how_far_it_got_and_the_rest_can_follow(
    vectors: VectorStore, collection: str, openai: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WINDOW", 4)
    openai.faults.extend([Fault(), Fault(), *[rate_limited("0.01")] * 4])
    with pytest.raises(DependencyUnavailable, match=r"after 8 of 10 documents were added: .*limit"):
        await vectors.add(collection, documents(10))
    assert await vectors.count(collection) == 8
    await vectors.add(collection, documents(10))
    assert await vectors.count(collection) == 10


def test_how_far_it_got_quotes_in_no_log_what_was_sent() -> None:
    fault = module._after(DependencyRefused("the text 'my secret' is too long", logged="status 400"), 8, 10)
    assert str(fault) == "after 8 of 10 documents were added: the text 'my secret' is too long"
    assert fault.logged == "after 8 of 10 documents were added: status 400"


async def test_without_vectors_nothing_is_written(vectors: VectorStore, collection: str, openai: OpenAiServer) -> None:
    openai.faults.extend([rate_limited("0.01")] * 4)
    with pytest.raises(DependencyUnavailable, match=r"^the OpenAI endpoint is over its limit"):
        await vectors.add(collection, documents(10))
    assert await vectors.count(collection) == 0


async def test_put_replaces(vectors: VectorStore, collection: str) -> None:
    await vectors.add(collection, Documents(["1"], ["old text"], [{"n": 1}]))
    embedded = [one for one in await vectors.embed_each(["new text"]) if not isinstance(one, TextsRefused)]
    await vectors.put(await vectors.create(collection), Documents(["1"], ["new text"], [{"n": 2}]), embedded)
    found = await vectors.query(collection, ["text"], 5, None)
    assert found["documents"] == [["new text"]]


async def test_vectors_of_another_model_are_refused(
    vectors: VectorStore, collection: str, openai: OpenAiServer
) -> None:
    await vectors.add(collection, documents(1))
    openai.dimension = 8
    with pytest.raises(DependencyRefused, match="dimension"):
        await vectors.add(collection, documents(2))
    with pytest.raises(DependencyRefused, match="dimension"):
        await vectors.query(collection, ["x"], 1, None)


async def test_sizes_are_counted_over_pages(
    vectors: VectorStore, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAGE", 2)
    monkeypatch.setattr(module, "MAX_PAGE", 7)
    await vectors.add(collection, documents(50, size=100))
    sizes = await vectors.read_sizes(collection)
    assert (sizes.document_count, sizes.documents_size) == (50, 5_000)


async def test_pages_shrink_where_documents_are_large(
    vectors: VectorStore, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma_module, "MAX_ANSWER_BYTES", 40_000)
    monkeypatch.setattr(module, "PAGE_BYTES", 20_000)
    texts = ["s"] * 30 + ["y" * 15_000] * 5 + ["z" * 60_000]
    await vectors.add(collection, Documents([f"{number:03}" for number in range(36)], texts))
    sizes = await vectors.read_sizes(collection)
    assert (sizes.document_count, sizes.documents_size) == (36, 30 + 75_000 + 60_000)


async def test_an_answer_that_is_too_large_is_refused(
    vectors: VectorStore, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vectors.add(collection, documents(20, size=5_000))
    monkeypatch.setattr(chroma_module, "MAX_ANSWER_BYTES", 20_000)
    with pytest.raises(DependencyRefused, match="fewer n_results"):
        await vectors.query(collection, ["x"], 20, None)
    assert len((await vectors.query(collection, ["x"], 1, None))["ids"][0]) == 1


async def test_chroma_is_used_again_when_it_comes_back(chroma_api: Api, chroma: RunningChroma, collection: str) -> None:
    await chroma_api.data("CHROMA_VECTOR.add_documents", collection, ["a text"], [{"n": 1}])
    chroma.stop()
    try:
        for method, args in (("get_collection_info", []), ("query_documents", [["text"]])):
            answer = await chroma_api.data(f"CHROMA_VECTOR.{method}", collection, *args)
            assert answer == {"success": False, "error": "Chroma does not answer", "collection_name": collection}
        assert (await chroma_api.http.get("/healthz")).status_code == 200
        entry = await chroma_api.data("CHROMA_VECTOR.register_collection_user", "u1", collection, "s1")
        assert entry["user_id"] == "u1"
    finally:
        await asyncio.to_thread(chroma.start)
    found = await chroma_api.data("CHROMA_VECTOR.query_documents", collection, ["text"])
    assert found["results"]["documents"] == [["a text"]]


async def test_a_chroma_that_hangs_ends_with_the_limit(embeddings: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chroma_module, "ANSWER_LIMIT_S", 0.2)
    port, heard = free_port(), asyncio.Event()

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set()
        await asyncio.sleep(0)
        hanging.append(writer)

    hanging: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(listen, "127.0.0.1", port)
    client = Chroma(ChromaSettings("127.0.0.1", port, tls=False))
    try:
        with pytest.raises(DependencyUnavailable, match="does not answer"):
            await VectorStore(client, embeddings).count("abc")
        assert heard.is_set()
    finally:
        await client.close()
        for writer in hanging:
            writer.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("token", [None, "some-token"])
async def test_a_token_is_sent_with_every_request(token: str | None) -> None:
    heard: list[tuple[str | None, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append((request.headers.get("Authorization"), request.headers.get("X-Chroma-Token")))
        return web.json_response({"nanosecond heartbeat": 1})

    app = web.Application()
    app.router.add_get("/api/v2/heartbeat", answer)
    async with TestServer(app) as server:
        client = Chroma(ChromaSettings("127.0.0.1", server.port or 0, tls=False, token=token))
        try:
            await client.heartbeat()
        finally:
            await client.close()
    assert heard == [(f"Bearer {token}", token) if token else (None, None)]


async def test_a_server_that_is_no_chroma_is_said(embeddings: Embeddings, openai: OpenAiServer) -> None:
    port = int(openai.base_url.split(":")[2].split("/")[0])
    client = Chroma(ChromaSettings("127.0.0.1", port, tls=False))
    try:
        with pytest.raises(DependencyRefused, match="HTTP status"):
            await VectorStore(client, embeddings).create(f"c{uuid.uuid4().hex}")
    finally:
        await client.close()


def test_the_api_starts_without_importing_what_it_may_never_use() -> None:
    names = ("aiohttp", "openai", "chromadb", "numpy")
    code = f"import sys, service.api.app; print([name for name in {names} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
