"""What is kept of a conversation: bounded, its newest turn always, and nothing that an outdone attempt brings."""

from typing import Any

import pytest

from contract import keys
from service.domain.conversation import MAX_TURNS, MAX_TURNS_BYTES, Turn
from service.store.client import Valkey
from service.store.conversations import ConversationKey, ConversationStore
from service.store.tasks import Fence

KEY = ConversationKey("acme", "u1", "conv_0123456789ab")
LAST = 2**53


def turn(prompt: str) -> Turn:
    return Turn(prompt, f"answer to {prompt}"[:100], "gpt-4", 0.5, "2026-01-01T00:00:00+00:00", 7)


@pytest.fixture
def store(valkey: Valkey) -> ConversationStore:
    return ConversationStore(valkey)


async def add(store: ConversationStore, prompt: str, run: int, attempt: int = 1) -> bool:
    return await store.add_turn(KEY, Fence("llm_conv_0123456789ab", run, attempt), turn(prompt))


async def prompts(store: ConversationStore, before_run: int = LAST) -> list[str]:
    return [kept.prompt for kept in await store.read_turns(KEY, before_run=before_run)]


async def test_turns_in_their_order(store: ConversationStore) -> None:
    # As numbers: 10 comes after 9.
    for run in (8, 9, 10):
        assert await add(store, str(run), run)
    assert await prompts(store) == ["8", "9", "10"]
    assert await prompts(store, before_run=10) == ["8", "9"]
    assert (await store.read_turns(KEY, before_run=9))[0] == turn("8")


async def test_an_outdone_run_or_attempt_is_refused(store: ConversationStore) -> None:
    assert await add(store, "first", 1)
    assert await add(store, "second", 2, attempt=2)
    assert not await add(store, "late", 2, attempt=1)
    assert not await add(store, "later", 1, attempt=3)
    assert await add(store, "second again", 2, attempt=3)
    assert await prompts(store) == ["first", "second again"]


async def test_the_oldest_go_where_there_are_too_many(store: ConversationStore) -> None:
    for run in range(1, MAX_TURNS + 4):
        await add(store, str(run), run)
    assert await prompts(store) == [str(run) for run in range(4, MAX_TURNS + 4)]


async def test_the_oldest_go_where_they_are_too_long(store: ConversationStore) -> None:
    half = "x" * (MAX_TURNS_BYTES // 2)
    await add(store, "small", 1)
    await add(store, half, 2)
    assert await prompts(store) == ["small", half]
    await add(store, half, 3)
    assert await prompts(store) == [half], "two of them and what stands around them are too much"
    await add(store, 3 * half, 4)
    assert await prompts(store) == [3 * half], "the newest stays"


async def test_nothing_is_kept_for_ever(store: ConversationStore, valkey: Valkey) -> None:
    await add(store, "question", 1)
    assert 0 < await valkey.ttl(KEY.name) <= keys.CONVERSATION_TTL_S
    document: dict[Any, Any] = await valkey.hgetall("conversation:acme:u1:conv_0123456789ab")
    assert document[b"tokens_used"] == b"7"
    assert document[b"temperature"] == b"0.5"


async def test_another_users_key_is_another(store: ConversationStore) -> None:
    await add(store, "mine", 1)
    for other in (
        ConversationKey("acme", "u2", KEY.conversation_id),
        ConversationKey("other", "u1", KEY.conversation_id),
    ):
        assert await store.read_turns(other, before_run=LAST) == []
