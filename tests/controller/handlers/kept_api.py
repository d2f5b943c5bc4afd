"""A stand-in for the API server: keeps what is applied and says that all of it runs. And a reconciler upon it."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from contract.kubernetes import ANNOTATION_PAUSED, ANNOTATION_ROLLBACK, FIELD_MANAGER
from controller.cluster.apply import Applier
from controller.cluster.client import KubernetesApi
from controller.cluster.events import EventWriter
from controller.cluster.figures import FigureReader
from controller.cluster.flag import FlagPublisher
from controller.cluster.queues import QueueReader
from controller.cluster.store import Store
from controller.cluster.valkey import ValkeyConnections
from controller.handlers.figures import FigureSampler
from controller.handlers.flag import FlagKeeper
from controller.handlers.metrics import OperatorMetrics
from controller.handlers.reconcile import Reconciler
from controller.handlers.rollout import RolloutKeeper
from controller.handlers.scaling import Scaler
from controller.model.base import JsonObject
from controller.model.errors import ApiNotFound, OperatorError
from controller.model.kinds import EVENT, SERVICE_RESOURCE, Kind, kind_of
from controller.model.observed import ObjectRef
from controller.model.service import parse_service
from controller.model.status import Status
from tests.controller.builders import KEY, UID, running

Kept = dict[tuple[Kind, str], JsonObject]


class KeptApi(KubernetesApi):
    """No watches: what is written is answered, as the operator learns it first. `meanwhile`: what happens before it
    answers about the PinnokioService. `faults`: objects that are answered by an error."""

    def __init__(self) -> None:
        self.kept: Kept = {}
        self.events: list[JsonObject] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.faults: dict[tuple[Kind, str], OperatorError] = {}
        self._version = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:  # noqa: ARG002 - there is one
        if kind is SERVICE_RESOURCE:
            self.meanwhile()
        return copy.deepcopy(self.kept.get((kind, name)))

    async def apply(self, document: JsonObject, manager: str = FIELD_MANAGER) -> JsonObject:  # noqa: ARG002
        kind, meta = kind_of(document["apiVersion"], document["kind"]), document["metadata"]
        self._fail(kind, meta["name"])
        replicas = document.get("spec", {}).get("replicas", 1)
        return self.put(
            kind, document | {"status": running(replicas) | {"observedGeneration": 1}}, f"uid-{meta['name']}"
        )

    async def patch(self, kind: Kind, namespace: str, name: str, patch: JsonObject) -> JsonObject:  # noqa: ARG002
        """What it takes out, the apply that follows leaves out."""
        self._fail(kind, name)
        return copy.deepcopy(self.kept[kind, name])

    async def apply_status(self, document: JsonObject) -> JsonObject:
        self.meanwhile()
        self._fail(SERVICE_RESOURCE, document["metadata"]["name"])
        known = self.kept.get((SERVICE_RESOURCE, document["metadata"]["name"]))
        if known is None:
            raise ApiNotFound("patch: it is gone")
        return self.put(SERVICE_RESOURCE, known | {"status": document["status"]}, known["metadata"]["uid"])

    async def create(self, kind: Kind, namespace: str, document: JsonObject) -> JsonObject:  # noqa: ARG002
        assert kind is EVENT
        self.events.append(document)
        return document

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:  # noqa: ARG002
        self._fail(kind, name)
        self.kept.pop((kind, name), None)

    def _fail(self, kind: Kind, name: str) -> None:
        if (kind, name) in self.faults:
            raise self.faults[kind, name]

    def put(self, kind: Kind, document: JsonObject, uid: str) -> JsonObject:
        self._version += 1
        meta = (
            {"generation": 1, "creationTimestamp": "2026-11-01T00:00:00Z"}
            | document["metadata"]
            | {"uid": uid, "resourceVersion": str(self._version)}
        )
        self.kept[kind, meta["name"]] = copy.deepcopy(document | {"metadata": meta})
        return copy.deepcopy(self.kept[kind, meta["name"]])


def build_body(namespace: str, **spec: Any) -> JsonObject:
    return {
        "apiVersion": SERVICE_RESOURCE.api_version,
        "kind": SERVICE_RESOURCE.name,
        "metadata": {"name": KEY.name, "namespace": namespace},
        "spec": {"image": "pinnokio:1", "queues": [{"name": "default"}]} | spec,
    }


class Bench:
    """One PinnokioService and the reconciler that looks after it."""

    def __init__(self, publisher: FlagPublisher | None = None, reader: QueueReader | None = None) -> None:
        self.api = KeptApi()
        self.store = Store(lambda _: None)
        self.events = EventWriter(self.api, "test")
        self.flags = FlagKeeper(publisher or FlagPublisher(self.api), self.events)
        self.rollouts = RolloutKeeper(FigureSampler(FigureReader(), lambda _: {}, lambda _: None), self.events)
        reader = reader or QueueReader(ValkeyConnections(self.api))
        self.scaler = Scaler(reader, self.store, lambda _: None, OperatorMetrics())
        self.reconciler = Reconciler(
            services={},
            store=self.store,
            applier=Applier(self.api, self.store),
            events=self.events,
            flags=self.flags,
            rollouts=self.rollouts,
            scaler=self.scaler,
            resync=timedelta(hours=1),
        )

    def write(self, uid: str = UID, *, paused: bool = False, rollback: str = "", **spec: Any) -> None:
        """As a person does: another spec is another generation."""
        known = self.api.kept.get((SERVICE_RESOURCE, KEY.name), {})
        body = build_body(KEY.namespace, **spec)
        body["metadata"]["generation"] = known.get("metadata", {}).get("generation", 0) + 1
        annotations = {ANNOTATION_PAUSED: "true" if paused else "", ANNOTATION_ROLLBACK: rollback}
        body["metadata"]["annotations"] = {name: value for name, value in annotations.items() if value}
        status = {"status": known["status"]} if "status" in known else {}
        self.reconciler.note(self.api.put(SERVICE_RESOURCE, body | status, uid))

    def lose(self) -> None:
        """Deleted with all that belongs to it, and no event tells of the PinnokioService."""
        for (kind, _), document in list(self.api.kept.items()):
            if kind is not SERVICE_RESOURCE:
                self.store.remove(document)
        self.api.kept.clear()

    async def settle(self) -> Status:
        """What is told once there is nothing more to do at once."""
        for _ in range(10):
            wait = await self.reconciler.reconcile(KEY)
            if wait != timedelta():
                break
        return self.status()

    def status(self) -> Status:
        """What was told last."""
        status = parse_service(self.api.kept[SERVICE_RESOURCE, KEY.name]).status
        assert status is not None
        return status

    def document(self, ref: ObjectRef) -> JsonObject:
        return self.api.kept[ref.kind, ref.name]

    async def close(self) -> None:
        await self.scaler.close()
        await self.rollouts.close()
        self.flags.close()
