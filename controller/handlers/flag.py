"""The flag's part of a reconcile: what stands in Valkey, and putting there what should."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from contract import kubernetes
from contract.flag import FlagDocument
from controller.cluster.events import EventWriter
from controller.cluster.flag import FlagPublisher
from controller.cluster.valkey import Endpoint
from controller.manifests.target import GeneratedSecret, Target, valkey_name
from controller.model.errors import ValkeyUnavailable
from controller.model.kinds import SERVICE, STATEFUL_SET
from controller.model.observed import Observed
from controller.model.service import PinnokioService, ServiceKey
from controller.model.spec import PinnokioServiceSpec
from controller.plan.legacy import describe_restoring

# What someone else wrote into Valkey is put back within this time; it costs the API server nothing.
LOOK_AGAIN: Final = timedelta(seconds=30)
# A pod acknowledges within milliseconds; one that does not within seconds is waited for with less haste.
AWAIT_ACKS: Final = timedelta(milliseconds=100)
AWAIT_ACKS_LONG: Final = timedelta(seconds=2)
HASTE_S: Final = 5.0
RETRY: Final = timedelta(seconds=3)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FlagState:
    """`endpoint` None: there is no Valkey to ask yet. `document` None: none stands there; `known` tells whether
    that was seen or could not be. `acknowledgements`: pod → revision, None: not known. `owner`: the PinnokioService
    that the Valkey serves already, as seen last; None: this one, or not known. `fault`: why it was not written."""

    endpoint: Endpoint | None = None
    known: bool = False
    document: FlagDocument | None = None
    acknowledgements: Mapping[str, int] | None = None
    published_s: float = 0.0
    owner: str | None = None
    fault: str = ""

    def next_look(self, *, paused: bool, awaited: bool = False) -> timedelta | None:
        """None: there is nothing to look at; its coming starts a reconcile of its own. `awaited`: pods have yet to
        acknowledge what stands there."""
        if self.endpoint is None:
            return None
        if awaited and self.known and not paused:
            return AWAIT_ACKS if time.monotonic() - self.published_s < HASTE_S else AWAIT_ACKS_LONG
        return LOOK_AGAIN if self.known or self.owner or paused else RETRY


class FlagKeeper:
    """Keeps Valkey's flag document what the spec says. Valkey away is no failure: the mounted file serves."""

    def __init__(self, publisher: FlagPublisher, events: EventWriter) -> None:
        self._publisher = publisher
        self._events = events
        self._published_s: dict[ServiceKey, float] = {}
        self._owners: dict[ServiceKey, str] = {}

    async def read(
        self, key: ServiceKey, spec: PinnokioServiceSpec, secret: GeneratedSecret | None, observed: Observed
    ) -> FlagState:
        endpoint = find_endpoint(key, spec, secret, observed)
        if endpoint is None:
            return FlagState()
        try:
            owner = await self._publisher.claim(key, endpoint)
            if owner != str(key):
                # What stands there is for others: neither is it ours to change, nor does it say anything about us.
                self._owners[key] = owner
                return FlagState(endpoint, owner=owner)
            self._owners.pop(key, None)
            return FlagState(endpoint, known=True, document=await self._publisher.read(key, endpoint))
        except ValkeyUnavailable as error:
            log.info("flag not read: %s", error)
            return FlagState(endpoint, owner=self._owners.get(key), fault=str(error))

    async def publish(self, service: PinnokioService, target: Target, state: FlagState) -> FlagState:
        """What stands there then."""
        if state.endpoint is None or not state.known or state.document == target.flag:
            return state
        try:
            written = await self._publisher.publish(target.key, state.endpoint, target.flag)
        except ValkeyUnavailable as error:
            log.info("flag not published: %s", error)
            return FlagState(state.endpoint, fault=str(error))
        if not written:
            # Someone was quicker with a newer revision: the next look plans from that one.
            return FlagState(state.endpoint)
        self._published_s[target.key] = time.monotonic()
        note = f"revision {target.flag.revision}, {'on' if target.flag.enabled else 'off'}"
        await self._events.write(service, "Normal", "FlagPublished", "Publish", note)
        return FlagState(state.endpoint, known=True, document=target.flag)

    async def read_acknowledgements(self, key: ServiceKey, state: FlagState) -> FlagState:
        """With who serves by which revision."""
        if state.endpoint is None or not state.known:
            return state
        try:
            acknowledgements = await self._publisher.read_acknowledgements(key, state.endpoint)
        except ValkeyUnavailable as error:
            log.info("acknowledgements not read: %s", error)
            return state
        return replace(state, acknowledgements=acknowledgements, published_s=self._published_s.get(key, 0.0))

    async def read_restoring(self, key: ServiceKey, state: FlagState) -> str:
        """How far the copy back into the legacy registry has come, in words; empty: not known."""
        try:
            found = await self._publisher.read_restoring(key, state.endpoint) if state.endpoint else None
        except ValkeyUnavailable as error:
            log.info("copy back into the legacy registry not read: %s", error)
            return ""
        return describe_restoring(*found) if found else ""

    def forget(self, key: ServiceKey) -> None:
        self._published_s.pop(key, None)
        self._owners.pop(key, None)
        self._publisher.forget(key)

    def close(self) -> None:
        self._publisher.close()


def find_endpoint(
    key: ServiceKey, spec: PinnokioServiceSpec, secret: GeneratedSecret | None, observed: Observed
) -> Endpoint | None:
    """The external one, or the embedded one by its Service's address once its pod is ready; None: not there yet."""
    if spec.valkey.mode == "external" and spec.valkey.external:
        external = spec.valkey.external
        return Endpoint(
            host=external.host,
            port=external.port,
            tls=external.tls.enabled,
            tls_verify=external.tls.verify,
            password_ref=external.password_secret_ref,
            ca_ref=external.tls.ca_secret_ref,
        )
    name = valkey_name(key)
    store, service = observed.get(STATEFUL_SET, name), observed.get(SERVICE, name)
    address = service.document.get("spec", {}).get("clusterIP") if service else None
    if not address or store is None or not (store.document.get("status") or {}).get("readyReplicas") or secret is None:
        return None
    password = secret.values.get(kubernetes.VALKEY_PASSWORD_KEY)
    return Endpoint(host=address, port=kubernetes.VALKEY_PORT, password=password)
