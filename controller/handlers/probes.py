"""The operator's own /healthz and /readyz: what Kubernetes asks its pod."""

import logging
from typing import Final

from aiohttp import web

STANDING_BY: Final = "standing by"
STARTING: Final = "starting"
ACTING: Final = "acting"
WAITING: Final = "waiting for the definition of PinnokioService"
log = logging.getLogger(__name__)


class Probes:
    """`state`: what this process does. It answers as long as its event loop turns."""

    def __init__(self) -> None:
        self.state = STARTING

    async def serve(self, port: int) -> web.AppRunner:
        """Until the runner is cleaned up. Raises OSError where the port is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", port).start()
        return runner

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "state": self.state})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Ready to act, or to take over; not while it reads what is there."""
        return web.json_response({"state": self.state}, status=503 if self.state == STARTING else 200)
