"""uvicorn's WebSocket protocol with a way to close at once.

ASGI's own `websocket.close` waits behind what a slow client has not read yet, for ever. Owns nothing but that.
"""

from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

# Key of the connection scope's extensions; its value holds `close`, a function of code and reason.
CLOSE_NOW: Final = "pinnokio.close_now"
# A client that reads again within this time sees the close frame and its reason; then the connection is cut.
READ_WITHIN_S: Final = 5.0


class SocketProtocol(WebSocketsSansIOProtocol):
    """One connection of /ws."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope.get("extensions") or {}
            extensions[CLOSE_NOW] = {"close": self.close_now}

    def close_now(self, code: int, reason: str) -> None:
        """Sends the close frame behind what is buffered, and cuts the connection soon after."""
        if self.close_sent or self.disconnected or not self.handshake_complete:
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(READ_WITHIN_S, self.transport.abort)
