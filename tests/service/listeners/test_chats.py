"""Messages of open threads: who is told, what is marked read, which mode a thread has."""

import asyncio
from typing import Any

import pytest

from contract import keys
from service.store.client import Valkey
from tests.rtdb_standin.server import RtdbStandIn
from tests.service.application import Api
from tests.service.listeners.conftest import SLOW_S, listening_to, open_tab
from tests.service.waiting import eventually

QUERY = "&space_code=s&thread_key=t"


async def listening(database: RtdbStandIn, mode: str) -> None:
    """Waits until somebody listens to the thread."""
    path = f"s/{mode}/t/messages"
    await eventually(lambda: path in database.listened, deadline_s=SLOW_S)


async def test_a_message_that_appears_is_told_and_marked_read(
    database: RtdbStandIn, replica: Api, valkey: Valkey
) -> None:
    database.push("s/chats/t/messages", {"text": "history"})
    async with (
        listening_to(valkey, "chat:u1:s:t") as published,
        open_tab(replica.websocket_url, query=QUERY) as tab,
        open_tab(replica.websocket_url) as other,
    ):
        await listening(database, "chats")
        key = database.push("s/chats/t/messages", {"text": "hi", "sender": "x"})
        event = await tab.next("chat.message")
        assert event["payload"] == {
            "space_code": "s",
            "thread_key": "t",
            "raw_messages": [{"id": key, "text": "hi", "sender": "x"}],
        }
        await eventually(lambda: database.read(f"s/chats/t/messages/{key}/read") is True)
        # To the chat's channel, and to every socket of the user.
        assert key in await asyncio.wait_for(published.get(), SLOW_S)
        await other.next("chat.message")
        last = database.push("s/chats/t/messages", {"text": "ho"})
        await tab.next("chat.message", 2)
        assert [message["id"] for event in tab.of("chat.message") for message in event["payload"]["raw_messages"]] == [
            key,
            last,
        ]


async def test_large_messages_that_appear_together_are_all_told(
    database: RtdbStandIn, replica: Api, valkey: Valkey
) -> None:
    database.put("s/chats/t/title", "a thread")
    large = {"a": {"text": "a" * 40_000}, "b": {"text": "b" * 40_000}}
    small = {f"c{number:02}": {"text": str(number)} for number in range(25)}
    huge = {"z": {"text": "z" * 90_000, "sender": "x"}}
    async with open_tab(replica.websocket_url, query=QUERY) as tab:
        await eventually(lambda: valkey.exists(keys.chat_position("u1:s:t")), deadline_s=SLOW_S)
        database.patch("s/chats/t/messages", large | small | huge)

        def told() -> list[dict[str, Any]]:
            return [message for event in tab.of("chat.message") for message in event["payload"]["raw_messages"]]

        await eventually(lambda: told() and told()[-1]["id"] == "z", deadline_s=SLOW_S)
        whole = [{**message, "id": key} for key, message in (large | small).items()]
        assert told() == [*whole, {"id": "z", "text": "z" * 1000, "sender": "x"}]
        payloads = [event["payload"] for event in tab.of("chat.message")]
        assert [payload.get("truncated") for payload in payloads] == [None, None, ["raw_messages"]]
        messages = database.read("s/chats/t/messages")
        await eventually(lambda: all(message.get("read") for message in messages.values()), deadline_s=SLOW_S)


@pytest.mark.parametrize(
    ("exists", "asked", "expected"),
    [
        ("job_chats", "", "job_chats"),
        ("chats", "", "chats"),
        ("chats", "&mode=job_chats", "job_chats"),
        ("job_chats", "&mode=other", "job_chats"),
    ],
)
async def test_the_mode(database: RtdbStandIn, replica: Api, exists: str, asked: str, expected: str) -> None:
    database.put(f"s/{exists}/t/title", "a thread")
    async with open_tab(replica.websocket_url, query=QUERY + asked) as tab:
        await listening(database, expected)
        database.push(f"s/{expected}/t/messages", {"text": "hi"})
        await tab.next("chat.message")


async def test_a_thread_that_does_not_exist_yet(database: RtdbStandIn, replica: Api) -> None:
    async with open_tab(replica.websocket_url, query=QUERY) as tab:
        await listening(database, "chats")
        await listening(database, "job_chats")
        database.push("s/job_chats/t/messages", {"text": "first"})
        assert (await tab.next("chat.message"))["payload"]["raw_messages"][0]["text"] == "first"


async def test_two_tabs_on_two_replicas_are_told_once(database: RtdbStandIn, replica: Api, second_replica: Api) -> None:
    database.put("s/chats/t/title", "a thread")
    async with open_tab(replica.websocket_url, query=QUERY) as first:
        await listening(database, "chats")
        async with open_tab(second_replica.websocket_url, query=QUERY) as second:
            await second.next("notif.sync")
            database.push("s/chats/t/messages", {"text": "one"})
            await second.next("chat.message")
            await first.next("chat.message")
            assert database.listened.count("s/chats/t/messages") == 1
            # The listening one leaves: the other goes on.
            await first.close()
            await eventually(lambda: chats_of(second_replica), deadline_s=SLOW_S)
            await eventually(lambda: push_until_told(database, second.of), deadline_s=SLOW_S)
            told = [
                message["text"] for event in second.of("chat.message") for message in event["payload"]["raw_messages"]
            ]
            assert told[0] == "one"
            assert len(told) == len(set(told))


async def test_a_message_between_two_listeners_is_told(
    database: RtdbStandIn, replica: Api, second_replica: Api
) -> None:
    database.put("s/chats/t/title", "a thread")
    async with open_tab(second_replica.websocket_url, query=QUERY) as second:
        await listening(database, "chats")
        async with open_tab(replica.websocket_url, query=QUERY) as first:
            # The second has the thread; it leaves, and nobody listens until the first looks again.
            await first.next("notif.sync")
            await second.close()
            await eventually(lambda: not chats_of(second_replica), deadline_s=SLOW_S)
            database.push("s/chats/t/messages", {"text": "in between"})
            told = await first.next("chat.message")
            assert [message["text"] for message in told["payload"]["raw_messages"]] == ["in between"]


def chats_of(api: Api) -> int:
    """Threads that it listens to."""
    count: int = api.app.state.listeners.chats_count  # type: ignore[attr-defined]
    return count


def push_until_told(database: RtdbStandIn, of: Any) -> bool:
    """A message at a time, until one that came after the change of listeners arrives."""
    if len(of("chat.message")) > 1:
        return True
    database.push("s/chats/t/messages", {"text": f"later {len(database.read('s/chats/t/messages'))}"})
    return False


async def test_after_an_outage_what_came_meanwhile_is_told(database: RtdbStandIn, replica: Api) -> None:
    database.put("s/chats/t/title", "a thread")
    async with open_tab(replica.websocket_url, query=QUERY) as tab:
        await listening(database, "chats")
        database.push("s/chats/t/messages", {"text": "before"})
        await tab.next("chat.message")
        await database.stop()
        database.push("s/chats/t/messages", {"text": "meanwhile"})
        await database.start()
        event = await tab.next("chat.message", 2)
        assert [message["text"] for message in event["payload"]["raw_messages"]] == ["meanwhile"]
