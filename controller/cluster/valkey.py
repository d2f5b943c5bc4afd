"""Connections to the Valkeys of the PinnokioServices: one a service, made when first needed, made anew when stale.

Each user of it (the flag, the queues) has connections of its own, so that none waits for another's answer.
"""

import asyncio
import base64
import logging
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from controller.cluster.client import KubernetesApi
from controller.cluster.resp import Command, RespConnection, RespError, RespTimeout
from controller.model.errors import OperatorError, ValkeyUnavailable
from controller.model.kinds import SECRET
from controller.model.pod import KeyRef
from controller.model.service import ServiceKey

# A Valkey next door answers within a millisecond; a reconcile does not wait for one that does not.
TIMEOUT_S: Final = 1.5
# A Valkey that is away is asked again every second or two; the API server is not, for the password to ask it with.
SECRET_KEPT_S: Final = 30.0
# A Secret that is missing or of no use is looked for again sooner: someone may be creating it.
SECRET_MISSED_S: Final = 5.0
# One that does not even refuse costs a reconcile its whole timeout, and only few are made at once: it is left alone for
# a while, longer each time.
SILENT_FIRST_S: Final = 1.0
SILENT_MAX_S: Final = 8.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a PinnokioService's Valkey is. `password` or `password_ref`: at most one; neither: no login. `ca_ref`: the
    certificate of the authority that signed its own; None: those that the system trusts."""

    host: str
    port: int
    tls: bool = False
    tls_verify: bool = True
    password: str | None = field(default=None, repr=False)
    password_ref: KeyRef | None = None
    ca_ref: KeyRef | None = None


@dataclass(frozen=True, slots=True)
class _Secret:
    """A value, None: it need not be there; or `fault`: why there is none of use. `until_s`: how long it holds."""

    until_s: float
    value: str | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Connection:
    endpoint: Endpoint
    resp: RespConnection


@dataclass(frozen=True, slots=True)
class _Silence:
    """An endpoint that did not answer in time, and is not asked again before `until_s`, the clock's."""

    endpoint: Endpoint
    fault: str
    wait_s: float
    until_s: float


class ValkeyConnections:
    """One connection a PinnokioService; callers take turns. A changed endpoint gets a new connection."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._connections: dict[ServiceKey, _Connection] = {}
        self._turns: dict[ServiceKey, asyncio.Lock] = {}
        self._secrets: dict[tuple[ServiceKey, KeyRef], _Secret] = {}
        self._silences: dict[ServiceKey, _Silence] = {}

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
        self._silences.pop(key, None)
        self._secrets = {known: value for known, value in self._secrets.items() if known[0] != key}
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
        silence = self._silences.get(key)
        if silence is not None and silence.endpoint == endpoint and time.monotonic() < silence.until_s:
            raise ValkeyUnavailable(silence.fault)
        try:
            resp = await self._open(key, endpoint)
            self._connections[key] = _Connection(endpoint, resp)
            answers = await resp.call_all(commands)
        except RespError as error:
            self._drop(key)
            fault = f"Valkey of {key} at {endpoint.host}: {error}"
            self._note_silence(key, endpoint, fault if isinstance(error, RespTimeout) else None)
            raise ValkeyUnavailable(fault) from error
        self._silences.pop(key, None)
        return answers

    def _note_silence(self, key: ServiceKey, endpoint: Endpoint, fault: str | None) -> None:
        """`fault` None: it said something."""
        before = self._silences.pop(key, None)
        if fault is not None:
            is_same = before is not None and before.endpoint == endpoint
            wait_s = min(before.wait_s * 2, SILENT_MAX_S) if before is not None and is_same else SILENT_FIRST_S
            self._silences[key] = _Silence(endpoint, fault, wait_s, time.monotonic() + wait_s)

    def _drop(self, key: ServiceKey) -> None:
        connection = self._connections.pop(key, None)
        if connection is not None:
            connection.resp.close()

    async def _open(self, key: ServiceKey, endpoint: Endpoint) -> RespConnection:
        password = endpoint.password
        if endpoint.password_ref:
            password = await self._read_secret(key, endpoint.password_ref)
        authority = await self._read_secret(key, endpoint.ca_ref) if endpoint.tls and endpoint.ca_ref else None
        tls = _build_tls(endpoint, authority)
        return await RespConnection.open(endpoint.host, endpoint.port, tls, password, TIMEOUT_S)

    async def _read_secret(self, key: ServiceKey, ref: KeyRef) -> str | None:
        """None: it is not there, and need not be. Raises ValkeyUnavailable."""
        known = self._secrets.get((key, ref))
        if known is None or time.monotonic() >= known.until_s:
            known = self._secrets[key, ref] = await self._look_up(key, ref)
        if known.fault is not None:
            raise ValkeyUnavailable(known.fault)
        return known.value

    async def _look_up(self, key: ServiceKey, ref: KeyRef) -> _Secret:
        missed_until_s = time.monotonic() + SECRET_MISSED_S
        try:
            secret = await self._api.get(SECRET, key.namespace, ref.name)
        except OperatorError as error:
            return _Secret(missed_until_s, fault=f"Secret {ref.name} for Valkey of {key}: {error}")
        encoded = ((secret or {}).get("data") or {}).get(ref.key)
        if encoded is None and not ref.optional:
            return _Secret(missed_until_s, fault=f"Secret {ref.name} of {key} has no key {ref.key}: create it")
        try:
            value = base64.b64decode(encoded).decode() if encoded else None
        except ValueError:
            # A certificate in DER, for one.
            return _Secret(missed_until_s, fault=f"Secret {ref.name} of {key}: {ref.key} is no text: correct it")
        return _Secret(time.monotonic() + SECRET_KEPT_S, value)


def _build_tls(endpoint: Endpoint, authority: str | None) -> ssl.SSLContext | None:
    """Raises ValkeyUnavailable where the authority is no certificate."""
    if not endpoint.tls:
        return None
    try:
        # ssl takes ASCII alone, and a certificate is: the rest is comments.
        context = ssl.create_default_context(cadata=authority and authority.encode("ascii", "ignore").decode())
    except ssl.SSLError as error:
        name = endpoint.ca_ref.name if endpoint.ca_ref else ""
        raise ValkeyUnavailable(f"Secret {name} holds no certificate in PEM: correct it ({error})") from error
    if not endpoint.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
