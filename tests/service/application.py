"""The application as tests use it: in-process over ASGI, or behind a real uvicorn; and `call`, which sends one RPC."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from service.settings import Settings

START_S = 15.0
_keys = itertools.count()


class Server(uvicorn.Server):
    """uvicorn beside the test in its event loop: signals stay the test runner's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def envelope(method: str, *args: Any, **fields: Any) -> dict[str, Any]:
    """A request of /rpc with a key of its own; `fields` go on the envelope (kwargs=…, user_id=…)."""
    return {"api_version": "v1", "method": method, "args": list(args), "idempotency_key": f"k{next(_keys)}", **fields}


class Api:
    """An HTTP client of one running application."""

    def __init__(
        self, client: httpx.AsyncClient, app: ASGIApp, base_url: str, server: uvicorn.Server | None = None
    ) -> None:
        self.http = client
        self.server = server
        self.app = app
        self.base_url = base_url

    async def call(self, method: str, *args: Any, **fields: Any) -> dict[str, Any]:
        """The whole answer, `{"ok":…, "data":…, "error":…}`."""
        response = await self.http.post("/rpc", json=envelope(method, *args, **fields))
        assert response.status_code == 200, (response.status_code, response.text)
        answer: dict[str, Any] = response.json()
        return answer

    async def data(self, method: str, *args: Any, **fields: Any) -> Any:
        """`data` of a call that must succeed."""
        answer = await self.call(method, *args, **fields)
        assert answer["ok"], answer
        return answer["data"]

    @property
    def websocket_url(self) -> str:
        return self.base_url.replace("http://", "ws://") + "/ws"


def _bearer(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.token}"} if settings.token else {}


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[Api]:
    """The application without sockets; its lifespan runs around the block."""
    from service.api.app import create_app

    app = create_app(settings)
    base_url = "http://api.test"
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url, headers=_bearer(settings)) as client,
    ):
        yield Api(client, app, base_url)


@asynccontextmanager
async def behind_uvicorn(settings: Settings) -> AsyncIterator[Api]:
    """The application on a port of its own, as `python -m service` runs it."""
    from service.api.app import create_app
    from service.api.serve import uvicorn_config

    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = Server(uvicorn_config(app, settings))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(START_S):
            while not server.started:
                if serving.done():
                    serving.result()
                    raise RuntimeError("uvicorn ended while starting")
                await asyncio.sleep(0.005)
        async with httpx.AsyncClient(base_url=base_url, headers=_bearer(settings)) as client:
            yield Api(client, app, base_url, server)
    finally:
        server.should_exit = True
        await serving
        listener.close()
