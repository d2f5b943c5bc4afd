"""The running operator: its clients, watches and queue, and kopf's handlers that feed it.

kopf watches the PinnokioServices themselves, by `on.event` alone: its timers, daemons and change handlers would add
a finalizer and annotations, and a resource must never wait for an operator that was removed.
"""

import asyncio
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import kopf

from contract.kubernetes import GROUP, PLURAL, VERSION
from controller.cluster.apply import Applier
from controller.cluster.client import WATCH_ENDS_S, WATCH_SILENCE_S, KubernetesApi
from controller.cluster.events import EventWriter
from controller.cluster.figures import FigureReader
from controller.cluster.flag import FlagPublisher
from controller.cluster.informer import Informer
from controller.cluster.queues import QueueReader
from controller.cluster.store import Store
from controller.cluster.valkey import ValkeyConnections
from controller.handlers.figures import FigureSampler
from controller.handlers.flag import FlagKeeper
from controller.handlers.leadership import Leadership
from controller.handlers.metrics import OperatorMetrics, serve_metrics
from controller.handlers.probes import ACTING, STANDING_BY, STARTING, WAITING, Probes
from controller.handlers.queue import ReconcileQueue
from controller.handlers.reconcile import Reconciler
from controller.handlers.rollout import RolloutKeeper, read_addresses
from controller.handlers.scaling import Scaler
from controller.model.base import JsonObject
from controller.model.errors import ApiNotFound, OperatorError
from controller.model.kinds import MANAGED, OBSERVED, SERVICE_RESOURCE
from controller.model.observed import Observed
from controller.model.service import ServiceKey, parse_service
from controller.model.status import Status
from controller.plan.leadership import Holder
from controller.settings import Settings

log = logging.getLogger(__name__)


# How often the API server is asked for the custom resource's definition while it has none.
DEFINITION_RETRY_S: Final = 3.0
RESTART_S: Final = 2.0
# How long the operator waits for its own tasks to end.
END_S: Final = 10.0


@dataclass(slots=True)
class Round:
    """One run of kopf: `ended` tells it to end; `renew`: that another one follows."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    renew: bool = False


class Operator:
    """Made inside the event loop, started and stopped by kopf."""

    def __init__(
        self, settings: Settings, api: KubernetesApi, round_: Round, metrics: OperatorMetrics, probes: Probes
    ) -> None:
        self._api = api
        self._round = round_
        self._probes = probes
        self._metrics = metrics
        self._services: dict[ServiceKey, JsonObject] = {}
        self._store = Store(changed=self._mark)
        events = EventWriter(api, settings.instance)
        self._flags = FlagKeeper(FlagPublisher(api), events)
        self._scaler = Scaler(QueueReader(ValkeyConnections(api)), self._store, self._mark, metrics)
        metrics.queues = self._scaler.live_views
        metrics.statuses = self._statuses
        sampler = FigureSampler(FigureReader(), self._api_addresses, self._mark)
        self._rollouts = RolloutKeeper(sampler, events)
        self._reconciler = Reconciler(
            services=self._services,
            store=self._store,
            applier=Applier(api, self._store),
            events=events,
            flags=self._flags,
            rollouts=self._rollouts,
            scaler=self._scaler,
            resync=settings.resync,
            place=settings.place,
        )
        self._queue = ReconcileQueue(
            self._reconciler.reconcile, observe=metrics.count_reconcile, observe_error=metrics.count_error
        )
        self._places: tuple[str | None, ...] = settings.namespaces or (None,)
        self._informers = {
            place: [Informer(api, self._store, kind, place, self._renew) for kind in (*MANAGED, *OBSERVED)]
            for place in self._places
        }
        # Places all of whose lists were read.
        self._read: set[str | None] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Returns at once, so that the probes answer from the beginning."""
        informers = [informer for each in self._informers.values() for informer in each]
        self._tasks = [asyncio.create_task(informer.run()) for informer in informers]
        self._tasks.append(asyncio.create_task(self._bring_up()))

    async def stop(self) -> None:
        self._metrics.tell_nothing()
        for task in self._tasks:
            task.cancel()
        _, left = await asyncio.wait(self._tasks, timeout=END_S)
        for task in left:
            log.error("does not end, left behind: %s", task)
        await self._scaler.close()
        await self._rollouts.close()
        self._flags.close()
        await self._api.close()

    async def _bring_up(self) -> None:
        if not await self._is_defined():
            await self._wait_for_definition()
            return
        await asyncio.gather(self._queue.run(), *(self._bring_up_in(place) for place in self._places))

    async def _bring_up_in(self, place: str | None) -> None:
        """Reconciles once every list was read: a child that no watch has shown would be taken for missing. A place that
        is refused keeps no other waiting."""
        await asyncio.gather(*(informer.synced.wait() for informer in self._informers[place]))
        log.info("operator started in %s", f"namespace {place}" if place else "all namespaces")
        self._probes.state = ACTING
        self._read.add(place)
        for key in self._services:
            self._mark(key)

    async def _wait_for_definition(self) -> None:
        """kopf looks for the definition when it begins and never again: it begins anew once there is one."""
        log.warning("PinnokioService is not known to the API server: waiting for its definition (crds/)")
        self._probes.state = WAITING
        while not await self._is_defined():  # noqa: ASYNC110 - no event tells of it without more rights
            await asyncio.sleep(DEFINITION_RETRY_S)
        self._renew()

    def _renew(self) -> None:
        """kopf gives a watch up for good where it is refused: it begins anew when the rights are there."""
        self._round.renew = True
        self._round.ended.set()

    async def _is_defined(self) -> bool:
        """No answer, or one that is refused, counts as yes: the watches say what is wrong."""
        try:
            await self._api.list(SERVICE_RESOURCE, self._places[0], "")
        except ApiNotFound:
            return False
        except OperatorError as error:
            log.warning("cannot ask for PinnokioServices: %s", error)
        return True

    def see(self, event: str | None, body: JsonObject) -> None:
        """A PinnokioService that came, changed or went."""
        key = ServiceKey(body["metadata"]["namespace"], body["metadata"]["name"])
        if event == "DELETED":
            self._services.pop(key, None)
        else:
            self._reconciler.note(body)
        if self._is_read(key):
            self._queue.mark(key)

    def _statuses(self) -> Iterator[tuple[ServiceKey, Status | None]]:
        for key, body in self._services.items():
            yield key, parse_service(body).status

    def _api_addresses(self, key: ServiceKey) -> dict[str, str]:
        return read_addresses(Observed.of((), self._store.pods(key)))

    def _mark(self, key: ServiceKey) -> None:
        if key in self._services and self._is_read(key):
            self._queue.mark(key)

    def _is_read(self, key: ServiceKey) -> bool:
        return not self._read.isdisjoint((None, key.namespace))


