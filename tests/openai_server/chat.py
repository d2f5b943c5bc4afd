"""`POST /v1/chat/completions` of the stand-in, streamed or not: its answer is made from the messages that it got.

It repeats the last message and says how many it was sent, so that a test sees what the model would have seen.
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.openai_server.faults import Fault

Body = dict[str, Any]
_ID = "chatcmpl-of-the-stand-in"


def answer_text(messages: list[dict[str, str]]) -> str:
    """What the stand-in answers."""
    return f"Of {len(messages)} messages the last says: {messages[-1]['content']}"


def tokens_of(text: str) -> list[str]:
    """Words, with the space before them."""
    return [word if place == 0 else f" {word}" for place, word in enumerate(text.split(" "))]


def count_usage(body: Body, text: str) -> dict[str, int]:
    asked = sum(len(message["content"].split()) for message in body["messages"])
    answered = len(tokens_of(text))
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def answer_whole(body: Body, fault: Fault) -> Body:
    text = answer_text(body["messages"])
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": fault.finish}
    usage = {"usage": count_usage(body, text)} if fault.has_usage else {}
    return {"id": _ID, "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice], **usage}


async def stream_answer(request: web.Request, body: Body, fault: Fault) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)

    async def send(data: Any) -> None:
        await response.write(b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n")

    text = answer_text(body["messages"])
    await send(_chunk(body, {"role": "assistant", "content": ""}))
    for place, token in enumerate(tokens_of(text)):
        if place == fault.break_after:
            return await _break(request, response, send, fault)
        await asyncio.sleep(fault.token_delay_s)
        await send(_chunk(body, {"content": token}))
    await send(_chunk(body, {}, fault.finish))
    if fault.has_usage and (body.get("stream_options") or {}).get("include_usage"):
        await send(_chunk(body, None) | {"choices": [], "usage": count_usage(body, text)})
    await send(b"[DONE]")
    return response


async def _break(request: web.Request, response: web.StreamResponse, send: Any, fault: Fault) -> web.StreamResponse:
    match fault.how:
        case "hang up":
            if request.transport is not None:
                request.transport.close()
        case "error":
            await send({"error": {"message": fault.message, "type": "server_error"}})
        case "stall":
            # Until the client gives up, which ends this handler.
            await asyncio.Event().wait()
        case "garbage":
            await send(b"{no json")
    return response


def _chunk(body: Body, delta: dict[str, str] | None, finish: str | None = None) -> Body:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": _ID, "object": "chat.completion.chunk", "created": 0, "model": body["model"], "choices": [choice]}
