"""Who uses which Chroma collection: the registry's part of namespace CHROMA_VECTOR, legacy and, where on, unified."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from service import metrics
from service.domain.ids import Id
from service.domain.legacy import LegacyCollection, legacy_time
from service.rpc.dual_write import CHROMA, DualWrite
from service.store.legacy import LegacyRegistry
from service.store.storage import StorageStore
from service.store.unified import UnifiedRegistry


class ChromaRegistry:
    """`CHROMA_VECTOR.register_collection_user`, `.heartbeat_collection` and `.unregister_collection_user`."""

    def __init__(
        self, legacy: LegacyRegistry, unified: UnifiedRegistry, dual: DualWrite, storage: StorageStore
    ) -> None:
        self._legacy = legacy
        self._unified = unified
        self._dual = dual
        self._storage = storage

    async def register_collection_user(self, user_id: Id, collection_name: Id, session_id: Id) -> dict[str, str]:
        """Notes that a user works with a collection, for 90 seconds."""
        now = datetime.now(UTC)
        at = legacy_time(now)
        entry = LegacyCollection(user_id, collection_name, session_id, registered_at=at, last_heartbeat=at)
        await self._legacy.register_collection(entry)
        metrics.REGISTRY_OPERATIONS.count("legacy", "register_collection_user")
        if await self._note("register_collection_user", user_id, collection_name, now):
            # Its documents count for this user's company, unless another's was first.
            await self._dual.write(
                "claim_collection", user_id, partial(self._claim, user_id, collection_name), sync=CHROMA
            )
        return entry.document()

    async def heartbeat_collection(self, user_id: Id, collection_name: Id) -> dict[str, Any]:
        """Renews that note where it still is."""
        now = datetime.now(UTC)
        is_updated = await self._legacy.heartbeat_collection(user_id, collection_name, legacy_time(now))
        metrics.REGISTRY_OPERATIONS.count("legacy", "heartbeat_collection")
        if is_updated:
            await self._note("heartbeat_collection", user_id, collection_name, now)
        return {"user_id": user_id, "collection_name": collection_name, "heartbeat_updated": is_updated}

    async def unregister_collection_user(self, user_id: Id, collection_name: Id) -> dict[str, Any]:
        """Takes that note back."""
        is_removed = await self._legacy.unregister_collection(user_id, collection_name)
        metrics.REGISTRY_OPERATIONS.count("legacy", "unregister_collection_user")
        if await self._dual.is_on(user_id):
            change = partial(self._unified.remove_collection, user_id, collection_name)
            adopting = partial(self._dual.adopting, user_id, change)
            await self._dual.write("unregister_collection_user", user_id, adopting, sync=CHROMA)
        return {"user_id": user_id, "collection_name": collection_name, "unregistered": is_removed}

    async def _note(self, operation: str, user_id: str, collection_name: str, now: datetime) -> bool:
        """Whether the flag is on for the user, so that the unified registry was told."""
        if not await self._dual.is_on(user_id):
            return False
        change = partial(self._unified.add_collection, user_id, collection_name, now)
        await self._dual.write(operation, user_id, partial(self._dual.adopting, user_id, change), sync=CHROMA)
        return True

    async def _claim(self, user_id: str, collection_name: str) -> None:
        await self._storage.claim(collection_name, await self._dual.companies.current(user_id))
