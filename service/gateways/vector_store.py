"""Collections of texts: Chroma keeps and finds them, the OpenAI-compatible endpoint makes their vectors.

A collection that nobody made is an empty one: today's service creates it at the first touch, whatever the touch is.
Ours does so only where something is written.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from service.domain.errors import DependencyRefused, DependencyUnavailable, ServiceError
from service.domain.storage import VECTOR_ELEMENT_BYTES, StorageSizes
from service.domain.vector_computation import Record
from service.domain.vectors import Documents, Vector, build_filter
from service.gateways.chroma import AnswerTooLarge, Chroma, Collection, Page
from service.gateways.embeddings import Embeddings, TextsRefused

# Is told how many bytes a write added or, negative, took away.
Counted = Callable[[int], Awaitable[None]]

# Written together: up to this many documents are added all or none (16 KB a vector at most: 16 MB a request).
WINDOW: Final = 1_000
# Vectors of texts that are looked for are all held at once.
MAX_QUERY_TEXTS: Final = 1_000
FIRST_PAGE: Final = 100
MAX_PAGE: Final = 2_000
# Pages grow and shrink towards this size.
PAGE_BYTES: Final = 2 * 1024 * 1024
_NULL: Final = msgspec.Raw(b"null")


class VectorStore:
    """All methods raise DependencyUnavailable or DependencyRefused."""

    def __init__(self, chroma: Chroma, embeddings: Embeddings) -> None:
        self._chroma = chroma
        self._embeddings = embeddings

    async def create(self, name: str) -> Collection:
        """The collection of that name, made where there is none."""
        return await self._chroma.create(name)

    async def add(self, name: str, documents: Documents, counted: Counted | None = None) -> None:
        """Adds documents; ids that are there keep what they have. A failure past the first window tells how many.

        `counted` hears after each window of what it added.
        """
        documents.check()
        collection = await self._chroma.create(name)
        size = min(WINDOW, await self._chroma.max_batch())
        done = 0
        for window in documents.windows(size):
            try:
                vectors = await self._embeddings.embed(window.texts)
                before = await self._present_ids(collection, window.ids) if counted else set()
                await self._chroma.add(collection, window, vectors)
            except ServiceError as fault:
                raise _after(fault, done, len(documents)) from fault
            if counted is not None:
                dimension = len(vectors[0]) // VECTOR_ELEMENT_BYTES
                await counted(_growth(window, dimension, before))
            done += len(window)

    async def read_records(self, collection: Collection, ids: Sequence[str]) -> dict[str, Record]:
        """Those of the ids that the collection has, by id."""
        try:
            page = await self._chroma.read_ids(collection, ids)
        except AnswerTooLarge:
            middle = len(ids) // 2
            found = await self.read_records(collection, ids[:middle])
            return found | await self.read_records(collection, ids[middle:])
        texts = page.documents or [None] * len(page.ids)
        metadatas = page.metadatas or [_NULL] * len(page.ids)
        return {
            name: Record(name, text or "", msgspec.json.decode(metadata) or {})
            for name, text, metadata in zip(page.ids, texts, metadatas, strict=True)
        }

    async def embed_each(self, texts: Sequence[str]) -> list[Vector | TextsRefused]:
        """As `Embeddings.embed_each`."""
        return await self._embeddings.embed_each(texts)

    async def put(self, collection: Collection, documents: Documents, vectors: Sequence[Vector]) -> None:
        """Writes documents with their vectors, a few hundred at most.

        Ids that are there get the new text and vector, and the new metadata beside what they had.
        """
        documents.check()
        size = await self._chroma.max_batch()
        done = 0
        for window in documents.windows(size):
            await self._chroma.upsert(collection, window, vectors[done : done + len(window)])
            done += len(window)

    async def query(
        self, name: str, texts: Sequence[str], n_results: int, where: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """The nearest documents of each text, as Chroma gives them."""
        if not texts or not all(texts):
            raise DependencyRefused("query_texts is empty, or one of them is")
        if len(texts) > MAX_QUERY_TEXTS:
            raise DependencyRefused(f"query_texts holds more than {MAX_QUERY_TEXTS} texts")
        if n_results < 1:
            raise DependencyRefused("n_results is less than 1")
        collection = await self._chroma.find(name)
        if collection is None or collection.dimension is None:
            return _no_results(len(texts))
        vectors = await self._embeddings.embed(texts)
        try:
            return await self._chroma.query(collection, vectors, n_results, build_filter(where))
        except AnswerTooLarge:
            raise DependencyRefused("the answer is too large: ask for fewer n_results") from None

    async def delete(
        self,
        name: str,
        *,
        ids: Sequence[str] | None,
        where: Mapping[str, Any] | None,
        counted: Counted | None = None,
    ) -> None:
        """Deletes by ids, by filter, or by both. `counted` hears of what went."""
        condition = build_filter(where)
        if not ids and condition is None:
            raise DependencyRefused("ids or where is needed: nothing is deleted without either")
        collection = await self._chroma.find(name)
        if collection is None:
            return
        sizes = await self._read_sizes(collection, ids=ids or None, where=condition) if counted else StorageSizes()
        await self._chroma.delete(collection, ids=ids or None, where=condition)
        if counted is not None:
            await counted(-sizes.total_size)

    async def read_dimension(self, name: str) -> int | None:
        """Numbers of a vector in the collection; None: nothing was ever added."""
        collection = await self._chroma.find(name)
        return None if collection is None else collection.dimension

    async def count(self, name: str) -> int:
        collection = await self._chroma.find(name)
        return 0 if collection is None else await self._chroma.count(collection)

    async def read_sizes(self, name: str) -> StorageSizes:
        """Bytes of a collection, counted page by page: all of its texts pass through, a page at a time is held."""
        collection = await self._chroma.find(name)
        return StorageSizes() if collection is None else await self._read_sizes(collection)

    async def estimate_sizes(self, name: str, within_s: float) -> StorageSizes:
        """As `read_sizes`, for at most that long: what was not read by then is taken to be like what was."""
        collection = await self._chroma.find(name)
        if collection is None:
            return StorageSizes()
        sizes = await self._read_sizes(collection, until=time.monotonic() + within_s)
        return sizes.scaled_to(await self._chroma.count(collection))

    async def _read_sizes(
        self,
        collection: Collection,
        *,
        ids: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        until: float | None = None,
    ) -> StorageSizes:
        """`until`: of the clock that only grows; what was read by then, at least one page."""
        count = documents_size = metadata_size = 0
        async with aclosing(self._pages(collection, ids, where)) as pages:
            async for page in pages:
                count += len(page.ids)
                documents_size += _documents_bytes(page)
                metadata_size += _metadata_bytes(page)
                if until is not None and time.monotonic() > until:
                    break
        vectors_size = count * (collection.dimension or 0) * VECTOR_ELEMENT_BYTES
        return StorageSizes(count, vectors_size, documents_size, metadata_size)

    async def _pages(
        self, collection: Collection, ids: Sequence[str] | None, where: Mapping[str, Any] | None
    ) -> AsyncGenerator[Page]:
        offset, limit = 0, FIRST_PAGE
        while True:
            try:
                page, page_bytes = await self._chroma.read_page(
                    collection, limit=limit, offset=offset, ids=ids, where=where
                )
            except AnswerTooLarge:
                limit = max(1, limit // 4)
                continue
            if not page.ids:
                return
            yield page
            offset += len(page.ids)
            limit = _next_limit(limit, page_bytes)

    async def _present_ids(self, collection: Collection, ids: Sequence[str]) -> set[str]:
        """Those of the ids that the collection has."""
        return {found async for page in self._pages(collection, ids, None) for found in page.ids}


def _growth(window: Documents, dimension: int, before: set[str]) -> int:
    """Bytes that adding `window` adds, where the ids of `before` were there."""
    sizes = zip(window.ids, window.record_sizes(dimension), strict=True)
    return sum(size for name, size in sizes if name not in before)


def _after(fault: ServiceError, done: int, total: int) -> ServiceError:
    """The same failure, saying how far it got where that is somewhere."""
    if not done:
        return fault
    kind = DependencyRefused if isinstance(fault, DependencyRefused) else DependencyUnavailable
    where = f"after {done} of {total} documents were added"
    return kind(f"{where}: {fault}", retry_after_ms=fault.retry_after_ms, logged=f"{where}: {fault.logged}")


def _next_limit(limit: int, page_bytes: int) -> int:
    if page_bytes > PAGE_BYTES:
        return max(1, limit // 2)
    return min(MAX_PAGE, limit * 2) if page_bytes < PAGE_BYTES // 2 else limit


def _documents_bytes(page: Page) -> int:
    return sum(len(text.encode()) for text in page.documents or () if text is not None)


def _metadata_bytes(page: Page) -> int:
    """As compact JSON, which is how Chroma sends it."""
    return sum(size for raw in page.metadatas or () if (size := len(bytes(raw))) and bytes(raw) != b"null")


def _no_results(count: int) -> dict[str, Any]:
    """What Chroma answers for an empty collection."""
    names = ("ids", "documents", "metadatas", "distances")
    answer: dict[str, Any] = {name: [[] for _ in range(count)] for name in names}
    return answer | {"embeddings": None, "uris": None, "include": ["metadatas", "documents", "distances"]}
