"""/ws behind a real uvicorn: who gets in, what arrives, what is replayed, and what becomes of a client that is slow."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from contract import keys
from contract.metrics import EVENT_RESYNCS, EVENTS_REPLAYED
from service.domain.events import Event
from service.settings import Settings, SettingsError
from service.store import client
from service.store.client import VALKEY_FAULTS, Valkey
from service.store.events import EventStore
from tests.service.application import Api, behind_uvicorn
from tests.service.conftest import MakeSettings
from tests.service.metrics.samples import scrape
from tests.service.valkey_server import RunningValkey, settings_for
from tests.service.waiting import eventually

ANSWER_S = 10.0


def build_event(number: int, uid: str = "u1", **payload: Any) -> Event:
    return Event("task.progress_update", uid, {"number": number, **payload}, datetime.now(UTC))


@pytest.fixture
async def events(valkey: Valkey, settings: Settings) -> EventStore:
    return EventStore(valkey, settings)


@pytest.fixture
async def socket(server: Api) -> AsyncIterator[ClientConnection]:
    async with connect(f"{server.websocket_url}?uid=u1") as opened:
        yield opened


async def read(socket: ClientConnection) -> dict[str, Any]:
    text = await asyncio.wait_for(socket.recv(), ANSWER_S)
    assert isinstance(text, str)
    event: dict[str, Any] = json.loads(text)
    return event


async def read_numbers(socket: ClientConnection, count: int) -> list[int]:
    return [(await read(socket))["payload"]["number"] for _ in range(count)]


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason with which the server closes, whatever comes before."""
    try:
        async with asyncio.timeout(ANSWER_S):
            async for _ in socket:
                pass
    except ConnectionClosed:
        pass
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def subscribed(valkey: Valkey, uid: str = "u1", count: int = 1) -> None:
    """Waits until `count` processes relay a user's events."""

    async def is_subscribed() -> bool:
        channel = keys.relay_channel(uid)
        return dict(await valkey.pubsub_numsub(channel)).get(channel.encode()) == count

    await eventually(is_subscribed)


async def publish_passing(valkey: Valkey, events: EventStore, number: int) -> None:
    pipeline = valkey.pipeline(transaction=False)
    events.add_publish(pipeline, replace(build_event(number), is_kept=False))
    await pipeline.execute()


async def test_an_event_that_is_not_kept_comes_in_its_place_and_once(
    server: Api, socket: ClientConnection, valkey: Valkey, events: EventStore
) -> None:
    await subscribed(valkey)
    first_id = await events.publish(build_event(1))
    await publish_passing(valkey, events, 2)
    await publish_passing(valkey, events, 3)
    await events.publish(build_event(4))
    received = [await read(socket) for _ in range(4)]
    assert [event["payload"]["number"] for event in received] == [1, 2, 3, 4]
    assert ["id" in event for event in received] == [True, False, False, True]
    async with connect(f"{server.websocket_url}?uid=u1&since={first_id}") as late:
        assert await read_numbers(late, 1) == [4]
        await publish_passing(valkey, events, 5)
        assert await read_numbers(late, 1) == [5]


async def test_an_event_reaches_every_socket_of_its_user_and_no_other(
    server: Api, socket: ClientConnection, valkey: Valkey, events: EventStore
) -> None:
    async with (
        connect(f"{server.websocket_url}?uid=u1&space_code=s&thread_key=t&mode=chats") as second,
        connect(f"{server.websocket_url}?uid=u2") as other,
    ):
        await subscribed(valkey)
        await subscribed(valkey, "u2")
        event_id = await events.publish(build_event(1))
        for one in (socket, second):
            received = await read(one)
            assert received["id"] == event_id
            assert (received["type"], received["uid"]) == ("task.progress_update", "u1")
            assert received["payload"] == {"number": 1}
        await events.publish(build_event(2, "u2"))
        assert (await read(other))["payload"] == {"number": 2}


async def test_events_reach_sockets_of_another_replica_once(
    socket: ClientConnection, settings: Settings, valkey: Valkey, events: EventStore
) -> None:
    async with behind_uvicorn(settings) as replica, connect(f"{replica.websocket_url}?uid=u1") as elsewhere:
        await subscribed(valkey, count=2)
        for number in range(20):
            await events.publish(build_event(number))
        for one in (socket, elsewhere):
            assert await read_numbers(one, 20) == list(range(20))


async def test_the_last_socket_ends_the_subscription(socket: ClientConnection, valkey: Valkey) -> None:
    await subscribed(valkey)
    await socket.close()
    await subscribed(valkey, count=0)


async def test_what_a_client_sends_is_ignored(socket: ClientConnection, valkey: Valkey, events: EventStore) -> None:
    await subscribed(valkey)
    for frame in ("hello", b"\x00\x01", '{"type":"chat"}'):
        await socket.send(frame)
    await events.publish(build_event(1))
    assert await read_numbers(socket, 1) == [1]


