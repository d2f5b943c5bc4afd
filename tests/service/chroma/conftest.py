"""A real Chroma and the stand-in for OpenAI, and the application on both.

`chroma` is one server for the whole run: a test takes a collection of its own (`collection`).
"""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from service.gateways.chroma import Chroma
from service.gateways.embeddings import Embeddings
from service.gateways.openai import OpenAi
from service.gateways.vector_store import VectorStore
from service.settings import OpenAiSettings, Settings
from tests.chroma.environment import ChromaNotInstalled, chroma_command
from tests.chroma.server import RunningChroma, running_chroma
from tests.missing import end_test_without
from tests.openai_server.server import API_KEY, OpenAiServer, running_openai
from tests.service.application import Api, in_process


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RunningChroma]:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    try:
        # Shown: the first run installs the server, and that takes a minute or two.
        with capture.global_and_fixture_disabled():
            chroma_command()
    except ChromaNotInstalled as fault:
        end_test_without(str(fault))
    with running_chroma(tmp_path_factory.mktemp("chroma") / "data") as server:
        yield server


@pytest.fixture
async def openai() -> AsyncIterator[OpenAiServer]:
    async with running_openai() as server:
        yield server


@pytest.fixture
def collection() -> str:
    """A name that no other test uses."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def chroma_settings(
    chroma: RunningChroma, openai: OpenAiServer, make_settings: Callable[..., Settings]
) -> Callable[..., Settings]:
    """Settings of an application with Chroma and OpenAI; keywords change variables."""

    def make(**environ: str) -> Settings:
        base = {**chroma.environ, "OPENAI_BASE_URL": openai.base_url, "OPENAI_API_KEY": API_KEY}
        return make_settings(**(base | environ))

    return make


@pytest.fixture
async def chroma_api(chroma_settings: Callable[..., Settings]) -> AsyncIterator[Api]:
    async with in_process(chroma_settings()) as running:
        yield running


def openai_settings(server: OpenAiServer, *, key: str = API_KEY) -> OpenAiSettings:
    return OpenAiSettings(server.base_url, "text-embedding-ada-002", key)


@pytest.fixture
async def openai_client(openai: OpenAiServer) -> AsyncIterator[OpenAi]:
    client = OpenAi(openai_settings(openai))
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def embeddings(openai_client: OpenAi) -> Embeddings:
    return Embeddings(openai_client, "text-embedding-ada-002")


@pytest.fixture
async def chroma_client(chroma: RunningChroma) -> AsyncIterator[Chroma]:
    client = Chroma(chroma.settings)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def vectors(chroma_client: Chroma, embeddings: Embeddings) -> VectorStore:
    return VectorStore(chroma_client, embeddings)
