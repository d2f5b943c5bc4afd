"""GET /metrics: this process's figures as Prometheus text, and the whole service's, as Valkey has them.

A scrape costs a ping and one round trip of single keys, whatever Valkey holds, and is answered when Valkey is down.
"""

import asyncio
from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from contract.queues import QUEUES
from service.api.health import PING_LIMIT_S, ValkeyProbe
from service.api.shared_figures import SharedFigures
from service.domain.health import ERROR, OK, Answer
from service.settings import Settings
from service.store.figures import FiguresStore, Scrape
from service.store.lane import Lane


class MetricsRoute:
    """The endpoint. `routes`: task type → queue, as the operator wants it; `listeners`: how many are held, by kind."""

    def __init__(
        self,
        settings: Settings,
        lane: Lane,
        probe: ValkeyProbe,
        routes: Callable[[], Mapping[str, str]],
        listeners: Callable[[], Mapping[str, int]],
    ) -> None:
        self._settings = settings
        self._store = FiguresStore(lane)
        self._probe = probe
        self._routes = routes
        self._listeners = listeners

    async def endpoint(self, _: Request) -> Response:
        latency_ms = await self._probe.latency_ms()
        scrape = Scrape() if latency_ms is None else await self._read()
        answer = Answer(ERROR) if latency_ms is None else Answer(OK, latency_ms)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(SharedFigures(scrape, answer, self._listeners()))
        # A thousand series take some ten milliseconds: beside the calls, which would all wait for them.
        body = await asyncio.to_thread(lambda: generate_latest() + generate_latest(registry))
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _read(self) -> Scrape:
        queues = {*QUEUES, *self._settings.task_routes.values(), *self._routes().values()}
        try:
            async with asyncio.timeout(PING_LIMIT_S):
                return await self._store.scrape(queues, self._settings.celery_key_prefix)
        except (RedisError, TimeoutError):
            return Scrape()
