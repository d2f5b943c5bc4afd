"""Listens to many queries over few gRPC streams, and to each again after an outage.

A stream carries up to MAX_TARGETS queries and costs one task and no thread. When one breaks it is opened again with
growing pauses, and every query of it continues from its resume token, or anew where it cannot.
"""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc.aio  # type: ignore[import-untyped]
import structlog
from google.cloud.firestore_v1 import types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from service.gateways.firestore.client import FirestoreClient, build_query, read_document, read_fault
from service.gateways.firestore.model import FirestoreFault
from service.gateways.firestore.targets import Target
from service.gateways.firestore.values import read_time

log = structlog.get_logger("listeners")

# What Google recommends as the most a client listens to; a channel carries 100 streams.
MAX_TARGETS: Final = 100
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
# A stream that owes documents and brings nothing is broken, or its connection is; a slow one gets longer each time.
FIRST_SILENCE_S: Final = 2.0
LONGEST_SILENCE_S: Final = 30.0
# A query that Firestore refused is tried again, slowly: a missing right or index is put right by people.
REFUSED_PAUSE_S: Final = 30.0

_REQUEST: Final = types.ListenRequest.pb()
_RESPONSE: Final = types.ListenResponse.pb()
_CHANGE: Final = types.TargetChange.TargetChangeType


class Watch:
    """All that one process listens to."""

    def __init__(self, client: FirestoreClient) -> None:
        self._client = client
        self._streams: list[_Stream] = []
        self._stream_of: dict[int, _Stream] = {}
        self._ids = itertools.count(1)
        self.clock = ServerClock()

    @property
    def streams(self) -> int:
        return len(self._streams)

    @property
    def targets(self) -> int:
        return len(self._stream_of)

    def add(self, target: Target[Any], *, is_alone: bool = False) -> None:
        """Listens to a target from now on; `is_alone`: over a stream that carries nothing else."""
        stream = None if is_alone else next((each for each in self._streams if each.has_room), None)
        if stream is None:
            stream = _Stream(self._client, self._ids, self.clock, limit=1 if is_alone else MAX_TARGETS)
            self._streams.append(stream)
            stream.start()
        self._stream_of[id(target)] = stream
        stream.add(target)

    def remove(self, target: Target[Any]) -> None:
        """Its snapshots end at once; a stream ends with its last target."""
        stream = self._stream_of.pop(id(target), None)
        if stream is None:
            return
        stream.remove(target)
        if stream.is_empty:
            self._streams.remove(stream)
            stream.cancel()

    def is_connected(self, target: Target[Any]) -> bool:
        """Whether the target's stream is open now, and so the target's state not older than the network."""
        stream = self._stream_of.get(id(target))
        return stream is not None and stream.is_open

    def restart(self, target: Target[Any]) -> None:
        """Listens anew: the target misses what it should have been told."""
        stream = self._stream_of.get(id(target))
        if stream is not None:
            log.warning("firestore_stream_deaf", collection=target.query.collection)
            stream.restart()

    async def close(self) -> None:
        streams, self._streams = self._streams, []
        self._stream_of.clear()
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*(stream.ended() for stream in streams))