async def test_too_large_a_message_closes_with_1009(socket: ClientConnection) -> None:
    await socket.send("x" * 100_000)
    assert (await closing(socket))[0] == 1009


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param("", 1000, id="no uid"),
        pytest.param("?uid=", 1000, id="empty uid"),
        pytest.param("?uid=a:b", 1008, id="a colon"),
        pytest.param("?uid=a%00b", 1008, id="a null byte"),
        pytest.param(f"?uid={'x' * 5000}", 1008, id="too long"),
    ],
)
async def test_without_a_proper_uid_it_is_accepted_and_closed(server: Api, query: str, code: int) -> None:
    async with connect(server.websocket_url + query) as socket:
        assert (await closing(socket))[0] == code


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        pytest.param(None, True, id="no origin"),
        pytest.param("https://evil.example", False, id="foreign"),
        pytest.param("https://app.example", True, id="allowed"),
        pytest.param("https://app.example.evil", False, id="looks allowed"),
        pytest.param("null", False, id="null"),
    ],
)
async def test_a_browsers_foreign_origin_is_refused(
    make_settings: MakeSettings, origin: str | None, is_let_in: bool
) -> None:
    headers = {"Origin": origin} if origin else {}
    async with behind_uvicorn(make_settings(WS_ALLOWED_ORIGINS="https://app.example")) as server:
        opening = connect(f"{server.websocket_url}?uid=u1", additional_headers=headers)
        if is_let_in:
            async with opening:
                return
        with pytest.raises(InvalidStatus) as refused:
            await opening
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        pytest.param(None, 401, id="none"),
        pytest.param("Basic abc", 401, id="another scheme"),
        pytest.param("Bearer wrong", 403, id="wrong"),
        pytest.param("Bearer right", 101, id="right"),
    ],
)
async def test_a_token_is_asked_for_where_that_is_wanted(
    make_settings: MakeSettings, authorization: str | None, status: int
) -> None:
    settings = make_settings(WS_AUTH="token", LISTENERS_SERVICE_TOKEN="right")
    headers = {"Authorization": authorization} if authorization else {}
    async with behind_uvicorn(settings) as server:
        opening = connect(f"{server.websocket_url}?uid=u1", additional_headers=headers)
        if status == 101:
            async with opening:
                return
        with pytest.raises(InvalidStatus) as refused:
            await opening
        assert refused.value.response.status_code == status


@pytest.mark.parametrize("token", [{}, {"LISTENERS_SERVICE_TOKEN": " "}], ids=["unset", "blank"])
def test_an_api_without_the_token_that_sockets_are_asked_for_does_not_start(token: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="set it, or leave WS_AUTH out"):
        Settings.from_env({"CONTAINER_TYPE": "api", "WS_AUTH": "token", **token})


async def test_by_default_a_set_token_is_not_asked_for(make_settings: MakeSettings) -> None:
    async with (
        behind_uvicorn(make_settings(LISTENERS_SERVICE_TOKEN="right")) as server,
        connect(f"{server.websocket_url}?uid=u1"),
    ):
        pass


async def test_since_replays_what_was_missed_and_goes_on_without_a_gap(
    server: Api, valkey: Valkey, events: EventStore
) -> None:
    ids = [await events.publish(build_event(number)) for number in range(5)]
    async with connect(f"{server.websocket_url}?uid=u1&since={ids[1]}") as socket:
        publishing = asyncio.create_task(_publish(events, range(5, 50)))
        assert await read_numbers(socket, 48) == list(range(2, 50))
        await publishing


async def test_since_the_beginning_replays_all_there_is(server: Api, events: EventStore) -> None:
    await _publish(events, range(3))
    before = (await scrape(server)).count(EVENTS_REPLAYED)
    async with connect(f"{server.websocket_url}?uid=u1&since=0") as socket:
        assert await read_numbers(socket, 3) == [0, 1, 2]

    async def is_counted() -> bool:
        return (await scrape(server)).count(EVENTS_REPLAYED) == before + 3

    await eventually(is_counted)


@pytest.mark.parametrize("since", ["1-0", "99999999999999-0", "nonsense"])
async def test_a_gap_is_said(server: Api, valkey: Valkey, events: EventStore, since: str) -> None:
    await _publish(events, range(2))
    before = (await scrape(server)).count(EVENT_RESYNCS)
    async with connect(f"{server.websocket_url}?uid=u1&since={since}") as socket:
        told = await read(socket)
        assert (await scrape(server)).count(EVENT_RESYNCS) == before + 1
        assert (told["type"], told["payload"]) == ("resync_required", {"since": since})
        await subscribed(valkey)
        await events.publish(build_event(7))
        while (await read(socket))["payload"]["number"] != 7:
            pass


async def test_a_trimmed_stream_is_a_gap(server: Api, valkey: Valkey, events: EventStore) -> None:
    ids = [await events.publish(build_event(number)) for number in range(3)]
    await valkey.xtrim(keys.events("u1"), maxlen=1, approximate=False)
    async with connect(f"{server.websocket_url}?uid=u1&since={ids[0]}") as socket:
        assert (await read(socket))["type"] == "resync_required"
        assert await read_numbers(socket, 1) == [2]


