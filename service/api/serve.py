"""Runs the API container: one process, uvicorn on uvloop and httptools; and ends it so that no client notices.

At TERM: readiness is false, sockets are closed with a word when to come back, every answer closes its connection, and
new requests are still taken until none has come for a second: clients and load balancers learn at their own pace.
Then the port closes, and what is under way ends.
"""

import asyncio
import signal
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.types import ASGIApp

from service.settings import Settings

if TYPE_CHECKING:
    from service.api.leaving import Leaving

# A load balancer keeps idle connections for 60 s; whoever closes first loses the other's next request.
KEEP_ALIVE_S = 75
# Requests under way get this long once the port is closed; an answer of Chroma takes 30 s at most.
GRACE_S = 30
# While it leaves: no request for so long means that all have heard; the longest wait for that.
QUIET_S: Final = 1.0
LEAVE_WITHIN_S: Final = 6.0
STEP_S: Final = 0.1
# What a client sends on /ws is ignored: a large message is a mistake (closed with 1009).
WS_MAX_BYTES = 64 * 1024


def uvicorn_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """At shutdown uvicorn closes WebSockets with 1012."""
    return uvicorn.Config(
        app,
        host="0.0.0.0",
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="service.api.websocket_protocol:SocketProtocol",
        ws_max_size=WS_MAX_BYTES,
        # Compression costs some 300 KB a socket, for messages of a few hundred bytes.
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )


class ApiServer(uvicorn.Server):
    """uvicorn that leaves before it ends, at TERM; at INT, or at a second TERM, it ends at once."""

    _loop: asyncio.AbstractEventLoop | None = None
    _leaving: "asyncio.Task[None] | None" = None

    async def startup(self, sockets: Any = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self.started and self._loop is not None and self._leaving is None:
            self._loop.call_soon_threadsafe(self._begin_to_leave)
        else:
            super().handle_exit(sig, frame)

    def _begin_to_leave(self) -> None:
        if self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_task(self._leave(), name="leave")
            # Whatever becomes of it, the process ends.
            self._leaving.add_done_callback(lambda _: setattr(self, "should_exit", True))

    async def _leave(self) -> None:
        loop = asyncio.get_running_loop()
        # uvicorn puts its default headers on every answer, and closes a connection whose answer says so.
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        app: Any = self.config.app
        leaving: Leaving = app.state.leaving
        until = loop.time() + LEAVE_WITHIN_S
        await leaving.close_sockets()
        requests, quiet_since = self.server_state.total_requests, loop.time()
        while loop.time() < until and loop.time() - quiet_since < QUIET_S:
            await asyncio.sleep(STEP_S)
            if self.server_state.total_requests != requests:
                requests, quiet_since = self.server_state.total_requests, loop.time()


def run_api(settings: Settings) -> int:
    """Serves until TERM; the answer is the process's exit code."""
    from service.api.app import create_app
    from service.logs import set_up_logs

    set_up_logs(settings.log_level, settings.log_format, settings.secrets)
    # uvicorn raises the signal again once it has shut down; ending when told to is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = ApiServer(uvicorn_config(create_app(settings), settings))
    server.run()
    return 0 if server.started else 1
