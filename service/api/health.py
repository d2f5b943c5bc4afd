"""How the process is: /healthz, /readyz, /version, /debug. They ask Valkey at most once at a time, and briefly."""

import asyncio
import time
from typing import Any, Final, Protocol

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.api.auth import refuse
from service.domain.health import HealthCheck, build_report
from service.settings import Settings
from service.store.flag import FlagSource
from service.store.health import HealthStore
from service.store.lane import Lane

# Shorter than any probe's own limit (Kubernetes: 1 s).
PING_LIMIT_S: Final = 0.3


class Connections(Protocol):
    """What is told of the sockets."""

    @property
    def sockets(self) -> int: ...


class FirebaseListeners(Protocol):
    """What is told of the listeners of Firebase."""

    @property
    def users_count(self) -> int: ...

    @property
    def workflow_count(self) -> int: ...

    def report(self) -> dict[str, Any]: ...


class Departure(Protocol):
    """What is told of the process's end."""

    @property
    def is_begun(self) -> bool: ...


class ValkeyProbe:
    """Pings over the lane that the calls use; whoever asks while a ping is under way gets its answer."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._ping: asyncio.Task[float | None] | None = None

    async def latency_ms(self) -> float | None:
        """None: Valkey did not answer in time."""
        if self._ping is None or self._ping.done():
            self._ping = asyncio.create_task(self._measure(), name="valkey-ping")
        return await asyncio.shield(self._ping)

    async def is_up(self) -> bool:
        return await self.latency_ms() is not None

    async def last_health_check(self) -> HealthCheck | None:
        """What a worker found last; None: nothing lately, or Valkey does not tell."""
        try:
            async with asyncio.timeout(PING_LIMIT_S):
                return await HealthStore(self._lane).read()
        except (RedisError, TimeoutError):
            return None

    async def _measure(self) -> float | None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(PING_LIMIT_S):
                await self._lane.ask("PING")
        except (RedisError, TimeoutError):
            return None
        return (time.perf_counter() - started) * 1000


class HealthRoutes:
    """The endpoints."""

    def __init__(
        self,
        settings: Settings,
        probe: ValkeyProbe,
        flag: FlagSource,
        connections: Connections,
        listeners: FirebaseListeners,
        leaving: Departure,
    ) -> None:
        self._settings = settings
        self._probe = probe
        self._flag = flag
        self._connections = connections
        self._listeners = listeners
        self._leaving = leaving
        self._started = time.monotonic()

    async def healthz(self, _: Request) -> Response:
        """200 while the process lives, whatever Valkey does."""
        return JSONResponse(
            {
                "status": "ok",
                "version": self._settings.version,
                "listeners_count": self._listeners.users_count,
                "workflow_listeners_count": self._listeners.workflow_count,
                "redis": "ok" if await self._probe.is_up() else "error",
                "uptime_s": int(time.monotonic() - self._started),
                "region": self._settings.region,
                "sockets": self._connections.sockets,
                "flag_revision": self._flag.revision,
            }
        )

    async def readyz(self, _: Request) -> Response:
        """Also for a load balancer that asks by itself: no new request is for a process that is about to end."""
        if self._leaving.is_begun:
            return JSONResponse({"detail": {"ok": False, "error": "shutting_down"}}, 503)
        if await self._probe.is_up():
            return JSONResponse({"ok": True})
        return JSONResponse({"detail": {"ok": False, "error": "redis_unavailable"}}, 503)

    async def version(self, _: Request) -> Response:
        return JSONResponse({"version": self._settings.version})

    async def debug(self, request: Request) -> Response:
        """A report per dependency; behind the token, and never a secret."""
        return refuse(request, self._settings.token) or JSONResponse(await self._report())

    async def _report(self) -> dict[str, Any]:
        latency_ms = await self._probe.latency_ms()
        checked = await self._probe.last_health_check() if latency_ms is not None else None
        redis: dict[str, Any] = {"status": "error", "error": "no answer"}
        if latency_ms is not None:
            redis = {"status": "ok", "latency_ms": round(latency_ms, 3)}
        valkey, document = self._settings.valkey, self._flag.document
        return {
            "redis": {**redis, "tls": valkey.tls, "db": valkey.db},
            **self._listeners.report(),
            **build_report(
                checked,
                time.time(),
                {
                    "chroma": self._settings.chroma.host is not None,
                    "openai": bool(self._settings.openai.api_key or self._settings.openai.base_url),
                },
            ),
            "gsm": {"status": "skipped"},
            "unified_registry": {
                "status": "ok",
                "revision": document.revision,
                "enabled": document.enabled,
                "debug": self._flag.is_debug,
                "percent_bp": document.percent_bp,
                "legacy_writes": document.legacy_writes,
            },
        }
