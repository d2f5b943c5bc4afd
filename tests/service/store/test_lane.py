"""The connection that all requests share."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, ClusterCrossSlotError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.settings import ValkeySettings
from service.store.client import Valkey
from service.store.lane import Lane, _Wire
from service.store.scripts import Script
from tests.service.valkey_server import RunningValkey, free_port, running_valkey
from tests.service.waiting import eventually


def settings_at(port: int, password: str | None = None, db: int = 0) -> ValkeySettings:
    return ValkeySettings("127.0.0.1", port, db, tls=False, tls_verify=False, password=password)


class Interrupted(BaseException):
    """What a signal raises."""


@contextmanager
def raising_at(function: Any, line: int) -> Iterator[list[int]]:
    """Raises Interrupted before that line of the function's next call, as counted in the order of its run; once.

    The list holds the line's number where it came to that.
    """
    raised: list[int] = []
    count = itertools.count(1)

    def trace_line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and next(count) == line:
            sys.settrace(None)
            raised.append(frame.f_lineno)
            raise Interrupted
        return trace_line

    def trace_call(frame: FrameType, _event: str, _: Any) -> Any:
        return trace_line if frame.f_code is function.__code__ else None

    before = sys.gettrace()
    sys.settrace(trace_call)
    try:
        yield raised
    finally:
        sys.settrace(before)


async def test_each_caller_gets_its_own_answers(lane: Lane) -> None:
    async def one(number: int) -> None:
        key = f"key-{number}"
        answers = await lane.run(("SET", key, number), ("GET", key), ("INCR", key))
        assert answers == [b"OK", str(number).encode(), number + 1]

    await asyncio.gather(*(one(number) for number in range(500)))


async def test_an_error_answer_stands_in_its_place(lane: Lane) -> None:
    answers = await lane.run(("SET", "text", "a"), ("INCR", "text"), ("GET", "text"), ("MGET", "one", "other"))
    assert answers[0::2] == [b"OK", b"a"]
    assert isinstance(answers[1], ResponseError)
    assert isinstance(answers[3], ClusterCrossSlotError)
    with pytest.raises(ResponseError, match="not an integer"):
        await lane.ask("INCR", "text")


async def test_nothing_asked_nothing_answered(lane: Lane) -> None:
    assert await lane.run() == []


async def test_a_script_is_sent_as_text_once(lane: Lane, valkey: Valkey) -> None:
    """Also after Valkey forgot it, in the middle of others and many at once."""
    echo = Script("return {KEYS[1], ARGV[1]}")

    async def one(number: int) -> None:
        answers = await lane.run(("SET", "a", 1), ("EVAL", echo, 1, "k", number), ("GET", "a"))
        assert answers == [b"OK", [b"k", str(number).encode()], b"1"]

    for _ in range(2):
        await valkey.script_flush()
        await asyncio.gather(*(one(number) for number in range(50)))
        await valkey.config_resetstat()
        await asyncio.gather(*(one(number) for number in range(50)))
        stats: Any = await valkey.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] == 50
        assert "cmdstat_eval" not in stats
    with pytest.raises(ResponseError, match="thing"):
        await lane.ask("EVAL", Script("return redis.error_reply('WRONG thing')"), 0)


async def test_a_caller_that_leaves_disturbs_nobody(lane: Lane) -> None:
    await lane.ask("PING")
    leaving = asyncio.create_task(lane.ask("GET", "a"))
    staying = asyncio.create_task(lane.ask("PING"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == b"PONG"
    assert leaving.cancelled() or await asyncio.gather(leaving, return_exceptions=True)


async def test_a_signal_that_raises_anywhere_while_a_command_is_sent_shifts_no_answers(lane: Lane) -> None:
    """A worker's signal ends a handler so, wherever it stands."""
    await lane.ask("PING")
    for line in itertools.count(1):
        with raising_at(_Wire.send, line) as interruption, suppress(Interrupted):
            await lane.ask("ECHO", "interrupted")
        words = [f"{line}-{number}" for number in range(3)]
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(lane.ask("ECHO", word) for word in words)) == [
                word.encode() for word in words
            ]
        if not interruption:
            return


async def test_password() -> None:
    with running_valkey(password="open-sesame", cluster=False) as server:
        right = Lane(server.settings)
        assert await right.ask("PING") == b"PONG"
        await right.close()
        wrong = Lane(settings_at(server.port, "wrong"))
        with pytest.raises(RedisConnectionError, match="WRONGPASS"):
            await wrong.ask("PING")
        await wrong.close()
        none = Lane(settings_at(server.port))
        with pytest.raises(AuthenticationError):
            await none.ask("PING")
        await none.close()


async def test_database(own_valkey: RunningValkey) -> None:
    third = Lane(settings_at(own_valkey.port, db=3))
    await third.ask("SET", "a", "b")
    await third.close()
    with own_valkey.client() as client:
        assert client.get("a") is None


async def test_nobody_there_fails_at_once() -> None:
    lane = Lane(settings_at(free_port()))
    loop = asyncio.get_running_loop()
    started = loop.time()
    faults = await asyncio.gather(*(lane.ask("PING") for _ in range(100)), return_exceptions=True)
    assert all(isinstance(fault, RedisConnectionError) for fault in faults)
    assert loop.time() - started < 1
    await lane.close()


async def test_heals_after_a_restart(own_valkey: RunningValkey) -> None:
    lane = Lane(own_valkey.settings)
    assert await lane.ask("PING") == b"PONG"
    own_valkey.stop()
    with pytest.raises(RedisError):
        await lane.ask("PING")
    own_valkey.start()

    async def answers() -> bool:
        try:
            return bool(await lane.ask("PING") == b"PONG")
        except RedisError:
            return False

    await eventually(answers, deadline_s=5)
    await lane.close()


class StandIn(asyncio.Protocol):
    """A server that is no Valkey: says its greeting and hears nothing."""

    def __init__(self, greeting: bytes, connections: list[asyncio.Transport]) -> None:
        self._greeting = greeting
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._connections.append(transport)
        transport.write(self._greeting)


@asynccontextmanager
async def stand_in(says: bytes = b"") -> AsyncIterator[tuple[int, list[asyncio.Transport]]]:
    """Port and connections of a server that answers every connection with `says`."""

    connections: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StandIn(says, connections), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], connections
    server.close()
    for connection in connections:
        connection.abort()
    await server.wait_closed()


async def test_a_silent_server_is_given_up() -> None:
    """All who wait fail together, and the next opens a new connection."""
    async with stand_in() as (port, connections):
        lane = Lane(settings_at(port), answer_timeout_s=0.1)
        faults = await asyncio.gather(*(lane.ask("PING") for _ in range(3)), return_exceptions=True)
        assert all(isinstance(fault, RedisTimeoutError) for fault in faults)
        with pytest.raises(RedisTimeoutError):
            await lane.ask("PING")
        await eventually(lambda: len(connections) == 2)
        await lane.close()


async def test_rubbish_is_a_broken_connection() -> None:
    async with stand_in(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        lane = Lane(settings_at(port))
        with pytest.raises(RedisConnectionError):
            await lane.ask("PING")
        await lane.close()
