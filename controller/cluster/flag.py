"""The flag document in Valkey, which pods read first and hear changes of, and who acknowledged which revision."""

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from contract import flag, keys
from contract.restoring import RestoreProgress
from controller.cluster.client import KubernetesApi
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.model.service import ServiceKey

# Writes and tells, unless a newer revision stands there already; over what could not be read (ARGV[4]) whatever it
# says. In a full Valkey, too: a few hundred bytes, and people switch the flag off just then.
_PUBLISH: Final = """#!lua flags=allow-oom
local known = redis.call('GET', KEYS[1])
if known and known ~= ARGV[4] then
  local read, document = pcall(cjson.decode, known)
  if read and type(document) == 'table' and (tonumber(document.revision) or 0) > tonumber(ARGV[1]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1
"""
# The first that asks owns it, as long as it goes on asking. A full Valkey takes no claim, and is read all the same.
_CLAIM: Final = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
if owner then redis.pcall('EXPIRE', KEYS[1], ARGV[2]) else redis.pcall('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return ARGV[1]
"""
# Ten looks: a service that is deleted, or an operator that is away, leaves it free after this.
OWNED_S: Final = 300
# A process renews its acknowledgement each half minute; one that has not changed for this long is of one that died.
ACK_LIVES_S: Final = 90.0
ACK_SWEPT_S: Final = 3_600.0
log = logging.getLogger(__name__)


class FlagPublisher:
    """Reads and writes flag documents."""

    def __init__(self, api: KubernetesApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._connections = ValkeyConnections(api)
        self._clock = clock
        # Flag documents that cannot be read, as they were seen.
        self._unreadable: dict[ServiceKey, bytes] = {}
        # Each acknowledgement and when it was seen first as it is: two machines' clocks are never compared.
        self._acks: dict[ServiceKey, dict[bytes, tuple[bytes, float]]] = {}

    async def claim(self, key: ServiceKey, endpoint: Endpoint) -> str:
        """Whose Valkey it is: `namespace/name` of a PinnokioService, this one where it is nobody else's. Raises
        ValkeyUnavailable."""
        owner = await self._connections.call(key, endpoint, "EVAL", _CLAIM, 1, keys.OWNER, str(key), OWNED_S)
        return owner.decode(errors="replace") if isinstance(owner, bytes) else str(key)

    async def read(self, key: ServiceKey, endpoint: Endpoint) -> flag.FlagDocument | None:
        """None: there is none, or one that cannot be read. Raises ValkeyUnavailable."""
        raw = await self._connections.call(key, endpoint, "GET", keys.FLAG)
        self._unreadable.pop(key, None)
        if not isinstance(raw, bytes):
            return None
        try:
            return flag.decode(raw)
        except ValueError as error:
            self._unreadable[key] = raw
            log.warning("flag document of %s cannot be read and is replaced: %s", key, error)
            return None

    async def publish(self, key: ServiceKey, endpoint: Endpoint, document: flag.FlagDocument) -> bool:
        """Whether it stands there now; False: a newer one does. Raises ValkeyUnavailable."""
        encoded = flag.encode(document)
        unreadable = self._unreadable.get(key, b"")
        written = await self._connections.call(
            key, endpoint, "EVAL", _PUBLISH, 1, keys.FLAG, document.revision, encoded, keys.FLAG_CHANNEL, unreadable
        )
        return written == 1

    async def read_acknowledgements(self, key: ServiceKey, endpoint: Endpoint) -> dict[str, int]:
        """Pod → the revision that its process serves by: a pod of the API runs one, the latest heard of is meant.

        Those that have not changed for long are of processes that died, and are removed. Raises ValkeyUnavailable.
        """
        raw = await self._connections.call(key, endpoint, "HGETALL", keys.FLAG_ACKS)
        entries = raw if isinstance(raw, list) else []
        now, latest, swept = self._clock(), dict[str, flag.FlagAck](), list[bytes]()
        known, self._acks[key] = self._acks.get(key, {}), {}
        for name, value in zip(entries[::2], entries[1::2], strict=False):
            before, since_s = known.get(name, (value, now))
            since_s = since_s if before == value else now
            self._acks[key][name] = (value, since_s)
            try:
                ack = msgspec.json.decode(value, type=flag.FlagAck)
            except msgspec.MsgspecError:
                swept.append(name)
                continue
            if now - since_s > ACK_SWEPT_S:
                swept.append(name)
            elif now - since_s <= ACK_LIVES_S:
                latest[ack.pod] = max(ack, latest.get(ack.pod, ack), key=lambda each: each.seen_at)
        if swept:
            await self._connections.call(key, endpoint, "HDEL", keys.FLAG_ACKS, *swept)
        return {pod: ack.revision for pod, ack in latest.items()}

    async def read_restoring(self, key: ServiceKey, endpoint: Endpoint) -> tuple[RestoreProgress, int] | None:
        """How far the copy back into the legacy registry has come, and of how many keys; None: not begun, or it has
        ended. Raises ValkeyUnavailable."""
        raw, total = await self._connections.call_all(key, endpoint, [("GET", keys.RESTORE_LEGACY), ("DBSIZE",)])
        if not isinstance(raw, bytes) or not isinstance(total, int):
            return None
        try:
            return msgspec.json.decode(raw, type=RestoreProgress), total
        except msgspec.MsgspecError:
            return None

    def forget(self, key: ServiceKey) -> None:
        self._acks.pop(key, None)
        self._unreadable.pop(key, None)
        self._connections.forget(key)

    def close(self) -> None:
        self._connections.close()
