"""Namespace CHROMA_VECTOR: documents with vectors, beside the registry of who uses which collection.

What Chroma or the OpenAI endpoint cannot or will not do is an answer: `{success: false, error, collection_name}`.
"""

import uuid
from collections.abc import Awaitable
from typing import Any

import structlog

from service.domain.errors import DependencyRefused, DependencyUnavailable, QuotaExceeded
from service.domain.ids import Id
from service.domain.storage import build_storage_report
from service.domain.vectors import Documents
from service.gateways.vector_store import VectorStore
from service.rpc.chroma_registry import ChromaRegistry
from service.rpc.dual_write import DualWrite
from service.rpc.router import current_call
from service.rpc.starting import NeverRan
from service.store.client import VALKEY_FAULTS
from service.store.legacy import LegacyRegistry
from service.store.storage import StorageStore
from service.store.unified import UnifiedRegistry
from service.tasks.storing import CompanyCollections

log = structlog.get_logger("chroma_vector")


class ChromaVectorNamespace(ChromaRegistry):
    """The methods `CHROMA_VECTOR.*` of contract.md."""

    def __init__(
        self,
        legacy: LegacyRegistry,
        unified: UnifiedRegistry,
        dual: DualWrite,
        vectors: VectorStore,
        storage: StorageStore,
    ) -> None:
        super().__init__(legacy, unified, dual, storage)
        self._vectors = vectors
        self._collections = CompanyCollections(vectors, storage)

    async def add_documents(
        self,
        collection_name: Id,
        documents: list[str],
        metadatas: list[dict[str, Any] | None] | None,
        ids: list[str] | None = None,
    ) -> dict[str, Any]:
        """Adds documents to a collection, which is made where there is none. Ids that are there keep what they have."""
        return await _answer(collection_name, self._add(collection_name, documents, metadatas, ids))

    async def query_documents(
        self,
        collection_name: Id,
        query_texts: list[str] | str,
        n_results: int = 10,
        where: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The documents nearest to each text, as Chroma gives them."""
        texts = [query_texts] if isinstance(query_texts, str) else query_texts
        return await _answer(collection_name, self._query(collection_name, texts, n_results, where))

    async def delete_documents(
        self, collection_name: Id, where: dict[str, Any] | None = None, ids: list[str] | str | None = None
    ) -> dict[str, Any]:
        """Deletes the documents with those ids, or that fit a filter, or both."""
        listed = [ids] if isinstance(ids, str) else ids
        return await _answer(collection_name, self._delete(collection_name, where, listed))

    async def get_collection_info(self, collection_name: Id) -> dict[str, Any]:
        """How many documents a collection holds; 0 where there is none of that name."""
        return await _answer(collection_name, self._info(collection_name))

    async def analyze_collection(self, collection_name: Id) -> dict[str, Any]:
        """How much a collection takes up, in bytes."""
        return await _answer(collection_name, self._analyze(collection_name))

    async def create_chroma_instance(self, collection_name: Id) -> dict[str, Any]:
        """Makes a collection where there is none of that name."""
        return await _answer(collection_name, self._create(collection_name))

    async def create_analyzer_instance(self, collection_name: Id) -> dict[str, Any]:
        """Whether a collection can be analysed now."""
        return await _answer(collection_name, self._analyzer(collection_name))

    async def generate_report(self, collection_name: Id) -> dict[str, Any]:
        """The analysis under another name."""
        return await _answer(collection_name, self._report(collection_name))

    async def analyze_storage_full(self, collection_name: Id, max_storage: float = 10.0) -> dict[str, Any]:
        """How much of `max_storage` GB a collection takes up, in the words that Reflex shows."""
        answer = await _answer(collection_name, self._storage_full(collection_name, max_storage))
        return {"success": True, "data": answer["data"]} if answer["success"] else answer

    async def _add(
        self, name: str, texts: list[str], metadatas: list[dict[str, Any] | None] | None, ids: list[str] | None
    ) -> dict[str, Any]:
        ids = [str(uuid.uuid4()) for _ in texts] if ids is None else ids
        company_id, is_limited = await self._company()
        await self._collections.add(company_id, name, Documents(ids, texts, metadatas), is_limited=is_limited)
        return {"documents_added": len(texts), "ids": ids}

    async def _company(self) -> tuple[str | None, bool]:
        """The company that the caller works for, and whether its quota holds: not where the flag is off for the caller.

        None: the envelope names no user; what the collection's own company may hold holds then.
        """
        call = current_call.get()
        if call is None or not call.user_id:
            return None, True
        if not await self._dual.is_on(call.user_id):
            return None, False
        try:
            return await self._dual.companies.current(call.user_id), True
        except VALKEY_FAULTS as fault:
            log.warning("unified_registry_company_unknown", user_id=call.user_id, error=str(fault))
            return None, True

    async def _query(self, name: str, texts: list[str], n_results: int, where: dict[str, Any] | None) -> dict[str, Any]:
        return {"results": await self._vectors.query(name, texts, n_results, where)}

    async def _delete(self, name: str, where: dict[str, Any] | None, ids: list[str] | None) -> dict[str, Any]:
        await self._collections.delete(name, ids=ids, where=where)
        return {"deleted": True}

    async def _info(self, name: str) -> dict[str, Any]:
        return {"document_count": await self._vectors.count(name)}

    async def _analyze(self, name: str) -> dict[str, Any]:
        return {"analysis": (await self._collections.read_sizes(name)).document()}

    async def _create(self, name: str) -> dict[str, Any]:
        collection = await self._vectors.create(name)
        return {"message": f"The Chroma collection '{name}' is ready", "collection_id": collection.id}

    async def _analyzer(self, name: str) -> dict[str, Any]:
        # Counting shows that Chroma serves this collection, without reading it.
        await self._vectors.count(name)
        return {"message": f"The collection '{name}' can be analysed", "analyzer_ready": True}

    async def _report(self, name: str) -> dict[str, Any]:
        sizes = await self._collections.read_sizes(name)
        return {"report": sizes.document(), "message": f"Report of the collection '{name}'"}

    async def _storage_full(self, name: str, max_storage_gb: float) -> dict[str, Any]:
        sizes = await self._collections.read_sizes(name)
        return {"data": build_storage_report(sizes, max_storage_gb)}


async def _answer(collection_name: str, work: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """What `work` found, or why it could not."""
    try:
        found = await work
    except (DependencyUnavailable, DependencyRefused) as fault:
        log.warning("chroma_vector_failed", collection_name=collection_name, error=fault.logged)
        return {"success": False, "error": str(fault), "collection_name": collection_name}
    except QuotaExceeded as fault:
        log.warning("chroma_vector_over_quota", collection_name=collection_name, error=str(fault))
        answer = {"success": False, "error": str(fault), "collection_name": collection_name}
        return NeverRan(answer, retry_after_ms=fault.retry_after_ms)
    return {"success": True, "collection_name": collection_name, **found}
