"""GET /status: how the service is, as a page for people. Who may see it is `service.api.auth`'s.

One template, nothing else is loaded and nothing runs: the policy allows the page's own style, and its icon. Every value
is escaped by Jinja2, for errors and ids are others' words.
"""

import asyncio
import base64
import functools
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from contract.queues import QUEUES
from service.api.auth import refuse_person
from service.api.health import Connections, ValkeyProbe
from service.domain.status import Process, Seen, Status, build_status
from service.settings import Settings
from service.store.flag import FlagSource
from service.store.lane import Lane
from service.store.status import StatusStore

if TYPE_CHECKING:
    from jinja2 import Template

# A person waits this long; then the page says what it knows without Valkey.
READ_LIMIT_S: Final = 2.0
# How often a page may ask to be shown anew, in seconds.
REFRESH_S: Final = (5, 10, 30, 60)
_TEMPLATES: Final = Path(__file__).parent / "templates"


class StatusPage:
    """The endpoint."""

    def __init__(
        self, settings: Settings, lane: Lane, probe: ValkeyProbe, flag: FlagSource, connections: Connections
    ) -> None:
        self._settings = settings
        self._store = StatusStore(lane, settings.celery_key_prefix)
        self._probe = probe
        self._flag = flag
        self._connections = connections
        self._started = time.monotonic()

    async def endpoint(self, request: Request) -> Response:
        """503 while Valkey does not answer, with what is known all the same: a browser shows it, a check notices."""
        refused = refuse_person(request, self._settings.token)
        if refused is not None:
            return refused
        seen = await self._read()
        status = build_status(seen, self._process(), time.time())
        # The library is imported by whoever asks first, and nobody else's request waits for that.
        body = await asyncio.to_thread(render, status, _read_refresh(request))
        code = 503 if seen.valkey_latency_ms is None else 200
        return HTMLResponse(body, code, headers=_headers())

    async def _read(self) -> Seen:
        document = self._flag.document
        routed = {*self._settings.task_routes.values(), *self._flag.routes.values()}
        latency_ms = await self._probe.latency_ms()
        if latency_ms is None:
            return Seen(None, document)
        try:
            async with asyncio.timeout(READ_LIMIT_S):
                return await self._store.read((*QUEUES, *sorted(routed - {*QUEUES})), document, latency_ms)
        except (RedisError, TimeoutError):
            return Seen(None, document)

    def _process(self) -> Process:
        settings = self._settings
        uptime_s = time.monotonic() - self._started
        return Process(settings.version, settings.region, settings.pod_name, uptime_s, self._connections.sockets)


def render(status: Status, refresh_s: int | None = None) -> str:
    """The page as HTML."""
    return _template().render(status=status, style=_style(), refresh_s=refresh_s)


def _read_refresh(request: Request) -> int | None:
    """What `?every=` asks for; None: nothing that may be asked for."""
    asked = request.query_params.get("every", "")
    return next((seconds for seconds in REFRESH_S if str(seconds) == asked), None)


@functools.cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("status.html")


@functools.cache
def _style() -> str:
    return (_TEMPLATES / "status.css").read_text(encoding="utf-8")


@functools.cache
def _headers() -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
