"""Carries a plan out: server-side apply, removal, status. Answers go into the store before the watch brings them."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from contract.kubernetes import ANNOTATION_DELETION_COST, REPLICAS_MANAGER
from controller.cluster.client import KubernetesApi
from controller.cluster.store import Store
from controller.model.base import JsonObject
from controller.model.errors import ApiNotFound, ApiRefused
from controller.model.kinds import DEPLOYMENT, POD, SERVICE_RESOURCE
from controller.model.observed import ObjectRef, ObservedObject, Refusal
from controller.model.service import PinnokioService, ServiceKey
from controller.model.status import Status

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Applier:
    """`settled`: version at which an object was applied last, so that a difference which cannot be put right
    (the API server writes a value in its own way) is not applied for ever. `unscaled`: generation of a Deployment
    from which on nothing but its replicas changed."""

    api: KubernetesApi
    store: Store
    settled: dict[ServiceKey, dict[ObjectRef, str]] = field(default_factory=dict)
    unscaled: dict[ServiceKey, dict[ObjectRef, int]] = field(default_factory=dict)

    async def read_live(self, key: ServiceKey, refs: Iterable[ObjectRef]) -> list[JsonObject]:
        """Objects that no watch has shown yet and that may be there all the same."""
        found = await asyncio.gather(*(self.api.get(ref.kind, key.namespace, ref.name) for ref in refs))
        return [document for document in found if document is not None]

    async def is_current(self, service: PinnokioService) -> bool:
        """Whether the PinnokioService is still there, the same one, and not going."""
        live = await self.api.get(SERVICE_RESOURCE, service.key.namespace, service.key.name)
        return (
            live is not None and live["metadata"]["uid"] == service.uid and "deletionTimestamp" not in live["metadata"]
        )

    async def apply(
        self,
        key: ServiceKey,
        ref: ObjectRef,
        manifest: JsonObject,
        removal: JsonObject | None = None,
        *,
        is_scale: bool = False,
        given_away: int | None = None,
    ) -> Refusal | None:
        """None: done. Raises what a later try may mend. `given_away`: replicas that an autoscaler sets from now."""
        try:
            if removal is not None:
                await self.api.patch(ref.kind, key.namespace, ref.name, removal)
            if given_away is not None:
                await self._give_away_replicas(manifest, given_away)
            answer = await self.api.apply(manifest)
        except ApiRefused as error:
            log.warning("%s of %s was refused: %s", ref, key, error)
            return Refusal(ref, error.reason, error.message)
        self.settled.setdefault(key, {})[ref] = str(answer["metadata"]["resourceVersion"])
        self.store.put(answer)
        unscaled = self.unscaled.setdefault(key, {})
        if is_scale:
            unscaled.setdefault(ref, int(answer["metadata"]["generation"]) - 1)
        elif ref.kind is DEPLOYMENT and "replicas" not in manifest["spec"]:
            # Whatever comes after is the autoscaler's, which changes nothing but the number.
            unscaled[ref] = int(answer["metadata"]["generation"])
        else:
            unscaled.pop(ref, None)
        return None

    async def _give_away_replicas(self, manifest: JsonObject, replicas: int) -> None:
        """Another field manager holds the number as it is, until the autoscaler writes its own."""
        meta = {name: manifest["metadata"][name] for name in ("name", "namespace")}
        held = {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": meta}
        await self.api.apply(held | {"spec": {"replicas": replicas}}, manager=REPLICAS_MANAGER)

    async def remove(self, key: ServiceKey, seen: ObservedObject) -> Refusal | None:
        """None: done. Raises what a later try may mend."""
        self.settled.get(key, {}).pop(seen.ref, None)
        self.unscaled.get(key, {}).pop(seen.ref, None)
        try:
            await self.api.delete(seen.ref.kind, key.namespace, seen.ref.name, seen.uid)
        except ApiRefused as error:
            log.warning("removal of %s of %s was refused: %s", seen.ref, key, error)
            return Refusal(seen.ref, error.reason, error.message)
        return None

    async def price_pod(self, key: ServiceKey, pod: str, cost: int) -> None:
        """Says what removing a pod costs; one that is gone meanwhile costs nothing."""
        patch = {"metadata": {"annotations": {ANNOTATION_DELETION_COST: str(cost)}}}
        try:
            self.store.put(await self.api.patch(POD, key.namespace, pod, patch))
        except ApiNotFound:
            return
        except ApiRefused as error:
            # A Role of an older chart: Kubernetes then picks by itself, and a pod that goes still ends its tasks.
            log.warning("cost of removing pod %s of %s was refused: %s", pod, key, error)

    async def write_status(self, service: PinnokioService, status: Status) -> JsonObject:
        """The PinnokioService as it stands then. Raises ApiNotFound or ApiConflict where it is gone or another."""
        return await self.api.apply_status(
            {
                "apiVersion": SERVICE_RESOURCE.api_version,
                "kind": SERVICE_RESOURCE.name,
                "metadata": {
                    "name": service.key.name,
                    "namespace": service.key.namespace,
                    "uid": service.uid,
                },
                "status": status.as_json(),
            }
        )

    def forget(self, key: ServiceKey) -> None:
        self.settled.pop(key, None)
        self.unscaled.pop(key, None)
