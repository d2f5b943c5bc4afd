"""Route /ws: lets a client in, keeps its socket attached to the relay while it is open, ignores what it sends."""

from typing import Final

from starlette.websockets import WebSocket

from service.api.auth import refuse
from service.api.leaving import SERVICE_RESTART, Leaving, build_pause_ms, build_reason
from service.api.relay import Relay
from service.api.socket import Socket
from service.domain.errors import InvalidArguments
from service.domain.ids import check_id
from service.domain.messages import parse_chat
from service.listeners.service import Listeners, OpenSocket
from service.metrics import WS_CONNECTIONS
from service.settings import Settings

NORMAL_CLOSURE: Final = 1000
POLICY_VIOLATION: Final = 1008
FOREIGN_ORIGIN: Final = "origin_not_allowed"


async def websocket_route(websocket: WebSocket) -> None:
    """`/ws?uid=U[&space_code&thread_key][&mode][&since=ID]`. Events go out as text frames, nothing else does.

    Cases in order: foreign Origin → 403; no token where one is asked for → 401/403; the process is about to end →
    closed with 1012; no uid, or none that can be an id → accepted and closed at once; else attached until the client
    goes.
    """
    settings: Settings = websocket.app.state.settings
    if not is_origin_allowed(websocket.headers.get("origin"), websocket.headers.get("host"), settings):
        await websocket.close(POLICY_VIOLATION, FOREIGN_ORIGIN)
        return
    refusal = refuse(websocket, settings.token if settings.ws_auth else None)
    if refusal is not None:
        await websocket.send_denial_response(refusal)
        return
    await websocket.accept()
    leaving: Leaving = websocket.app.state.leaving
    if leaving.is_begun:
        await websocket.close(SERVICE_RESTART, build_reason(build_pause_ms()))
        return
    uid = websocket.query_params.get("uid", "")
    if not uid:
        await websocket.close(NORMAL_CLOSURE, "uid required")
        return
    try:
        check_id("uid", uid)
    except InvalidArguments as error:
        await websocket.close(POLICY_VIOLATION, str(error))
        return
    await _stay(websocket, uid)


async def _stay(websocket: WebSocket, uid: str) -> None:
    relay: Relay = websocket.app.state.relay
    listeners: Listeners = websocket.app.state.listeners
    query = websocket.query_params
    since = query.get("since")
    socket = Socket(uid, websocket, wants_replay=since is not None)
    chat = parse_chat(uid, query.get("space_code"), query.get("thread_key"), query.get("mode"))
    opened = OpenSocket(uid, chat, socket.push)
    WS_CONNECTIONS.inc()
    try:
        await relay.attach(socket, since)
        listeners.opened(opened)
        while (await websocket.receive())["type"] != "websocket.disconnect":
            # The server only speaks here; text and binary frames alike are read and dropped.
            pass
    finally:
        WS_CONNECTIONS.dec()
        listeners.closed(opened)
        await relay.detach(socket)


def is_origin_allowed(origin: str | None, host: str | None, settings: Settings) -> bool:
    """Whether who opens the socket may. Cases in order: no Origin (no browser) → yes; listed → yes; `*` listed → yes;
    the page of this very host → yes; else no. Example: `https://evil.example` on `api.example` → no.
    """
    if origin is None or origin in settings.ws_allowed_origins or "*" in settings.ws_allowed_origins:
        return True
    return host is not None and origin.partition("://")[2] == host
