"""Connections to the Valkeys of the PinnokioServices: one a service, made when first needed, made anew when stale.

Each user of it (the flag, the queues) has connections of its own, so that none waits for another's answer.
"""

import asyncio
import base64
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.cluster.client import KubernetesApi
from controller.cluster.resp import Command, RespConnection, RespError
from controller.model.errors import OperatorError, ValkeyUnavailable
from controller.model.kinds import SECRET
from controller.model.pod import KeyRef
from controller.model.service import ServiceKey

# A Valkey next door answers within a millisecond; a reconcile does not wait for one that does not.
TIMEOUT_S: Final = 1.5
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a PinnokioService's Valkey is. `password` or `password_ref`: at most one; neither: no login."""

    host: str
    port: int
    tls: bool = False
    tls_verify: bool = True
    password: str | None = field(default=None, repr=False)
    password_ref: KeyRef | None = None


@dataclass(frozen=True, slots=True)
class _Connection:
    endpoint: Endpoint
    resp: RespConnection


class ValkeyConnections:
    """One connection a PinnokioService; callers take turns. A changed endpoint gets a new connection."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._connections: dict[ServiceKey, _Connection] = {}
        self._turns: dict[ServiceKey, asyncio.Lock] = {}

    async def call(self, key: ServiceKey, endpoint: Endpoint, *command: str | int | bytes) -> object:
        """The answer to one command. Raises ValkeyUnavailable."""
        (answer,) = await self.call_all(key, endpoint, [command])
        return answer

    async def call_all(self, key: ServiceKey, endpoint: Endpoint, commands: Sequence[Command]) -> list[object]:
        """The answers to commands that are sent at once, in their order. Raises ValkeyUnavailable.

        A connection that was kept may have gone stale: then once more on a new one.
        """
        async with self._turns.setdefault(key, asyncio.Lock()):
            try:
                return await self._call_all(key, endpoint, commands)
            except asyncio.CancelledError:
                # The answer would be taken for that of the next command.
                self._drop(key)
                raise

    def forget(self, key: ServiceKey) -> None:
        self._turns.pop(key, None)
        self._drop(key)

    def close(self) -> None:
        for key in list(self._connections):
            self.forget(key)

    async def _call_all(self, key: ServiceKey, endpoint: Endpoint, commands: Sequence[Command]) -> list[object]:
        known = self._connections.get(key)
        if known is not None and known.endpoint == endpoint:
            try:
                return await known.resp.call_all(commands)
            except RespError as error:
                log.info("connection to Valkey of %s is made anew: %s", key, error)
        self._drop(key)
        try:
            resp = await self._open(key, endpoint)
            self._connections[key] = _Connection(endpoint, resp)
            return await resp.call_all(commands)
        except RespError as error:
            self._drop(key)
            raise ValkeyUnavailable(f"Valkey of {key} at {endpoint.host}: {error}") from error

    def _drop(self, key: ServiceKey) -> None:
        connection = self._connections.pop(key, None)
        if connection is not None:
            connection.resp.close()

    async def _open(self, key: ServiceKey, endpoint: Endpoint) -> RespConnection:
        password = await self._password(key, endpoint)
        return await RespConnection.open(endpoint.host, endpoint.port, _build_tls(endpoint), password, TIMEOUT_S)

    async def _password(self, key: ServiceKey, endpoint: Endpoint) -> str | None:
        ref = endpoint.password_ref
        if ref is None:
            return endpoint.password
        try:
            secret = await self._api.get(SECRET, key.namespace, ref.name)
        except OperatorError as error:
            raise ValkeyUnavailable(f"password of Valkey of {key}: {error}") from error
        encoded = ((secret or {}).get("data") or {}).get(ref.key)
        if encoded is None and not ref.optional:
            raise ValkeyUnavailable(f"Secret {ref.name} of {key} has no key {ref.key}: create it")
        return base64.b64decode(encoded).decode() if encoded else None


def _build_tls(endpoint: Endpoint) -> ssl.SSLContext | None:
    if not endpoint.tls:
        return None
    context = ssl.create_default_context()
    if not endpoint.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
