"""What a worker's parent notes of its messages, on a real Valkey: in order, waited for by nobody, refusals told."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.worker.notes import Notes
from tests.service.faults.proxy import Proxy, running_proxy
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

Client = redis.Redis


@pytest.fixture
def proxy(valkey_server: RunningValkey) -> Iterator[Proxy]:
    with running_proxy(valkey_server.port) as running:
        yield running


@pytest.fixture
def notes(proxy: Proxy) -> Iterator[Notes]:
    make: Any = redis.Connection
    opened = Notes(lambda: make(port=proxy.port))
    yield opened
    opened.drop()


@pytest.fixture
def valkey(valkey_server: RunningValkey) -> Iterator[Client]:
    with redis.Redis(port=valkey_server.port) as client:
        yield client


def test_what_was_added_leaves_in_order_and_in_one_write(notes: Notes, valkey: Client, proxy: Proxy) -> None:
    notes.settle()
    assert proxy.round_trips == 0
    notes.add("SET", "warm", 1)
    notes.settle()
    before = proxy.round_trips
    for number in range(100):
        notes.add("RPUSH", "list", number)
    assert valkey.llen("list") == 0
    notes.settle()
    assert valkey.lrange("list", 0, -1) == [b"%d" % number for number in range(100)]
    assert proxy.round_trips == before + 1


async def test_nobody_waits_for_a_flush(notes: Notes, valkey: Client, proxy: Proxy) -> None:
    notes.add("SET", "first", 1)
    notes.settle()
    with proxy.cut("silent"):
        notes.add("SET", "second", 1)
        notes.flush()
        notes.flush()
        with pytest.raises(RedisTimeoutError):
            notes.settle(0.1)
    assert not valkey.exists("second")
    notes.add("SET", "third", 1)
    notes.flush()
    await eventually(lambda: valkey.exists("third"))


async def test_a_refusal_is_told_later_and_the_rest_stands(notes: Notes, valkey: Client) -> None:
    notes.add("SET", "text", "x")
    notes.add("HSET", "text", "a", "b")
    notes.add("SET", "after", 1)
    notes.flush()
    await eventually(lambda: valkey.exists("after"))
    notes.add("SET", "kept", 1)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        notes.settle()
    notes.settle()
    assert valkey.exists("kept")


async def test_a_broken_connection_is_told_and_the_next_one_is_new(notes: Notes, valkey: Client, proxy: Proxy) -> None:
    notes.add("SET", "before", 1)
    notes.settle()
    with proxy.cut("refused"):
        notes.add("SET", "lost", 1)
        with pytest.raises(RedisConnectionError):
            notes.settle()
    notes.add("SET", "next", 1)
    notes.settle()
    assert valkey.exists("next")


def test_closing_lets_it_arrive(notes: Notes, valkey: Client) -> None:
    notes.add("SET", "last", 1)
    notes.close()
    assert valkey.exists("last")


async def test_another_takes_over_what_did_not_arrive(notes: Notes, valkey: Client, proxy: Proxy) -> None:
    make: Any = redis.Connection
    other = Notes(lambda: make(port=proxy.port))
    notes.add("SET", "warm", 1)
    notes.settle()
    with proxy.cut("silent"):
        notes.add("RPUSH", "order", 1)
        notes.flush()
        notes.add("RPUSH", "order", 2)
        left = notes.take_back()
    other.take_over(left)
    assert not left
    other.settle()
    other.drop()
    # Nobody knows whether what was cut off has arrived: it may be there twice.
    assert [int(each) for each in valkey.lrange("order", 0, -1)][-2:] == [1, 2]
