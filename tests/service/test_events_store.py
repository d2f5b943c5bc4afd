"""Publishing and replaying on a real Valkey."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contract import keys
from service.domain.events import Event
from service.store.client import Valkey
from service.store.events import START, EventStore, parse_stream_id
from tests.service.conftest import MakeSettings


@pytest.fixture
def events(valkey: Valkey, make_settings: MakeSettings) -> EventStore:
    return EventStore(valkey, make_settings(LISTENERS_CHANNEL_PREFIX="mine:"))


def build_event(number: int) -> Event:
    return Event("task.progress_update", "u1", {"number": number}, datetime.now(UTC))


async def test_an_event_goes_to_the_stream_the_relay_and_the_contracts_channel(
    valkey: Valkey, events: EventStore
) -> None:
    channels = valkey.pubsub(ignore_subscribe_messages=True)
    await channels.subscribe("mine:u1", keys.relay_channel("u1"))
    event_id = await events.publish(build_event(1))

    received: dict[str, dict[str, Any]] = {}
    while len(received) < 2:
        message = await channels.get_message(timeout=5.0)
        if message is not None:
            received[message["channel"].decode()] = json.loads(message["data"])
    await channels.aclose()  # type: ignore[no-untyped-call]
    assert received["mine:u1"] == received[keys.relay_channel("u1")]
    assert received["mine:u1"]["id"] == event_id

    replay = await events.read_after("u1", START)
    assert replay.is_complete
    assert [json.loads(envelope) for _, envelope in replay.events] == [received["mine:u1"]]
    assert keys.EVENTS_TTL_S - 60 < await valkey.ttl(keys.events("u1")) <= keys.EVENTS_TTL_S


async def test_an_event_that_is_not_kept_is_published_alone(valkey: Valkey, events: EventStore) -> None:
    channels = valkey.pubsub(ignore_subscribe_messages=True)
    await channels.subscribe("mine:u1", keys.relay_channel("u1"))
    pipeline = valkey.pipeline(transaction=False)
    events.add_publish(pipeline, dataclasses.replace(build_event(1), is_kept=False))
    await pipeline.execute()

    received: dict[str, dict[str, Any]] = {}
    while len(received) < 2:
        message = await channels.get_message(timeout=5.0)
        if message is not None:
            received[message["channel"].decode()] = json.loads(message["data"])
    await channels.aclose()  # type: ignore[no-untyped-call]
    assert received["mine:u1"] == received[keys.relay_channel("u1")]
    assert received["mine:u1"].keys() == {"type", "uid", "timestamp", "payload"}
    assert not await valkey.exists(keys.events("u1"))


async def test_what_may_have_been_published_is_not_published_twice(valkey: Valkey, events: EventStore) -> None:
    ids: list[bytes] = []
    for name, is_again in (("end:a", False), ("", False), ("end:a", True), ("end:b", True), ("end:b", True)):
        pipeline = valkey.pipeline(transaction=False)
        events.add_publish(pipeline, build_event(len(ids)), name, is_again=is_again)
        ids += await pipeline.execute()
    assert ids[2] == ids[0]
    assert ids[4] == ids[3]
    assert await valkey.xlen(keys.events("u1")) == 3


async def test_the_stream_is_bounded(valkey: Valkey, events: EventStore) -> None:
    for number in range(keys.EVENTS_MAX_ENTRIES + 300):
        await events.publish(build_event(number))
    length = await valkey.xlen(keys.events("u1"))
    # Valkey trims by whole nodes of a hundred entries.
    assert keys.EVENTS_MAX_ENTRIES <= length < keys.EVENTS_MAX_ENTRIES + 200
    assert not (await events.read_after("u1", START)).is_complete


async def test_what_is_complete(valkey: Valkey, events: EventStore) -> None:
    ids = [parse_stream_id(await events.publish(build_event(number))) for number in range(3)]
    first, last = ids[0], ids[-1]
    assert first is not None
    assert last is not None
    replay = await events.read_after("u1", first)
    assert [event_id for event_id, _ in replay.events] == ids[1:]
    assert replay.is_complete
    assert await events.read_last_id("u1") == last
    assert (await events.read_after("u1", last)).is_complete
    # An id before the first may have had neighbours that are gone; one after the last is of another stream.
    assert not (await events.read_after("u1", (first[0] - 1, 0))).is_complete
    assert not (await events.read_after("u1", (last[0] + 1, 0))).is_complete
    assert not (await events.read_after("nobody", first)).is_complete
    assert (await events.read_after("nobody", START)).is_complete


@pytest.mark.parametrize(
    ("text", "stream_id"),
    [
        ("1700000000000-5", (1_700_000_000_000, 5)),
        ("1700000000000", (1_700_000_000_000, 0)),
        ("0", (0, 0)),
        ("", None),
        ("-1", None),
        ("1-2-3", None),
        ("١-٢", None),
        ("9" * 40, None),
    ],
)
def test_stream_ids(text: str, stream_id: tuple[int, int] | None) -> None:
    assert parse_stream_id(text) == stream_id
