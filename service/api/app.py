"""Puts the API together: clients and stores are made when it starts, handed to who needs them, closed when it ends.

Starlette alone, without FastAPI: importing it takes 0.5 s of a start-up that may take 1.5, and the one route that had a
model is parsed by msgspec in a quarter of the time.
"""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from service import metrics
from service.api.answers import refusal
from service.api.health import HealthRoutes, ValkeyProbe
from service.api.leaving import Leaving
from service.api.metrics_route import MetricsRoute
from service.api.openapi import openapi_route
from service.api.relay import Relay
from service.api.rpc_route import RpcRoute
from service.api.status_page import StatusPage
from service.api.websocket import websocket_route
from service.listeners.service import Listeners
from service.logs import LogLevel
from service.rpc.chroma_vector import ChromaVectorNamespace
from service.rpc.declared import build_namespaces
from service.rpc.dual_write import OPERATIONS, DualWrite
from service.rpc.llm import LlmNamespace
from service.rpc.mounting import mount
from service.rpc.registry import RegistryNamespace
from service.rpc.router import Dispatcher
from service.rpc.starting import TaskStarter
from service.rpc.task import TaskNamespace
from service.rpc.unified_registry import UnifiedRegistryNamespace
from service.rpc.user_companies import UserCompanies
from service.settings import Settings
from service.store.client import connect
from service.store.events import EventStore
from service.store.flag import FlagSource
from service.store.idempotency import IdempotencyStore
from service.store.lane import Lane
from service.store.legacy import LegacyRegistry
from service.store.limits import Limits
from service.store.tasks import TaskStore
from service.store.unified import UnifiedRegistry
from service.tasks.declaring import load_task_types
from service.tasks.services import Gateways
from service.tasks.services import Services as TaskServices


class Services:
    """What one API process works with. Nothing connects before `start`."""

    def __init__(self, settings: Settings) -> None:
        self.valkey = connect(settings.valkey)
        self.lane = Lane(settings.valkey)
        self.flag = FlagSource(self.valkey, settings, LogLevel(settings.log_level))
        self.relay = Relay(self.valkey, settings)
        self.gateways = Gateways.open(settings)
        self.limits = Limits(self.valkey, lambda: self.flag.document.quotas, lambda: self.listeners.quotas)
        self.dispatcher = self._dispatcher(settings)
        metrics.begin_at_zero(self.dispatcher.methods, OPERATIONS)
        self.rpc = RpcRoute(
            settings, self.dispatcher, IdempotencyStore(self.lane, settings.idempotency_ttl_s), self.lane
        )
        self.listeners = Listeners(settings, self.lane, EventStore(self.valkey, settings))
        self.leaving = Leaving(self.relay)
        probe = ValkeyProbe(self.lane)
        self.metrics = MetricsRoute(
            settings, self.lane, probe, lambda: self.flag.routes, lambda: self.listeners.count_by_kind()
        )
        self.status = StatusPage(settings, self.lane, probe, self.flag, self.relay)
        self.health = HealthRoutes(settings, probe, self.flag, self.relay, self.listeners, self.leaving)

    def _dispatcher(self, settings: Settings) -> Dispatcher:
        lane, scan = self.lane, settings.legacy_session_scan
        legacy, unified, tasks = LegacyRegistry(lane), UnifiedRegistry(lane), TaskStore(self.valkey)
        self.companies = UserCompanies(unified, lambda: self.listeners.companies)
        dual = DualWrite(self.flag, unified, self.companies)
        load_task_types()
        task_services = TaskServices.over(settings, self.valkey, lane, self.gateways, self.limits)
        starter = TaskStarter(task_services, self.flag, dual)
        own: dict[str, object] = {
            "REGISTRY": RegistryNamespace(lane, legacy, unified, dual, scan=scan),
            "UNIFIED_REGISTRY": UnifiedRegistryNamespace(lane, legacy, unified, tasks, dual, scan=scan),
            "CHROMA_VECTOR": ChromaVectorNamespace(legacy, unified, dual, self.gateways.vectors, task_services.storage),
            "TASK": TaskNamespace(task_services, starter),
            "LLM": LlmNamespace(task_services, starter),
        }
        own |= build_namespaces(own, settings.rpc_namespaces, starter)
        return Dispatcher(own, mount(settings.rpc_namespaces, frozenset(own)))

    async def start(self) -> None:
        """Valkey need not be there yet: everything that uses it finds it when it comes."""
        await self.flag.start()
        await self.relay.start()
        await self.listeners.start()
        freeze_what_stays()

    async def stop(self) -> None:
        await self.companies.close()
        await self.limits.close()
        await self.listeners.stop()
        await self.relay.stop()
        await self.flag.stop()
        self.dispatcher.close()
        await self.gateways.close()
        await self.lane.close()
        await self.valkey.aclose()


def freeze_what_stays() -> None:
    """Takes modules and clients out of garbage collection: walking them at each full collection stalls every request.

    Measured with 64 connections: p99 of `REGISTRY.register_user` 43-52 ms without, 17-24 ms with it.
    """
    gc.collect()
    gc.freeze()


def create_app(settings: Settings) -> Starlette:
    """The ASGI application; its lifespan starts and stops what it works with."""
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.settings = settings
        app.state.leaving = services.leaving
        app.state.valkey = services.valkey
        app.state.relay = services.relay
        app.state.listeners = services.listeners
        app.state.services = services
        await services.start()
        try:
            yield
        finally:
            await services.stop()

    health = services.health
    routes = [
        Route("/rpc", services.rpc.endpoint, methods=["POST"]),
        Route("/healthz", health.healthz, methods=["GET"]),
        Route("/readyz", health.readyz, methods=["GET"]),
        Route("/version", health.version, methods=["GET"]),
        Route("/debug", health.debug, methods=["GET"]),
        Route("/status", services.status.endpoint, methods=["GET"]),
        Route("/metrics", services.metrics.endpoint, methods=["GET"]),
        Route("/openapi.json", openapi_route(settings, services.dispatcher.methods), methods=["GET"]),
        WebSocketRoute("/ws", websocket_route),
    ]
    handlers = {404: _not_found, 405: _not_allowed}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


async def _not_found(_: Request, __: Exception) -> Response:
    return refusal(404, "Not Found")


async def _not_allowed(_: Request, fault: Exception) -> Response:
    response = refusal(405, "Method Not Allowed")
    response.headers.update(getattr(fault, "headers", None) or {})
    return response
