"""Runs the API container: one process, uvicorn on uvloop and httptools."""

import signal

import uvicorn
from starlette.types import ASGIApp

from service.settings import Settings

# A load balancer keeps idle connections for 60 s; whoever closes first loses the other's next request.
KEEP_ALIVE_S = 75
# Requests under way get this long after TERM; Kubernetes kills after 30 s.
GRACE_S = 20
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


def run_api(settings: Settings) -> int:
    """Serves until TERM; the answer is the process's exit code."""
    from service.api.app import create_app
    from service.logs import set_up_logs

    set_up_logs(settings.log_level)
    # uvicorn raises the signal again once it has shut down; ending when told to is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = uvicorn.Server(uvicorn_config(create_app(settings), settings))
    server.run()
    return 0 if server.started else 1