class ServerClock:
    """Firestore's time, as it was last told, carried on by this machine's clock."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def set(self, at: datetime) -> None:
        self._ahead = at - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


class _Stream:
    """One listen stream and its targets, by the id that they have on it."""

    def __init__(self, client: FirestoreClient, ids: "itertools.count[int]", clock: ServerClock, *, limit: int) -> None:
        self._client = client
        self._ids = ids
        self._clock = clock
        self._limit = limit
        self._targets: dict[int, Target[Any]] = {}
        self._outgoing: asyncio.Queue[Any] = asyncio.Queue()
        # Targets that were refused and will be tried again.
        self._waiting: dict[int, asyncio.TimerHandle] = {}
        self._task: asyncio.Task[None] | None = None
        self._silence: asyncio.Timeout | None = None
        self._silence_s = FIRST_SILENCE_S
        self.is_open = False

    @property
    def has_room(self) -> bool:
        return len(self._targets) + len(self._waiting) < self._limit

    @property
    def is_empty(self) -> bool:
        return not self._targets and not self._waiting

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="firestore-listen")

    def cancel(self) -> None:
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def add(self, target: Target[Any]) -> None:
        target_id = next(self._ids)
        self._targets[target_id] = target
        self._outgoing.put_nowait(self._adding(target_id, target))
        self._expect()

    def restart(self) -> None:
        """Opens the stream anew."""
        if self._silence is not None and not self._silence.expired():
            self._silence.reschedule(asyncio.get_running_loop().time())

    def remove(self, target: Target[Any]) -> None:
        waiting = self._waiting.pop(id(target), None)
        if waiting is not None:
            waiting.cancel()
        for target_id in [each for each, found in self._targets.items() if found is target]:
            del self._targets[target_id]
            self._outgoing.put_nowait(self._removing(target_id))

    # The stream

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        has_failed = False
        while True:
            self.is_open = False
            try:
                await self._listen(is_outage=has_failed)
            except FirestoreFault as fault:
                level = log.info if self.is_open else log.warning
                level("firestore_stream_broke", error=str(fault), targets=len(self._targets))
            except Exception:
                # The edge of the loop: what listens here must not end with one message that was not understood.
                log.exception("firestore_stream_failed", targets=len(self._targets))
            # A stream that was open and broke is the usual case; an attempt that brought nothing is an outage.
            has_failed = not self.is_open
            if self.is_open:
                pause_s = FIRST_PAUSE_S
            self.is_open = False
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, no secret
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _listen(self, *, is_outage: bool) -> None:
        """Opens the stream and takes what it brings, until it breaks."""
        self._outgoing = asyncio.Queue()
        for target_id, target in self._targets.items():
            target.interrupt(is_outage=is_outage)
            self._outgoing.put_nowait(self._adding(target_id, target))
        call = self._client.listen()
        writing = asyncio.create_task(self._write(call), name="firestore-listen-write")
        try:
            async with asyncio.timeout(None) as self._silence:
                self._expect()
                while (raw := await call.read()) is not grpc.aio.EOF:
                    self.is_open = True
                    self._take(_parse(raw))
                    self._expect()
        except TimeoutError:
            self._silence_s = min(2 * self._silence_s, LONGEST_SILENCE_S)
            raise FirestoreFault("DEADLINE_EXCEEDED", "the stream is silent") from None
        except grpc.aio.AioRpcError as error:
            raise read_fault(error) from None
        finally:
            writing.cancel()
            call.cancel()
            self._silence = None
            # What breaks the stream is told by the reading side.
            await asyncio.gather(writing, return_exceptions=True)
        raise FirestoreFault("OK", "the server ended the stream")

    def _expect(self) -> None:
        """While a target waits for its documents the stream must bring something; afterwards it may be silent."""
        if self._silence is None or self._silence.expired():
            return
        if all(target.is_current for target in self._targets.values()):
            self._silence_s = FIRST_SILENCE_S
            self._silence.reschedule(None)
        else:
            self._silence.reschedule(asyncio.get_running_loop().time() + self._silence_s)

    async def _write(self, call: Any) -> None:
        outgoing = self._outgoing
        while True:
            await call.write(await outgoing.get())

    def _adding(self, target_id: int, target: Target[Any]) -> Any:
        query = {"parent": self._client.parent_of(target.query), "structured_query": build_query(target.query)}
        asked = {"target_id": target_id, "query": query, "resume_token": target.resume_token}
        return _REQUEST(database=self._client.database, add_target=asked)

    def _removing(self, target_id: int) -> Any:
        return _REQUEST(database=self._client.database, remove_target=target_id)

    # What it brings

    def _take(self, response: Any) -> None:
        kind = response.WhichOneof("response_type")
        if kind == "target_change":
            self._take_target_change(response.target_change)
        elif kind == "document_change":
            self._take_document(response.document_change)
        elif kind in ("document_delete", "document_remove"):
            told = getattr(response, kind)
            self._remove_document(told.document, told.removed_target_ids)
        elif kind == "filter":
            self._compare(response.filter.target_id, response.filter.count)

    def _take_target_change(self, change: Any) -> None:
        kind = change.target_change_type
        if kind == _CHANGE.NO_CHANGE:
            if not change.target_ids and change.HasField("read_time"):
                self._clock.set(read_time(change.read_time))
                self._hand_on(change.resume_token)
            return
        for target_id in change.target_ids or list(self._targets):
            target = self._targets.get(target_id)
            if target is None:
                continue
            if kind == _CHANGE.CURRENT:
                target.set_current()
            elif kind == _CHANGE.RESET:
                target.reset()
            elif kind == _CHANGE.REMOVE:
                self._refused(target_id, target, change.cause)

    def _take_document(self, change: Any) -> None:
        document = change.document
        doc_id = document.name.rpartition("/")[2]
        version = (document.update_time.seconds, document.update_time.nanos)
        for target_id in change.target_ids:
            target = self._targets.get(target_id)
            if target is not None:
                target.change(doc_id, version, lambda: read_document(document))
        self._remove_document(document.name, change.removed_target_ids)

    def _remove_document(self, name: str, target_ids: Any) -> None:
        for target_id in target_ids:
            target = self._targets.get(target_id)
            if target is not None:
                target.remove(name.rpartition("/")[2])

    def _hand_on(self, resume_token: bytes) -> None:
        """All that was told so far is consistent."""
        for target in list(self._targets.values()):
            snapshot = target.take_snapshot(resume_token)
            if snapshot is not None:
                try:
                    target.on_snapshot(snapshot)
                except Exception:
                    # One listener's fault is not its neighbours': they share the stream.
                    log.exception("firestore_snapshot_failed", collection=target.query.collection)

    # Targets that cannot go on

    def _compare(self, target_id: int, count: int) -> None:
        """Firestore tells how many documents match: where more or fewer are known, all are asked for again."""
        target = self._targets.get(target_id)
        if target is not None and target.count != count:
            log.info("firestore_target_mismatch", collection=target.query.collection, known=target.count, count=count)
            del self._targets[target_id]
            self._outgoing.put_nowait(self._removing(target_id))
            target.begin_anew()
            self.add(target)

    def _refused(self, target_id: int, target: Target[Any], cause: Any) -> None:
        """Firestore ended a target: at once anew where the token may be at fault, else after a while."""
        log.error("firestore_target_refused", collection=target.query.collection, code=cause.code, error=cause.message)
        del self._targets[target_id]
        pause_s = 0.0 if target.resume_token else REFUSED_PAUSE_S
        target.begin_anew()
        loop = asyncio.get_running_loop()
        self._waiting[id(target)] = loop.call_later(pause_s, self._add_again, target)

    def _add_again(self, target: Target[Any]) -> None:
        del self._waiting[id(target)]
        self.add(target)


def _parse(raw: bytes) -> Any:
    """Raises FirestoreFault for what is no answer: the stream cannot be trusted after it."""
    try:
        return _RESPONSE.FromString(raw)
    except DecodeError as error:
        raise FirestoreFault("DATA_LOSS", str(error)) from None
