"""Chroma's REST API v2 over aiohttp: collections and their records, with vectors that somebody else made.

Not Chroma's own client: that brings numpy, OpenTelemetry and gRPC (39 MB and 1.5 s of CPU at its import; aiohttp takes
7 MB and 0.25 s), has no timeouts, and its answers are the same JSON. Each request of ours may be sent twice unharmed.
"""

import asyncio
import importlib
import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from service.domain.errors import DependencyRefused, DependencyUnavailable
from service.domain.vectors import Documents, Vector, check_collection_name, unpack_vector
from service.settings import ChromaSettings

if TYPE_CHECKING:
    import aiohttp

CONNECT_LIMIT_S: Final = 2.0
ANSWER_LIMIT_S: Final = 30.0
CONNECTIONS: Final = 16
# The most that one answer may take of this process's memory.
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
NOT_CONFIGURED: Final = "Chroma is not configured (CHROMA_HOST is not set)"
NO_ANSWER: Final = "Chroma does not answer"
_COLLECTIONS: Final = "/api/v2/tenants/default_tenant/databases/default_database/collections"
_MAX_MESSAGE_CHARS: Final = 500

T = TypeVar("T")


class AnswerTooLarge(Exception):
    """Chroma's answer is larger than MAX_ANSWER_BYTES; it was not read to its end."""


class Collection(msgspec.Struct, frozen=True):
    """`dimension` None: nothing was ever added."""

    id: str
    name: str
    dimension: int | None = None


class Page(msgspec.Struct, frozen=True):
    """Some records without their vectors; metadata stays the JSON it came as, `null` for none."""

    ids: list[str]
    documents: list[str | None] | None = None
    metadatas: list[msgspec.Raw] | None = None


class _Limits(msgspec.Struct, frozen=True):
    max_batch_size: int


class _Fault(msgspec.Struct, frozen=True):
    message: str


