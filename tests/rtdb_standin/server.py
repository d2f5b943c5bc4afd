"""A stand-in for the Firebase Realtime Database: REST and server-sent events over JSON in memory. Not the real one.

It knows GET (also `shallow`), PUT, PATCH (names may be paths), POST and DELETE on `/{path}.json`, and streams `put` and
`patch` events as the database documents them. It has no rules, queries or ETags. `token`: what every request must bear.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

KEEP_ALIVE_S = 30.0


class RtdbStandIn:
    """`tree` is the whole database. `stop` and `start` keep its port and its data."""

    def __init__(self, token: str | None = None) -> None:
        self.tree: Any = None
        self.token = token
        self.requests: list[tuple[str, str]] = []
        self._streams: dict[asyncio.Queue[tuple[str, Any] | None], str] = {}
        self._keys = itertools.count()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def listened(self) -> list[str]:
        """The paths of the streams that are open."""
        return list(self._streams.values())

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def stop(self) -> None:
        for stream in self._streams:
            stream.put_nowait(None)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def read(self, path: str) -> Any:
        node = self.tree
        for part in _parts(path):
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def put(self, path: str, data: Any) -> None:
        self._set(path, data)
        self._tell("put", path, data)

    def patch(self, path: str, children: dict[str, Any]) -> None:
        for name, data in children.items():
            self._set(f"{path}/{name}", data)
        self._tell("patch", path, children)

    def push(self, path: str, data: Any) -> str:
        key = f"-M{next(self._keys):018d}"
        self.put(f"{path}/{key}", data)
        return key

    # HTTP

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "Unauthorized request."}, status=401)
        path = request.match_info["path"].removesuffix(".json").strip("/")
        self.requests.append((request.method, path))
        if request.method == "GET" and "text/event-stream" in request.headers.get("Accept", ""):
            return await self._stream(request, path)
        if request.method == "GET":
            found = self.read(path)
            if request.query.get("shallow") == "true" and isinstance(found, dict):
                found = dict.fromkeys(found, True)
            return web.json_response(found)
        data = json.loads(await request.read() or b"null")
        if request.method == "POST":
            return web.json_response({"name": self.push(path, data)})
        if request.method == "PATCH":
            self.patch(path, data)
        else:
            self.put(path, data)
        return web.json_response(data)

    async def _stream(self, request: web.Request, path: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        queue: asyncio.Queue[tuple[str, Any] | None] = asyncio.Queue()
        self._streams[queue] = path
        try:
            await response.write(_event("put", {"path": "/", "data": self.read(path)}))
            while (told := await _next(queue)) is not None:
                await response.write(_event(*told))
        except ConnectionError:
            pass
        finally:
            del self._streams[queue]
        return response

    # The tree

    def _set(self, path: str, data: Any) -> None:
        self.tree = _put(self.tree, _parts(path), data)

    def _tell(self, kind: str, path: str, data: Any) -> None:
        """Tells each stream a change at, below or above its own path."""
        changed = _parts(path)
        for queue, listened in self._streams.items():
            own = _parts(listened)
            if changed[: len(own)] == own:
                queue.put_nowait((kind, {"path": "/" + "/".join(changed[len(own) :]), "data": data}))
            elif own[: len(changed)] == changed:
                queue.put_nowait(("put", {"path": "/", "data": self.read(listened)}))


@asynccontextmanager
async def running_standin(token: str | None = None) -> AsyncIterator[RtdbStandIn]:
    standin = RtdbStandIn(token)
    await standin.start()
    try:
        yield standin
    finally:
        await standin.stop()


async def _next(queue: "asyncio.Queue[tuple[str, Any] | None]") -> tuple[str, Any] | None:
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            return await queue.get()
    except TimeoutError:
        return "keep-alive", None


def _event(kind: str, data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _put(node: Any, parts: list[str], data: Any) -> Any:
    if not parts:
        return data
    children = dict(node) if isinstance(node, dict) else {}
    child = _put(children.get(parts[0]), parts[1:], data)
    if child is None:
        children.pop(parts[0], None)
    else:
        children[parts[0]] = child
    return children or None
