"""The Realtime Database's client against the stand-in: trees, streams, outages, tokens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.gateways.rtdb.client import RtdbClient, RtdbFault
from service.gateways.rtdb.listener import RtdbListener
from service.gateways.rtdb.sse import EventParser
from service.gateways.rtdb.tree import apply_patch, apply_put
from tests.rtdb_standin.server import RtdbStandIn, running_standin
from tests.service.waiting import eventually


@pytest.fixture
async def database() -> AsyncIterator[RtdbStandIn]:
    async with running_standin() as standin:
        yield standin


@pytest.fixture
async def client(database: RtdbStandIn) -> AsyncIterator[RtdbClient]:
    opened = RtdbClient(f"{database.url}/?ns=test", None)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("tree", "path", "data", "expected"),
    [
        (None, "/", {"a": 1}, {"a": 1}),
        ({"a": 1}, "/b/c", 2, {"a": 1, "b": {"c": 2}}),
        ({"a": {"b": 1}}, "/a/b", None, None),
        ({"a": {"b": 1}, "c": 1}, "/a/b", None, {"c": 1}),
        ([None, "x"], "/2", "y", {"1": "x", "2": "y"}),
        ({"a": 1}, "/a/b", 2, {"a": {"b": 2}}),
    ],
)
def test_put(tree: Any, path: str, data: Any, expected: Any) -> None:
    assert apply_put(tree, path, data) == expected


def test_patch_names_paths() -> None:
    tree = {"m1": {"text": "hi"}, "m2": {"text": "ho"}}
    assert apply_patch(tree, "/", {"m1/read": True, "m2": None}) == {"m1": {"text": "hi", "read": True}}
    assert tree == {"m1": {"text": "hi"}, "m2": {"text": "ho"}}


def test_events_are_found_wherever_the_chunks_break() -> None:
    raw = 'event: put\r\ndata: {"ü": 1}\r\n\r\n: comment\n\nevent: keep-alive\ndata: null\n\n'.encode()
    for size in (1, 2, 7, len(raw)):
        parser = EventParser()
        chunks = [raw[start : start + size] for start in range(0, len(raw), size)]
        found = [(event.name, event.data) for chunk in chunks for event in parser.feed(chunk)]
        assert found == [("put", '{"ü": 1}'), ("keep-alive", "null")]


async def test_read_and_patch(client: RtdbClient, database: RtdbStandIn) -> None:
    assert await client.read("a b/ü") is None
    await client.patch("a b/ü", {"m1/read": True, "m2": {"x": 1}})
    assert database.tree == {"a b": {"ü": {"m1": {"read": True}, "m2": {"x": 1}}}}
    assert await client.read("a b/ü/m2") == {"x": 1}
    assert await client.read("a b", shallow=True) == {"ü": True}


async def test_a_listener_follows_and_comes_back(client: RtdbClient, database: RtdbStandIn) -> None:
    told: list[tuple[Any, bool]] = []
    database.put("x/y", {"m1": {"text": "hi"}})
    listener = RtdbListener(client, "x/y", lambda is_resync: told.append((listener.tree, is_resync)))
    listener.start()
    await eventually(lambda: told == [({"m1": {"text": "hi"}}, False)])
    database.patch("x/y/m1", {"read": True})
    await eventually(lambda: told[-1] == ({"m1": {"text": "hi", "read": True}}, False))
    database.put("x", None)
    await eventually(lambda: told[-1] == (None, False))

    await database.stop()
    database.tree = {"x": {"y": {"m2": {"text": "meanwhile"}}}}

    async def is_noticed() -> bool:
        try:
            await client.read("x")
        except RtdbFault:
            return True
        return False

    await eventually(is_noticed)
    await database.start()
    await eventually(lambda: told[-1][0] == {"m2": {"text": "meanwhile"}})
    await listener.stop()
    await eventually(lambda: not listener.is_running)


async def test_a_token_goes_over_tls_only() -> None:
    class Tokens:
        def __init__(self) -> None:
            self.asked = 0

        async def read(self) -> str:
            self.asked += 1
            return "secret"

        def forget(self) -> None:
            """Nothing is kept."""

    tokens = Tokens()
    async with running_standin(token="secret") as standin:
        client = RtdbClient(standin.url, tokens)
        with pytest.raises(RtdbFault, match="HTTP 401"):
            await client.read("x")
        assert tokens.asked == 0
        await client.close()


async def test_a_database_that_is_away_is_a_fault(client: RtdbClient, database: RtdbStandIn) -> None:
    await database.stop()
    with pytest.raises(RtdbFault):
        await asyncio.wait_for(client.read("x"), 5)
