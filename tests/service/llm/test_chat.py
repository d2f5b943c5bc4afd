"""The gateway to the model against the stand-in: pieces as they come, retries before the first alone, and every way in
which an answer can break."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from service.domain.errors import DependencyRefused, DependencyUnavailable, ServiceError
from service.domain.streaming import TextBatcher
from service.gateways.chat import Chat, ChatRequest, ChatStream, describe
from service.gateways.openai import OpenAi
from service.settings import OpenAiSettings
from service.tasks.streaming import gather_pieces
from tests.openai_server.faults import Break, Fault, broken, cut_after, rate_limited, slow
from tests.openai_server.server import UNKNOWN_MODEL, OpenAiServer
from tests.service.waiting import eventually

SILENCE_S = 0.5


def ask(prompt: str = "one two three", model: str = "gpt-4") -> ChatRequest:
    return ChatRequest(model, [{"role": "user", "content": prompt}], 0.7, 2000, "u1_acme")


@pytest.fixture
async def chat(openai_settings: OpenAiSettings) -> AsyncIterator[Chat]:
    client = OpenAi(openai_settings)
    try:
        yield Chat(client, read_limit_s=SILENCE_S)
    finally:
        await client.close()


async def collect(found: AsyncGenerator[str], into: list[str]) -> None:
    """Also what came before a failure."""
    async with aclosing(found) as pieces:
        async for piece in pieces:
            into.append(piece)  # noqa: PERF401


async def read_into(pieces: list[str], chat: Chat) -> None:
    async with chat.open(ask()) as stream:
        await collect(stream.pieces(), pieces)


async def read(chat: Chat, request: ChatRequest | None = None) -> tuple[str, ChatStream]:
    async with chat.open(request or ask()) as stream:
        return "".join([piece async for piece in stream.pieces()]), stream


async def test_an_answer_and_its_tokens(chat: Chat, openai: OpenAiServer) -> None:
    text, stream = await read(chat)
    assert text == "Of 1 messages the last says: one two three"
    assert (stream.finish_reason, stream.tokens_used) == ("stop", 3 + 9)
    sent = openai.requests[0]
    assert (sent["user"], sent["max_tokens"], sent["temperature"]) == ("u1_acme", 2000, 0.7)


async def test_an_endpoint_that_does_not_count(chat: Chat, openai: OpenAiServer) -> None:
    openai.faults.append(Fault(has_usage=False))
    _, stream = await read(chat)
    assert (stream.finish_reason, stream.tokens_used) == ("stop", None)


@pytest.mark.parametrize("fault", [rate_limited(), broken()], ids=["429 with Retry-After", "500"])
async def test_what_fails_before_the_first_token_is_tried_again(chat: Chat, openai: OpenAiServer, fault: Fault) -> None:
    openai.faults.extend([fault, fault])
    text, _ = await read(chat)
    assert text.endswith("one two three")
    assert len(openai.requests) == 3


async def test_it_is_not_tried_for_ever(chat: Chat, openai: OpenAiServer) -> None:
    openai.faults.extend([broken()] * 9)
    with pytest.raises(DependencyUnavailable, match="cannot serve this now"):
        await read(chat)
    assert len(openai.requests) == 4


@pytest.mark.parametrize(
    ("how", "says"),
    [
        pytest.param("end", "broke off before its end", id="a proper end without a finish reason"),
        pytest.param("hang up", "broke off before its end", id="the connection goes"),
        pytest.param("error", "broke off before its end: the stand-in refuses", id="an error in the stream"),
        pytest.param("stall", f"nothing came for {SILENCE_S:g} s", id="silence"),
        pytest.param("garbage", "cannot be read", id="no JSON"),
    ],
)
async def test_what_breaks_after_the_first_token_is_a_failure(
    chat: Chat, openai: OpenAiServer, how: Break, says: str
) -> None:
    openai.faults.append(cut_after(2, how))
    pieces: list[str] = []
    with pytest.raises(DependencyUnavailable, match=says) as raised:
        await read_into(pieces, chat)
    assert "".join(pieces) == "Of 1"
    assert len(openai.requests) == 1, "never asked a second time"
    assert "refuses" not in describe(raised.value)


async def test_an_answer_that_is_whole_needs_no_proper_goodbye(chat: Chat, openai: OpenAiServer) -> None:
    openai.faults.append(Fault(finish="length", has_usage=False))
    _, stream = await read(chat)
    assert stream.finish_reason == "length"


async def test_an_answer_that_is_withheld_is_refused(chat: Chat, openai: OpenAiServer) -> None:
    openai.faults.append(Fault(finish="content_filter"))
    with pytest.raises(DependencyRefused, match="content filter"):
        await read(chat)


async def test_a_refusal_is_told_whole_and_logged_without_its_words(chat: Chat) -> None:
    with pytest.raises(DependencyRefused, match="you asked: a secret") as refused:
        await read(chat, ask("a secret", UNKNOWN_MODEL))
    assert describe(refused.value) == "the OpenAI endpoint failed: BadRequestError 400"


async def test_a_count_that_is_none_is_not_believed(
    chat: Chat, openai: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for total in (10**30, -1, 0, "many", None):
        monkeypatch.setattr("tests.openai_server.chat.count_usage", lambda *_, total=total: {"total_tokens": total})
        text, stream = await read(chat)
        assert text.endswith("one two three")
        assert stream.tokens_used is None


async def test_an_answer_that_does_not_end_is_given_up(
    chat: Chat, openai: OpenAiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.openai_server.chat.tokens_of", lambda _: ["x" * 400_000] * 9)
    with pytest.raises(DependencyUnavailable, match="far longer"):
        await read(chat)


async def test_who_leaves_hangs_up(chat: Chat, openai: OpenAiServer) -> None:
    openai.faults.append(slow(0.05))
    async with chat.open(ask("word " * 500)) as stream, aclosing(stream.pieces()) as pieces:
        await anext(pieces)
    await eventually(lambda: openai.hung_up == 1)


async def test_no_endpoint() -> None:
    with pytest.raises(DependencyUnavailable, match="no OpenAI endpoint is configured"):
        await read(Chat(OpenAi(OpenAiSettings(None, "m", None))))


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        pytest.param(["a\ud83d", "\ude00b"], "a😀b", id="two halves in two pieces"),
        pytest.param(["a\ud83d"], "a�", id="a half that nothing follows"),
        pytest.param(["\ude00b"], "�b", id="the second half alone"),
    ],
)
async def test_a_character_that_comes_in_two_halves(
    chat: Chat, openai: OpenAiServer, monkeypatch: pytest.MonkeyPatch, sent: list[str], read_as: str
) -> None:
    monkeypatch.setattr("tests.openai_server.chat.tokens_of", lambda _: sent)
    text, _ = await read(chat)
    assert text == read_as


async def test_what_waits_goes_out_also_while_nothing_follows() -> None:
    """A silence after a few words does not hold them back."""
    go_on = asyncio.Event()

    async def pieces() -> AsyncIterator[str]:
        for piece in ("a", "b", "c"):
            yield piece
        await go_on.wait()

    batches: list[str] = []
    async with aclosing(gather_pieces(pieces(), TextBatcher(0.05))) as gathered:
        async for batch in gathered:
            batches.append(batch)
            if "".join(batches) == "abc":
                go_on.set()
    assert batches == ["a", "bc"]


async def test_a_failure_comes_at_once() -> None:
    async def pieces() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        raise ServiceError("broke off")

    batches: list[str] = []
    started = time.monotonic()
    with pytest.raises(ServiceError, match="broke off"):
        await collect(gather_pieces(pieces(), TextBatcher(30.0)), batches)
    assert batches == ["a"]
    assert time.monotonic() - started < 20
