"""Queues read from a real Valkey that a real Celery wrote to: what waits, what was handed out, who is alive."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from celery import Celery
from kombu import Connection
from kombu.transport.redis import PRIORITY_STEPS, Channel

from contract import keys
from controller.cluster.queues import SEARCHED, STALE_AFTER_S, QueueFigures, QueueReader
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.model.errors import ValkeyUnavailable
from controller.model.service import ServiceKey
from service.settings import Settings
from service.store.broker import broker_configuration
from tests.controller.io.test_flag import SecretsOnlyApi
from tests.service.valkey_server import RunningValkey, running_valkey

KEY = ServiceKey("place", "demo")
PREFIX = keys.CELERY_PREFIX


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningValkey]:
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey(shared: RunningValkey) -> RunningValkey:
    shared.flush()
    return shared


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def reader(clock: Clock) -> AsyncIterator[QueueReader]:
    made = QueueReader(ValkeyConnections(SecretsOnlyApi()), clock)
    yield made
    made.close()


@pytest.fixture
def producer(valkey: RunningValkey) -> Iterator[Celery]:
    settings = Settings.from_env({"LISTENERS_REDIS_PORT": str(valkey.port)})
    with Celery("test", set_as_current=False) as made:
        made.conf.update(broker_configuration(settings), task_ignore_result=True)
        yield made


@pytest.fixture
def endpoint(valkey: RunningValkey) -> Endpoint:
    return Endpoint("127.0.0.1", valkey.port)


def _beat(valkey: RunningValkey, worker: str, active: int, seen_at: float, **more: int) -> None:
    with valkey.client() as client:
        said = {"active": active, "slots": 4, "seen_at": seen_at, **more}
        client.hset(keys.worker_heartbeats("bulk"), worker, json.dumps(said))


def test_the_names_are_kombus() -> None:
    assert tuple(PRIORITY_STEPS) == keys.PRIORITY_STEPS
    assert Channel.sep == keys.PRIORITY_SEPARATOR
    assert Channel.unacked_key == keys.UNACKED


async def test_messages_of_every_priority_wait(reader: QueueReader, endpoint: Endpoint, producer: Celery) -> None:
    for priority in (0, 3, 5, 9):
        producer.send_task("x", queue="bulk", priority=priority)
    producer.send_task("x", queue="other")
    read = await reader.read(KEY, endpoint, PREFIX, ["bulk", "other", "empty"])
    assert {name: figures.waiting for name, figures in read.items()} == {"bulk": 4, "other": 1, "empty": 0}


async def test_what_was_handed_out_belongs_to_its_queue(
    reader: QueueReader,
    endpoint: Endpoint,
    producer: Celery,
    valkey: RunningValkey,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for queue in ("bulk", "bulk", "gone"):
        producer.send_task("x", queue=queue)
    connection: Connection
    with producer.connection_for_read() as connection:
        bulk, gone = connection.SimpleQueue("bulk"), connection.SimpleQueue("gone")
        taken: Any = [bulk.get(timeout=5), bulk.get(timeout=5), gone.get(timeout=5)]
        for _ in range(2):
            read = await reader.read(KEY, endpoint, PREFIX, ["bulk"])
            assert read == {"bulk": QueueFigures(0, 2, {}), "gone": QueueFigures(0, 1, {})}
        taken[0].ack()
        with valkey.client() as client:
            client.hset(PREFIX + keys.UNACKED, "junk", "no message")
        caplog.clear()
        for _ in range(2):
            assert (await reader.read(KEY, endpoint, PREFIX, ["bulk"]))["bulk"].unacked == 1
        assert [record.message.count("cannot be read") for record in caplog.records] == [1]
        for message in taken[1:]:
            message.ack()
        bulk.close()
        gone.close()


async def test_a_heartbeat_that_stands_still_is_nobodys(
    reader: QueueReader, endpoint: Endpoint, valkey: RunningValkey, clock: Clock
) -> None:
    # Whether it is fresh is told by its change: the clocks may differ by a day.
    _beat(valkey, "alive", 1, time.time() - 86_400)
    _beat(valkey, "dead", 3, time.time())
    with valkey.client() as client:
        client.hset(keys.worker_heartbeats("bulk"), "broken", "?")
    read = await reader.read(KEY, endpoint, PREFIX, ["bulk"])
    assert read["bulk"].active == {"alive": 1, "dead": 3}
    clock.now += STALE_AFTER_S
    _beat(valkey, "alive", 2, time.time() - 86_390)
    read = await reader.read(KEY, endpoint, PREFIX, ["bulk"])
    assert read["bulk"].active == {"alive": 2}


async def test_a_heartbeat_tells_how_many_ran_since_the_one_before(
    reader: QueueReader, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    _beat(valkey, "new", 1, time.time(), peak=3)
    _beat(valkey, "of an older version", 2, time.time())
    read = await reader.read(KEY, endpoint, PREFIX, ["bulk"])
    assert read["bulk"].peaks == {"new": 3, "of an older version": 2}


async def test_a_list_that_nobody_asked_for_is_found(
    reader: QueueReader, endpoint: Endpoint, producer: Celery, valkey: RunningValkey
) -> None:
    with valkey.client() as client:
        client.mset({f"{{pinnokio}}:result:{number}": "" for number in range(3 * SEARCHED)})
        client.rpush("of-someone-else", "x")
    producer.send_task("x", queue="forgotten", priority=9)
    for _ in range(8):
        read = await reader.read(KEY, endpoint, PREFIX, ["bulk"])
        if "forgotten" in read:
            break
    assert read.keys() == {"bulk", "forgotten"}
    read = await reader.read(KEY, endpoint, PREFIX, ["bulk", "forgotten"])
    assert read["forgotten"].waiting == 1


async def test_a_valkey_that_does_not_answer_is_not_an_empty_one(reader: QueueReader) -> None:
    with pytest.raises(ValkeyUnavailable):
        await reader.read(KEY, Endpoint("127.0.0.1", 1), PREFIX, ["bulk"])


async def test_something_else_under_the_name_of_a_queue_is_not_zero(
    reader: QueueReader, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    with valkey.client() as client:
        client.set(PREFIX + "bulk", "text")
    with pytest.raises(ValkeyUnavailable, match="WRONGTYPE"):
        await reader.read(KEY, endpoint, PREFIX, ["bulk"])