async def test_a_socket_that_reads_too_slowly_is_closed_and_holds_nobody_up(
    server: Api, valkey: Valkey, events: EventStore
) -> None:
    # The client's own queue is one message: beyond it the kernel's buffers fill, then the server's.
    async with (
        connect(f"{server.websocket_url}?uid=u1", max_queue=1, ping_interval=None) as slow,
        connect(f"{server.websocket_url}?uid=u1") as quick,
    ):
        await subscribed(valkey)
        filler = "x" * 60_000
        for number in range(400):
            await events.publish(build_event(number, filler=filler))
            assert await read_numbers(quick, 1) == [number]
        code, reason = await closing(slow)
        assert (code, reason) == (1013, "reads too slowly")


async def test_shutdown_closes_with_1012(settings: Settings) -> None:
    async with behind_uvicorn(settings) as server:
        socket = await connect(f"{server.websocket_url}?uid=u1")
    assert (await closing(socket))[0] == 1012


async def test_after_an_outage_of_valkey_sockets_get_what_was_published_since(own_valkey: RunningValkey) -> None:
    settings = settings_for(own_valkey.settings)
    publisher = client.connect(settings.valkey)
    events = EventStore(publisher, settings)
    async with (
        behind_uvicorn(settings) as server,
        connect(f"{server.websocket_url}?uid=u1") as told,
        connect(f"{server.websocket_url}?uid=u2") as untold,
    ):
        await subscribed(publisher)
        await events.publish(build_event(0))
        assert await read_numbers(told, 1) == [0]

        own_valkey.stop()
        async with connect(f"{server.websocket_url}?uid=u3") as late:
            own_valkey.start()
            # At once, so that some are published before the relay is subscribed again.
            for number in range(1, 6):
                for uid in ("u1", "u2", "u3"):
                    await _publish_once_back(events, build_event(number, uid))
            async with asyncio.timeout(5):
                for socket in (told, untold, late):
                    assert await read_numbers(socket, 5) == [1, 2, 3, 4, 5]
    await publisher.aclose()


class Gate:
    """Holds back what the event store answers from now on, until the test lets it through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: list[asyncio.Event] = []
        for name in ("read_last_id", "read_after"):
            monkeypatch.setattr(EventStore, name, self._held_back(getattr(EventStore, name)))

    async def holds(self, count: int) -> None:
        await eventually(lambda: len(self.held) == count)

    def _held_back(self, question: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def ask(*args: Any) -> Any:
            answer = await question(*args)
            self.held.append(through := asyncio.Event())
            await through.wait()
            return answer

        return ask


async def break_subscriptions(valkey: Valkey) -> None:
    await valkey.client_kill_filter(_type="pubsub")


async def test_a_connection_that_breaks_while_it_catches_up_loses_nothing(
    socket: ClientConnection, valkey: Valkey, events: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await subscribed(valkey)
    await events.publish(build_event(0))
    assert await read_numbers(socket, 1) == [0]
    gate = Gate(monkeypatch)
    await break_subscriptions(valkey)
    await gate.holds(1)
    await events.publish(build_event(1))
    await break_subscriptions(valkey)
    await gate.holds(2)
    # What the first connection asked is answered while the second one is catching up.
    gate.held[0].set()
    await events.publish(build_event(2))
    gate.held[1].set()
    assert await read_numbers(socket, 2) == [1, 2]


async def test_a_connection_that_breaks_while_it_subscribes_loses_nothing(
    server: Api, valkey: Valkey, events: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With the socket of another user the relay surely has its connection.
    async with connect(f"{server.websocket_url}?uid=u2"):
        await subscribed(valkey, "u2")
        gate = Gate(monkeypatch)
        socket = await connect(f"{server.websocket_url}?uid=u1")
        await gate.holds(1)
        await events.publish(build_event(1))
        await break_subscriptions(valkey)
        # The other user's feed is read again too.
        await gate.holds(3)
        for through in gate.held:
            through.set()
        assert await read_numbers(socket, 1) == [1]
        await socket.close()


async def test_a_replay_ends_with_its_socket(own_valkey: RunningValkey) -> None:
    async with behind_uvicorn(settings_for(own_valkey.settings)) as server:
        own_valkey.stop()
        for _ in range(3):
            async with connect(f"{server.websocket_url}?uid=u1&since=1-0"):
                pass
        await eventually(lambda: "relay-catch-up" not in {task.get_name() for task in asyncio.all_tasks()})


async def _publish(events: EventStore, numbers: range) -> None:
    for number in numbers:
        await events.publish(build_event(number))


async def _publish_once_back(events: EventStore, event: Event) -> None:
    async def is_published() -> bool:
        try:
            await events.publish(event)
        except VALKEY_FAULTS:
            return False
        return True

    await eventually(is_published)