class Chroma:
    """One server. Connects at the first request; a server that was away is used again as soon as it answers."""

    def __init__(self, settings: ChromaSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._opening = asyncio.Lock()
        self._max_batch: int | None = None

    @property
    def is_configured(self) -> bool:
        return self._settings.host is not None

    async def heartbeat(self) -> None:
        """Raises DependencyUnavailable."""
        await self._ask("GET", "/api/v2/heartbeat", dict[str, Any])

    async def find(self, name: str) -> Collection | None:
        """None: there is no such collection."""
        check_collection_name(name)
        return await self._ask("GET", f"{_COLLECTIONS}/{quote(name, safe='')}", Collection, is_none_missing=True)

    async def create(self, name: str) -> Collection:
        """The collection of that name, made where there is none."""
        check_collection_name(name)
        body = {"name": name, "get_or_create": True}
        return _present(await self._ask("POST", _COLLECTIONS, Collection, body))

    async def add(self, collection: Collection, documents: Documents, vectors: Sequence[Vector]) -> None:
        """Ids that the collection has keep what they have."""
        await self._write(collection, "add", documents, vectors)

    async def upsert(self, collection: Collection, documents: Documents, vectors: Sequence[Vector]) -> None:
        """Ids that the collection has get another text and vector; their metadata is merged, a null drops a key."""
        await self._write(collection, "upsert", documents, vectors)

    async def query(
        self, collection: Collection, vectors: Sequence[Vector], n_results: int, where: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Chroma's answer: `{ids, documents, metadatas, distances, …}`, a list for each vector. AnswerTooLarge."""
        body = {
            "query_embeddings": [unpack_vector(vector) for vector in vectors],
            "n_results": n_results,
            "where": where,
            "include": ["metadatas", "documents", "distances"],
        }
        return _present(await self._ask("POST", f"{_path(collection)}/query", dict[str, Any], body))

    async def delete(
        self, collection: Collection, *, ids: Sequence[str] | None, where: Mapping[str, Any] | None
    ) -> None:
        """Deletes the records with those ids that also fit the filter; one of the two may be None."""
        await self._ask("POST", f"{_path(collection)}/delete", dict[str, Any], {"ids": ids, "where": where})

    async def count(self, collection: Collection) -> int:
        return _present(await self._ask("GET", f"{_path(collection)}/count", int))

    async def read_page(
        self,
        collection: Collection,
        *,
        limit: int,
        offset: int,
        ids: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> tuple[Page, int]:
        """`limit` records from `offset`, in the order of their ids, and the bytes they came in. AnswerTooLarge.

        `ids`, `where`: of those alone.
        """
        body = {"limit": limit, "offset": offset, "include": ["documents", "metadatas"], "ids": ids, "where": where}
        # A single record is read whatever its size: there is no smaller page.
        max_bytes = MAX_ANSWER_BYTES if limit > 1 else None
        status, answer = await self._send("POST", f"{_path(collection)}/get", body, max_bytes)
        return _present(_parse(status, answer, Page)), len(answer)

    async def read_ids(self, collection: Collection, ids: Sequence[str]) -> Page:
        """The records with those ids, in any order; those that there are not are left out. AnswerTooLarge."""
        body = {"ids": ids, "include": ["documents", "metadatas"]}
        max_bytes = MAX_ANSWER_BYTES if len(ids) > 1 else None
        status, answer = await self._send("POST", f"{_path(collection)}/get", body, max_bytes)
        return _present(_parse(status, answer, Page))

    async def max_batch(self) -> int:
        """The most records that the server takes in one request."""
        if self._max_batch is None:
            self._max_batch = _present(await self._ask("GET", "/api/v2/pre-flight-checks", _Limits)).max_batch_size
        return self._max_batch

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _write(self, collection: Collection, how: str, documents: Documents, vectors: Sequence[Vector]) -> None:
        body = {
            "ids": documents.ids,
            "documents": documents.texts,
            "metadatas": documents.metadatas,
            "embeddings": [b64encode(vector).decode() for vector in vectors],
        }
        await self._ask("POST", f"{_path(collection)}/{how}", dict[str, Any], body)

    async def _ask(
        self, method: str, path: str, kind: type[T], body: Any = None, *, is_none_missing: bool = False
    ) -> T | None:
        status, answer = await self._send(method, path, body, MAX_ANSWER_BYTES)
        if status == 404 and is_none_missing:
            return None
        return _parse(status, answer, kind)

    async def _send(self, method: str, path: str, body: Any, max_bytes: int | None) -> tuple[int, bytes]:
        """Sent once more where the server hung up on a connection that had been idle."""
        session = await self._opened()
        import aiohttp

        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        is_repeated = False
        while True:
            try:
                # Written in parts: aiohttp would copy a large body as a whole, and warns of it.
                body_parts = None if data is None else io.BytesIO(data)
                async with session.request(method, path, data=body_parts, headers=headers) as response:
                    return response.status, await _read(response, max_bytes)
            except (aiohttp.ClientConnectorError, TimeoutError) as fault:
                raise DependencyUnavailable(NO_ANSWER) from fault
            except aiohttp.ClientError as fault:
                if is_repeated:
                    raise DependencyUnavailable(NO_ANSWER) from fault
                is_repeated = True

    async def _opened(self) -> "aiohttp.ClientSession":
        if self._settings.host is None:
            raise DependencyUnavailable(NOT_CONFIGURED)
        if self._session is None:
            async with self._opening:
                if self._session is None:
                    # In a thread: the event loop would stand still for the time of the import.
                    await asyncio.to_thread(importlib.import_module, "aiohttp")
                    self._session = self._open(self._settings.host)
        return self._session

    def _open(self, host: str) -> "aiohttp.ClientSession":
        import aiohttp

        settings = self._settings
        name = f"[{host}]" if ":" in host else host
        return aiohttp.ClientSession(
            f"{'https' if settings.tls else 'http'}://{name}:{settings.port}",
            # Servers up to 0.6 ask for the first or the second, as they were told; Chroma Cloud for the second.
            headers={"Authorization": f"Bearer {settings.token}", "X-Chroma-Token": settings.token}
            if settings.token
            else None,
            timeout=aiohttp.ClientTimeout(total=ANSWER_LIMIT_S, sock_connect=CONNECT_LIMIT_S),
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        )


async def _read(response: "aiohttp.ClientResponse", max_bytes: int | None) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if max_bytes is not None and size > max_bytes:
            raise AnswerTooLarge
        parts.append(part)
    return b"".join(parts)


def _parse(status: int, answer: bytes, kind: type[T]) -> T | None:
    if status >= 400:
        raise _fault(status, answer)
    try:
        return msgspec.json.decode(answer, type=kind)
    except msgspec.DecodeError as fault:
        raise DependencyUnavailable("Chroma's answer cannot be read") from fault


def _fault(status: int, answer: bytes) -> DependencyRefused | DependencyUnavailable:
    try:
        message = msgspec.json.decode(answer, type=_Fault).message[:_MAX_MESSAGE_CHARS]
    except msgspec.DecodeError:
        message = f"HTTP status {status}"
    # Its own words may quote what it was sent.
    logged = f"Chroma answered with status {status}"
    if status == 429 or status >= 500:
        return DependencyUnavailable(f"Chroma cannot serve this now: {message}", logged=logged)
    return DependencyRefused(f"Chroma refused: {message}", logged=logged)


def _present(answer: T | None) -> T:
    """Only a look-up by name has no answer."""
    if answer is None:
        raise DependencyUnavailable("Chroma's answer is empty")
    return answer


def _path(collection: Collection) -> str:
    return f"{_COLLECTIONS}/{collection.id}"
