"""Asks a model for the next message of a conversation, and gives out its answer as it comes.

Retries are the client's (`service.gateways.openai`), before the answer's first byte; afterwards there are none, for
what was given out cannot be taken back. An answer without a finish reason is a broken one.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from service.domain.conversation import Message
from service.domain.errors import DependencyRefused, DependencyUnavailable, ServiceError
from service.gateways.openai import CONNECT_LIMIT_S, MAX_MESSAGE_CHARS, READ_LIMIT_S, OpenAi, build_fault

if TYPE_CHECKING:
    from openai import AsyncStream, OpenAIError
    from openai.types.chat import ChatCompletionChunk

BROKE_OFF: Final = "the model's answer broke off before its end"
ENDLESS: Final = "the model's answer is far longer than was asked for"
WITHHELD: Final = "the model's answer was withheld by the endpoint's content filter"
# No model writes as much within what we ask for; an endpoint that does not stop would fill the worker.
MAX_ANSWER_CHARS: Final = 1_000_000
# What JSON's readers take as a whole number; a count beyond it is none.
_MAX_COUNT: Final = 2**53


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`user`: on whose behalf, for the endpoint's own limits and records."""

    model: str
    messages: Sequence[Message]
    temperature: float
    max_tokens: int
    user: str


class ChatStream:
    """One answer. After `pieces` has ended, `finish_reason` says why.

    `tokens_used`, `completion_tokens` None: the endpoint did not count. `first_text_s`: from asking until its first
    text came; None: none did.
    """

    def __init__(self, stream: "AsyncStream[ChatCompletionChunk]", read_limit_s: float, asked_at: float) -> None:
        self._stream = stream
        self._read_limit_s = read_limit_s
        self._asked_at = asked_at
        self.finish_reason: str | None = None
        self.tokens_used: int | None = None
        self.completion_tokens: int | None = None
        self.first_text_s: float | None = None

    async def pieces(self) -> AsyncGenerator[str]:
        """The answer's text, in pieces. Raises DependencyUnavailable or DependencyRefused."""
        import openai

        halves, chars = _Halves(), 0
        try:
            async for chunk in self._stream:
                if text := halves.join(self._read(chunk)):
                    if not chars:
                        self.first_text_s = time.monotonic() - self._asked_at
                    chars += len(text)
                    if chars > MAX_ANSWER_CHARS:
                        raise DependencyUnavailable(ENDLESS)
                    yield text
        except (openai.OpenAIError, ValueError, AttributeError, TypeError) as fault:
            # One that is whole needs no proper goodbye.
            if self.finish_reason is None:
                raise self._build_fault(fault) from fault
        if self.finish_reason is None:
            raise DependencyUnavailable(BROKE_OFF)
        if self.finish_reason == "content_filter":
            raise DependencyRefused(WITHHELD)
        if text := halves.end():
            yield text

    def _read(self, chunk: "ChatCompletionChunk") -> str:
        # Endpoints send it in a last chunk without choices, some in every chunk: the last one counts.
        total: Any = getattr(chunk.usage, "total_tokens", None)
        if isinstance(total, int) and 0 < total < _MAX_COUNT:
            self.tokens_used = total
            completion: Any = getattr(chunk.usage, "completion_tokens", None)
            self.completion_tokens = completion if isinstance(completion, int) and 0 <= completion <= total else None
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self.finish_reason = choice.finish_reason or self.finish_reason
        delta: Any = choice.delta
        return getattr(delta, "content", None) or getattr(delta, "refusal", None) or ""

    def _build_fault(self, fault: Exception) -> ServiceError:
        import openai

        if isinstance(fault, openai.APITimeoutError):
            return DependencyUnavailable(f"the model's answer broke off: nothing came for {self._read_limit_s:g} s")
        if isinstance(fault, openai.APIConnectionError):
            return DependencyUnavailable(BROKE_OFF)
        if isinstance(fault, openai.APIError):
            # The endpoint says so in the midst of its answer.
            return DependencyUnavailable(f"{BROKE_OFF}: {fault.message[:MAX_MESSAGE_CHARS]}")
        return DependencyUnavailable("the OpenAI endpoint's answer cannot be read")


class Chat:
    """Asks the endpoint. `read_limit_s`: longest silence before and within an answer."""

    def __init__(self, openai: OpenAi, *, read_limit_s: float = READ_LIMIT_S) -> None:
        self._openai = openai
        self._read_limit_s = read_limit_s

    @asynccontextmanager
    async def open(self, request: ChatRequest) -> AsyncIterator[ChatStream]:
        """The answer, once it begins; who leaves the block before its end hangs up.

        Raises DependencyUnavailable, or DependencyRefused (the key, the model, too long a conversation).
        """
        asked_at = time.monotonic()
        async with await self._ask(request) as stream:
            yield ChatStream(stream, self._read_limit_s, asked_at)

    async def _ask(self, request: ChatRequest) -> "AsyncStream[ChatCompletionChunk]":
        client = await self._openai.client()
        from openai import OpenAIError, Timeout

        messages: Any = list(request.messages)
        try:
            return await client.chat.completions.create(
                model=request.model,
                messages=messages,
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                user=request.user,
                stream=True,
                stream_options={"include_usage": True},
                timeout=Timeout(self._read_limit_s, connect=CONNECT_LIMIT_S),
            )
        except OpenAIError as fault:
            raise build_fault(fault) from fault


def describe(fault: ServiceError) -> str:
    """What a log may say of it: an endpoint's own words may quote the prompt, ours do not."""
    cause: OpenAIError | BaseException | None = fault.__cause__
    if cause is None:
        return str(fault)
    status = getattr(cause, "status_code", None)
    return f"the OpenAI endpoint failed: {type(cause).__name__}{f' {status}' if status else ''}"


class _Halves:
    """Joins the two halves of a character that JSON wrote as two, where they came in different pieces."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return _repair(text)

    def end(self) -> str:
        return _repair(self._half)


def _repair(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
