"""The flag document in Valkey, which pods read first and hear changes of."""

import logging
from typing import Final

from contract import flag, keys
from controller.cluster.client import KubernetesApi
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.model.service import ServiceKey

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


class FlagPublisher:
    """Reads and writes flag documents."""

    def __init__(self, api: KubernetesApi) -> None:
        self._connections = ValkeyConnections(api)

    async def read(self, key: ServiceKey, endpoint: Endpoint) -> flag.FlagDocument | None:
        """None: there is none, or one that cannot be read. Raises ValkeyUnavailable."""
        raw = await self._connections.call(key, endpoint, "GET", keys.FLAG)
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
        written = await self._connections.call(
            key, endpoint, "EVAL", _PUBLISH, 1, keys.FLAG, document.revision, encoded, keys.FLAG_CHANNEL
        )
        return written == 1

    def forget(self, key: ServiceKey) -> None:
        self._connections.forget(key)

    def close(self) -> None:
        self._connections.close()
