"""The stand-in's server: aiohttp on a port of its own, in the event loop of the test.

`POST /v1/embeddings` is answered as OpenAI does, in numbers or base64; `/v1/chat/completions` is `chat`'s. Faults, the
key and the record of requests hold for both.
"""

import asyncio
import base64
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiohttp import web

from tests.openai_server.chat import answer_whole, stream_answer
from tests.openai_server.faults import Fault
from tests.openai_server.vectors import DIMENSION, text_vector

API_KEY = "key-of-the-stand-in"
Body = dict[str, Any]
Handler = Callable[[Body, Fault], Awaitable[Body]]

# Limits that OpenAI states for its embedding models.
MAX_INPUTS = 2048
MAX_WORDS = 8192

CHAT = "/v1/chat/completions"
# Refused in words that quote the prompt, as some endpoints do.
UNKNOWN_MODEL = "no-such-model"


class Refused(Exception):
    """A request that OpenAI refuses with 400."""


class OpenAiServer:
    """One running stand-in. `faults` are taken one a request; `requests` are the bodies it got, spoilt ones too;
    `hung_up` counts the clients that went before their answer's end."""

    def __init__(self) -> None:
        self.base_url = ""
        self.dimension = DIMENSION
        self.faults: deque[Fault] = deque()
        self.requests: list[Body] = []
        self.hung_up = 0
        self.routes: dict[str, Handler] = {"/v1/embeddings": self._embeddings, CHAT: self._chat}
        # An endpoint that does not know `encoding_format` answers numbers whatever is asked.
        self.knows_base64 = True

    async def _embeddings(self, body: Body, fault: Fault) -> Body:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if not texts or len(texts) > MAX_INPUTS or not all(texts):
            raise Refused("'$.input' is invalid")
        if max(len(text.split()) for text in texts) > MAX_WORDS:
            raise Refused("This model's maximum context length is 8192 tokens")
        in_base64 = self.knows_base64 and body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": self._vector(text, in_base64=in_base64)}
            for index, text in enumerate(texts)
        ]
        # Any order is allowed: `index` tells which is which.
        data.reverse()
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data[fault.drop :], "model": body["model"], "usage": usage}

    async def _chat(self, body: Body, fault: Fault) -> Body:
        if not body["messages"] or not all(message["content"] for message in body["messages"]):
            raise Refused("'messages' is invalid")
        if body["model"] == UNKNOWN_MODEL:
            raise Refused(f"The model does not exist; you asked: {body['messages'][-1]['content']}")
        return answer_whole(body, fault)

    def _vector(self, text: str, *, in_base64: bool) -> str | list[float]:
        vector = text_vector(text, self.dimension)
        return base64.b64encode(vector.tobytes()).decode() if in_base64 else vector.tolist()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except (asyncio.CancelledError, ConnectionError):
            self.hung_up += 1
            raise

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        handler = self.routes.get(request.path)
        if handler is None:
            return _error(404, f"Unknown request URL: {request.path}")
        if request.headers.get("Authorization") != f"Bearer {API_KEY}":
            return _error(401, f"Incorrect API key provided: {request.headers.get('Authorization', '')[7:]}")
        body = await request.json()
        self.requests.append(body)
        fault = self.faults.popleft() if self.faults else Fault()
        await asyncio.sleep(fault.delay_s)
        if fault.status is not None:
            return _error(fault.status, fault.message, fault.retry_after)
        if fault.garbage is not None:
            return web.Response(body=fault.garbage, content_type="application/json")
        try:
            answer = json.dumps(await handler(body, fault)).encode()
        except Refused as refused:
            return _error(400, str(refused))
        if request.path == CHAT and body.get("stream"):
            return await stream_answer(request, body, fault)
        if fault.is_truncated:
            return await _cut_off(request, answer)
        return web.Response(body=answer, content_type="application/json")


def _error(status: int, message: str, retry_after: str | None = None) -> web.Response:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return web.json_response({"error": {"message": message, "type": "stand_in"}}, status=status, headers=headers)


async def _cut_off(request: web.Request, answer: bytes) -> web.StreamResponse:
    """Announces the whole answer, sends half of it and hangs up."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(answer))})
    await response.prepare(request)
    await response.write(answer[: len(answer) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


@asynccontextmanager
async def running_openai(address: str = "127.0.0.1") -> AsyncIterator[OpenAiServer]:
    """A stand-in on a free port of this machine's `address`, for the time of the block."""
    server = OpenAiServer()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_post("/{path:.*}", server.answer)
    # A client that gives up ends its handler, also one that a fault holds up.
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, address, 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.base_url = f"http://{host}:{port}/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@contextmanager
def openai_beside(address: str = "127.0.0.1") -> Iterator[OpenAiServer]:
    """A stand-in in a thread of its own, for what lives longer than one test's event loop."""
    started: list[OpenAiServer] = []
    is_up, done = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with running_openai(address) as server:
            started.append(server)
            is_up.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="openai-server")
    thread.start()
    try:
        if not is_up.wait(10.0):
            raise TimeoutError("the stand-in did not start")
        yield started[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
