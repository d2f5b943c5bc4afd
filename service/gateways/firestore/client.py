"""The connections to Firestore: requests with a deadline and no retries of their own, and listen streams beside them.

It speaks the protocol's own messages over gRPC's asyncio side. Google's generated client on top of the same channel
wraps each message of a stream twice and repeats failed calls for a minute; its snapshot listeners are threads.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore.transports.grpc_asyncio import FirestoreGrpcAsyncIOTransport

from service.gateways.firestore.access import EMULATOR_TOKEN, HOST, FirestoreAccess
from service.gateways.firestore.model import Document, FirestoreFault, Merge, Query
from service.gateways.firestore.values import build_fields, build_value, read_fields

SCOPES: Final = ("https://www.googleapis.com/auth/datastore",)
LIMIT_S: Final = 5.0
# Nobody waits for a write, and one that was given up is only repeated.
WRITE_LIMIT_S: Final = 10.0
CHANNEL_OPTIONS: Final = (
    # An outage heals within a second of its end: gRPC's own pause between attempts grows to two minutes otherwise.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # This is the time an attempt may take, too.
    ("grpc.min_reconnect_backoff_ms", 3_000),
    # A connection that went silently (a NAT forgot it) is noticed within a minute.
    ("grpc.keepalive_time_ms", 45_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    # Channels of the same address and options share their connection otherwise.
    ("grpc.use_local_subchannel_pool", 1),
)
# Google's servers carry 100 requests at once over a connection, and the others wait; a listen stream is one that stays.
STREAMS_A_CHANNEL: Final = 90

_PATH: Final = "/google.firestore.v1.Firestore/"
_COMMIT: Final = types.CommitRequest.pb()
_GET: Final = types.GetDocumentRequest.pb()
_RUN_QUERY: Final = types.RunQueryRequest.pb()
_LISTEN: Final = types.ListenRequest.pb()
_WRITE: Final = types.Write.pb()
_STRUCTURED_QUERY: Final = types.StructuredQuery.pb()


class FirestoreClient:
    """Made inside a running event loop; connects at the first request."""

    def __init__(self, access: FirestoreAccess) -> None:
        self.root = access.root
        self.database = access.database
        self._access = access
        self._channel = _open_channel(access)
        self._listening: list[_ListenChannel] = []
        metadata = (("google-cloud-resource-prefix", access.database),)
        self._metadata = (
            (*metadata, ("authorization", f"Bearer {EMULATOR_TOKEN}")) if access.emulator_host else metadata
        )
        unary, stream = self._channel.unary_unary, self._channel.unary_stream
        self._commit: Any = unary(_PATH + "Commit", _COMMIT.SerializeToString, types.CommitResponse.pb().FromString)
        self._get: Any = unary(_PATH + "GetDocument", _GET.SerializeToString, types.Document.pb().FromString)
        self._query: Any = stream(
            _PATH + "RunQuery", _RUN_QUERY.SerializeToString, types.RunQueryResponse.pb().FromString
        )

    async def write(self, merges: Sequence[Merge]) -> None:
        """All of them or none, at most 500."""
        request = _COMMIT(database=self.database, writes=[self._build_write(merge) for merge in merges])
        await self._ask(self._commit, request, limit_s=WRITE_LIMIT_S)

    async def read(self, path: str) -> Document | None:
        """None: there is no such document."""
        try:
            found = await self._ask(self._get, _GET(name=f"{self.root}/{path}"))
        except FirestoreFault as fault:
            if fault.code == grpc.StatusCode.NOT_FOUND.name:
                return None
            raise
        return read_document(found)

    async def query(self, query: Query) -> list[Document]:
        request = _RUN_QUERY(parent=self.parent_of(query), structured_query=build_query(query))
        try:
            call = self._query(request, metadata=self._metadata, timeout=LIMIT_S)
            return [read_document(answer.document) async for answer in call if answer.HasField("document")]
        except grpc.aio.AioRpcError as error:
            raise read_fault(error) from None

    def listen(self) -> Any:
        """A new listen stream: `write(request)`, `read()` → bytes or EOF, `cancel()`."""
        channel = next((each for each in self._listening if each.streams < STREAMS_A_CHANNEL), None)
        if channel is None:
            channel = _ListenChannel(_open_channel(self._access))
            self._listening.append(channel)
        return channel.listen(self._metadata)

    def parent_of(self, query: Query) -> str:
        return f"{self.root}/{query.parent}" if query.parent else self.root

    async def close(self) -> None:
        await asyncio.gather(self._channel.close(), *(each.close() for each in self._listening))

    async def _ask(self, method: Any, request: Any, *, limit_s: float = LIMIT_S) -> Any:
        try:
            return await method(request, metadata=self._metadata, timeout=limit_s)
        except grpc.aio.AioRpcError as error:
            raise read_fault(error) from None

    def _build_write(self, merge: Merge) -> Any:
        transforms = [{"field_path": name, "set_to_server_value": 1} for name in merge.server_times]
        return _WRITE(
            update={"name": f"{self.root}/{merge.path}", "fields": build_fields(merge.fields)},
            update_mask={"field_paths": list(merge.fields)},
            update_transforms=transforms,
        )


class _ListenChannel:
    """A connection of listen streams alone; `streams`: those that are open."""

    def __init__(self, channel: Any) -> None:
        self.streams = 0
        self._channel = channel
        # Answers stay bytes: gRPC would hand out None for one that cannot be parsed.
        self._listen: Any = channel.stream_stream(_PATH + "Listen", _LISTEN.SerializeToString, None)

    def listen(self, metadata: Any) -> Any:
        call = self._listen(metadata=metadata)
        self.streams += 1
        call.add_done_callback(self._ended)
        return call

    async def close(self) -> None:
        await self._channel.close()

    def _ended(self, _: Any) -> None:
        self.streams -= 1


def build_query(query: Query) -> Any:
    """The protocol's query."""
    structured: dict[str, Any] = {"from_": [{"collection_id": query.collection}]}
    if query.where is not None:
        field, value = query.where
        condition = {"field": {"field_path": field}, "op": "EQUAL", "value": build_value(value)}
        structured["where"] = {"field_filter": condition}
    return _STRUCTURED_QUERY(**structured)


def read_document(found: Any) -> Document:
    return Document(found.name.rpartition("/")[2], read_fields(found.fields))


def read_fault(error: grpc.aio.AioRpcError) -> FirestoreFault:
    return FirestoreFault(error.code().name, error.details() or "")


def _open_channel(access: FirestoreAccess) -> Any:
    if access.emulator_host is not None:
        return grpc.aio.insecure_channel(access.emulator_host, options=CHANNEL_OPTIONS)
    from google.oauth2 import service_account

    from_info: Any = service_account.Credentials.from_service_account_info
    credentials = from_info(access.account, scopes=SCOPES)
    # Such a token is signed here; asking Google for one at each start would be a request more that can fail.
    credentials = credentials.with_always_use_jwt_access(True)
    return FirestoreGrpcAsyncIOTransport.create_channel(HOST, credentials=credentials, options=CHANNEL_OPTIONS)
