"""The flag document in Valkey, which pods read first and hear changes of. One connection a PinnokioService."""

import base64
import logging
import ssl
from dataclasses import dataclass, field
from typing import Final

from contract import flag, keys
from controller.cluster.client import KubernetesApi
from controller.cluster.resp import RespConnection, RespError
from controller.model.errors import OperatorError, ValkeyUnavailable
from controller.model.kinds import SECRET
from controller.model.pod import KeyRef
from controller.model.service import ServiceKey

# A Valkey next door answers within a millisecond; a reconcile does not wait for one that does not.
TIMEOUT_S: Final = 1.5
# Writes and tells, unless a newer revision stands there already.
_PUBLISH: Final = """
local known = redis.call('GET', KEYS[1])
if known then
  local read, document = pcall(cjson.decode, known)
  if read and type(document) == 'table' and (tonumber(document.revision) or 0) > tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1
"""
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


class FlagPublisher:
    """Reads and writes flag documents. A changed endpoint gets a new connection."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._connections: dict[ServiceKey, _Connection] = {}

    async def read(self, key: ServiceKey, endpoint: Endpoint) -> flag.FlagDocument | None:
        """None: there is none, or one that cannot be read. Raises ValkeyUnavailable."""
        raw = await self._call(key, endpoint, "GET", keys.FLAG)
        if not isinstance(raw, bytes):
            return None
        try:
            return flag.decode(raw)
        except ValueError as error:
            log.warning("flag document of %s cannot be read and is replaced: %s", key, error)
            return None

    async def publish(self, key: ServiceKey, endpoint: Endpoint, document: flag.FlagDocument) -> bool:
        """Whether it stands there now; False: a newer one does. Raises ValkeyUnavailable."""
        encoded = flag.encode(document)
        written = await self._call(
            key, endpoint, "EVAL", _PUBLISH, 1, keys.FLAG, document.revision, encoded, keys.FLAG_CHANNEL
        )
        return written == 1

    def forget(self, key: ServiceKey) -> None:
        connection = self._connections.pop(key, None)
        if connection is not None:
            connection.resp.close()

    def close(self) -> None:
        for key in list(self._connections):
            self.forget(key)

    async def _call(self, key: ServiceKey, endpoint: Endpoint, *command: str | int | bytes) -> object:
        """A connection that was kept may have gone stale: then once more on a new one."""
        known = self._connections.get(key)
        if known is not None and known.endpoint == endpoint:
            try:
                return await known.resp.call(*command)
            except RespError as error:
                log.info("connection to Valkey of %s is made anew: %s", key, error)
        self.forget(key)
        try:
            resp = await self._open(key, endpoint)
            self._connections[key] = _Connection(endpoint, resp)
            return await resp.call(*command)
        except RespError as error:
            self.forget(key)
            raise ValkeyUnavailable(f"Valkey of {key} at {endpoint.host}: {error}") from error

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
