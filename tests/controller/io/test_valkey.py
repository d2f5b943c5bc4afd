"""The operator's connections to Valkeys that do not answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.cluster import valkey
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.model.errors import ValkeyUnavailable
from controller.model.service import ServiceKey
from tests.controller.io.test_flag import SecretsOnlyApi
from tests.service.valkey_server import running_valkey
from tests.service.waiting import eventually

KEY = ServiceKey("place", "demo")


class Silent:
    """Takes connections, and says nothing on them. `asked`: how many there were; `breaks_off`: it closes them."""

    def __init__(self) -> None:
        self.asked = 0
        self.breaks_off = False
        self.endpoint = Endpoint("127.0.0.1", 0)
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.endpoint = Endpoint("127.0.0.1", server.sockets[0].getsockname()[1])
        return server

    async def _take(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        self._writers.append(writer)
        if self.breaks_off:
            writer.close()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@pytest.fixture
async def silent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Silent]:
    monkeypatch.setattr(valkey, "TIMEOUT_S", 0.05)
    made = Silent()
    server = await made.start()
    yield made
    made.close()
    server.close()


@pytest.fixture
def connections() -> ValkeyConnections:
    return ValkeyConnections(SecretsOnlyApi())


async def _fault(connections: ValkeyConnections, endpoint: Endpoint) -> str:
    with pytest.raises(ValkeyUnavailable) as raised:
        await connections.call(KEY, endpoint, "PING")
    return str(raised.value)


async def test_one_that_is_silent_is_left_alone_for_a_while(silent: Silent, connections: ValkeyConnections) -> None:
    faults = {await _fault(connections, silent.endpoint) for _ in range(10)}
    assert (silent.asked, faults) == (1, {"Valkey of place/demo at 127.0.0.1: no answer: TimeoutError"})
    # Another endpoint is another matter, and what is known of a service goes with it.
    with running_valkey() as server:
        assert await connections.call(KEY, Endpoint("127.0.0.1", server.port), "PING") == b"PONG"
    connections.forget(KEY)
    await _fault(connections, silent.endpoint)
    assert silent.asked == 2
    connections.close()


async def test_one_that_was_silent_is_asked_again(
    silent: Silent, connections: ValkeyConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey, "SILENT_FIRST_S", 0.05)

    async def is_asked_again() -> bool:
        await _fault(connections, silent.endpoint)
        return silent.asked >= 3

    await eventually(is_asked_again)
    connections.close()


async def test_one_that_breaks_off_is_asked_each_time(silent: Silent, connections: ValkeyConnections) -> None:
    silent.breaks_off = True
    for _ in range(3):
        await _fault(connections, silent.endpoint)
    assert silent.asked == 3
    connections.close()