async def run_operator(settings: Settings) -> None:
    """Until a signal: stands by while another operator holds the Lease, and acts while it holds it itself."""
    metrics, probes = OperatorMetrics(), Probes()
    served = [await serve_metrics(metrics, settings.metrics_port), await probes.serve(settings.probe_port)]
    try:
        if settings.lease is None:
            metrics.leader.set(1)
            await _act(settings, metrics, probes, None)
        else:
            await _take_turns(settings, metrics, probes)
    finally:
        for runner in served:
            await runner.cleanup()


async def _take_turns(settings: Settings, metrics: OperatorMetrics, probes: Probes) -> None:
    def tell(is_held: bool) -> None:
        metrics.leader.set(is_held)
        probes.state = STARTING if is_held else STANDING_BY

    api = await KubernetesApi.connect(metrics.count_request)
    leadership = Leadership(
        api,
        settings.lease or "",
        settings.place or "",
        Holder(settings.instance, settings.pod_uid),
        changed=tell,
    )
    try:
        while await _stand_by(leadership):
            if not await _act(settings, metrics, probes, leadership):
                return
    finally:
        await leadership.release()
        await api.close()


async def _stand_by(leadership: Leadership) -> bool:
    """Whether the Lease is held; False: a signal came first. kopf hears signals only while it runs."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    waiting, stopping = asyncio.create_task(leadership.wait()), asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait((waiting, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
    return not stopped.is_set()


async def _act(settings: Settings, metrics: OperatorMetrics, probes: Probes, leadership: Leadership | None) -> bool:
    """Until a signal (False), or until the Lease is lost (True). Where kopf gives up it begins anew."""
    keeping = asyncio.create_task(leadership.keep(), name="lease") if leadership else None
    try:
        while True:
            probes.state = STARTING
            round_ = Round()
            if keeping is not None:
                keeping.add_done_callback(partial(_end, round_))
            is_renewed = await _run_round(settings, metrics, probes, round_)
            if keeping is not None and keeping.done():
                return True
            if not is_renewed:
                return False
    finally:
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


def _end(round_: Round, _: asyncio.Task[None]) -> None:
    round_.ended.set()


async def _run_round(settings: Settings, metrics: OperatorMetrics, probes: Probes, round_: Round) -> bool:
    """One run of kopf; whether another one is to follow."""
    try:
        await kopf.operator(
            registry=build_registry(settings, round_, metrics, probes),
            standalone=True,
            namespaces=settings.namespaces,
            clusterwide=not settings.namespaces,
            stop_flag=round_.ended,
        )
    except Exception:
        # The edge of the process.
        log.exception("kopf gave up, beginning anew in %.0f s", RESTART_S)
        await asyncio.sleep(RESTART_S)
        return True
    return round_.renew


def build_registry(
    settings: Settings, round_: Round, metrics: OperatorMetrics, probes: Probes
) -> kopf.OperatorRegistry:
    """kopf's handlers, kept apart from its global registry."""
    registry = kopf.OperatorRegistry()
    own, running = settings, list[Operator]()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.startup(registry=registry)
    async def start(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings)
        api = await KubernetesApi.connect(metrics.count_request)
        running.append(Operator(own, api, round_, metrics, probes))
        running[0].start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        # kopf waits five seconds for whoever still waits for this.
        round_.ended.set()
        for operator in running:
            await operator.stop()

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def see(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        running[0].see(type, _plain(body))

    return registry


def _configure(settings: kopf.OperatorSettings) -> None:
    settings.posting.enabled = False
    # Neither namespaces nor CRDs are read: the Role need not allow it.
    settings.scanning.disabled = True
    settings.peering.standalone = True
    # As long as the API server is away: kopf ends the process when it has tried this often.
    settings.networking.error_backoffs = [0.5, 1, 2, *[4] * 10_000]
    # As the watches of our own.
    settings.watching.server_timeout = WATCH_ENDS_S
    settings.watching.inactivity_timeout = WATCH_SILENCE_S


def _plain(body: kopf.Body) -> JsonObject:
    """kopf's view of an object as the plain document that it wraps."""
    plain: JsonObject = {name: _thawed(value) for name, value in body.items()}
    return plain


def _thawed(value: Any) -> Any:
    if hasattr(value, "items"):
        return {name: _thawed(part) for name, part in value.items()}
    return [_thawed(part) for part in value] if isinstance(value, list | tuple) else value
