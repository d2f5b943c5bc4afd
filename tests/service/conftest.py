"""Fixtures of the service's tests: one real Valkey per test session, emptied per test, and the application on it.

`valkey_server` is the shared server, `valkey` an asyncio client, `lane` the requests' own connection, `settings` and
`make_settings` settings that point at it, `api` the application in-process, `server` the same behind a real uvicorn
(WebSockets, timeouts). The flag is off unless a test asks: `make_settings(UNIFIED_REGISTRY_ENABLED="true")`, or the
fixtures `api_on`, `server_on`. A test that stops Valkey takes `own_valkey`. `worker` is a worker process for the tests
of a module, `user` one who starts its tasks.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from service.logs import set_up_logs
from service.settings import Settings
from service.store.client import Valkey, connect
from service.store.lane import Lane
from tests.service.application import Api, behind_uvicorn, in_process
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.valkey_server import RunningValkey, running_valkey, settings_for

MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    """Logs as in production; in a test they are in `caplog`, each record's `msg` the event and its fields."""
    set_up_logs("INFO")
    logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[RunningValkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey_server(shared_valkey: RunningValkey) -> RunningValkey:
    shared_valkey.flush()
    return shared_valkey


@pytest.fixture
def own_valkey() -> Iterator[RunningValkey]:
    """A server of the test's own, to stop and start."""
    with running_valkey(cluster=False) as server:
        yield server


@pytest.fixture
def make_settings(valkey_server: RunningValkey) -> MakeSettings:
    def make(**environ: str) -> Settings:
        return settings_for(valkey_server.settings, **environ)

    return make


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings()


@pytest.fixture
async def valkey(valkey_server: RunningValkey) -> AsyncIterator[Valkey]:
    client = connect(valkey_server.settings)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def lane(valkey_server: RunningValkey) -> AsyncIterator[Lane]:
    connection = Lane(valkey_server.settings)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with in_process(settings) as running:
        yield running


@pytest.fixture
async def api_on(make_settings: MakeSettings) -> AsyncIterator[Api]:
    """The application with the unified registry on for everybody."""
    async with in_process(make_settings(UNIFIED_REGISTRY_ENABLED="true")) as running:
        yield running


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Api]:
    async with behind_uvicorn(settings) as running:
        yield running


@pytest.fixture
async def server_on(make_settings: MakeSettings) -> AsyncIterator[Api]:
    """As `server`, with the unified registry on for everybody."""
    async with behind_uvicorn(make_settings(UNIFIED_REGISTRY_ENABLED="true")) as running:
        yield running


@pytest.fixture(scope="module")
def worker(shared_valkey: RunningValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker process on the shared Valkey, with the task types of `tests/service/task_types`."""
    with running_worker(shared_valkey, tmp_path_factory.mktemp("worker")) as running:
        yield running


@pytest.fixture
async def user(valkey_server: RunningValkey) -> AsyncIterator[User]:
    """The user `u1`, who starts tasks and hears of them."""
    async with listening_user("u1", valkey_server) as listening:
        yield listening
