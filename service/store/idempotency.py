"""Idempotency keys of /rpc: `idemp:{key}`, claimed by the first request that has it (contract.md, "POST /rpc")."""

from contract import keys
from service.store.lane import Lane


class IdempotencyStore:
    """Claims keys for `ttl_s` seconds. Every method raises redis-py's errors where Valkey does not answer."""

    def __init__(self, lane: Lane, ttl_s: int) -> None:
        self._lane = lane
        self._ttl_s = ttl_s

    async def claim(self, key: str) -> bool:
        """Whether the key was free; it is the caller's now."""
        return await self._lane.ask("SET", keys.idempotency(key), "1", "NX", "EX", self._ttl_s) is not None

    async def release(self, key: str) -> None:
        """Gives a claim back whose call never ran."""
        await self._lane.ask("DEL", keys.idempotency(key))

    async def is_claimed(self, key: str) -> bool:
        return bool(await self._lane.ask("EXISTS", keys.idempotency(key)))
