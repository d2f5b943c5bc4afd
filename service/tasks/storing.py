"""Writes to collections within their company's storage quota: reserves before, counts what was written, releases.

What cannot be counted, for Valkey is away, is written all the same: maintenance measures each collection anew.
"""

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from service.domain.storage import StorageSizes
from service.domain.vectors import Documents
from service.gateways.vector_store import VectorStore
from service.store.client import VALKEY_FAULTS
from service.store.storage import Reservation, StorageStore

log = structlog.get_logger("pinnokio.quotas")

# Of text-embedding-ada-002, while nothing tells of another.
_DIMENSION: Final = 1_536


class CompanyCollections:
    """All methods raise DependencyUnavailable or DependencyRefused; those that add, QuotaExceeded too."""

    def __init__(self, vectors: VectorStore, storage: StorageStore) -> None:
        self._vectors = vectors
        self._storage = storage

    async def add(self, company_id: str | None, name: str, documents: Documents, *, is_limited: bool = True) -> None:
        """Adds documents; a collection that nobody has written to counts for `company_id` from now on.

        `company_id` None: not known; `is_limited` false: it counts, and is not refused.
        """
        documents.check()
        owner = await self._owner_of(name, company_id)
        if owner is None:
            await self._vectors.add(name, documents)
            return
        reservation = await self._reserve(owner, name, documents) if is_limited else None
        try:
            await self._vectors.add(name, documents, partial(self._count, owner, name, reservation))
        finally:
            if reservation is not None:
                await self._release(reservation)

    async def delete(self, name: str, *, ids: Sequence[str] | None, where: Mapping[str, Any] | None) -> None:
        """Deletes by ids, by filter, or by both; what went counts no more."""
        owner = await self._owner_of(name, None)
        counted = partial(self._count, owner, name, None) if owner is not None else None
        await self._vectors.delete(name, ids=ids, where=where, counted=counted)

    async def read_sizes(self, name: str) -> StorageSizes:
        """Bytes of a collection, and the count put right by them."""
        owner = await self._owner_of(name, None)
        if owner is None:
            return await self._vectors.read_sizes(name)
        sizes, _ = await self.measure(owner, name)
        return sizes

    async def measure(self, owner: str, name: str, within_s: float | None = None) -> tuple[StorageSizes, bool]:
        """Bytes of a collection, and whether the count was put right by them: else it changed, or Valkey is away.

        `within_s`: a large one is read for so long, and the rest of it taken to be alike.
        """
        changes: int | None = None
        try:
            changes = await self._storage.read_changes(owner, name)
        except VALKEY_FAULTS as fault:
            log.warning("storage_not_counted", company_id=owner, collection_name=name, error=repr(fault))
        if within_s is None:
            sizes = await self._vectors.read_sizes(name)
        else:
            sizes = await self._vectors.estimate_sizes(name, within_s)
        if changes is None:
            return sizes, False
        try:
            return sizes, await self._storage.correct(owner, name, sizes.total_size, changes)
        except VALKEY_FAULTS as fault:
            log.warning("storage_not_counted", company_id=owner, collection_name=name, error=repr(fault))
            return sizes, False

    async def _owner_of(self, name: str, company_id: str | None) -> str | None:
        try:
            return await self._storage.owner_of(name, company_id)
        except VALKEY_FAULTS as fault:
            log.warning("storage_not_counted", collection_name=name, error=repr(fault))
            return None

    async def _reserve(self, owner: str, name: str, documents: Documents) -> Reservation | None:
        """Raises QuotaExceeded. None: Valkey is away."""
        size_bytes = sum(documents.record_sizes(await self._vectors.read_dimension(name) or _DIMENSION))
        try:
            return await self._storage.reserve(owner, name, size_bytes, holder=f"call:{uuid.uuid4().hex}")
        except VALKEY_FAULTS as fault:
            log.warning("storage_not_counted", company_id=owner, collection_name=name, error=repr(fault))
            return None

    async def _count(self, owner: str, name: str, reservation: Reservation | None, added_bytes: int) -> None:
        try:
            if reservation is not None:
                await reservation.spend(added_bytes)
            else:
                await self._storage.spend(owner, name, added_bytes)
        except VALKEY_FAULTS as fault:
            log.warning("storage_not_counted", company_id=owner, collection_name=name, error=repr(fault))

    async def _release(self, reservation: Reservation) -> None:
        try:
            await reservation.release()
        except VALKEY_FAULTS as fault:
            # It ends by itself.
            log.warning("storage_not_released", company_id=reservation.company_id, error=repr(fault))
