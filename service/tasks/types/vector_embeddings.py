"""vector_embeddings: puts documents with their vectors into a collection, batch by batch.

What the collection holds already is neither computed nor written again. A batch's counts are remembered before it is
written, so that they are true also when its worker dies between the two and another one writes it again: under the
same ids.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from contract.queues import VECTOR_EMBEDDINGS
from service.domain.errors import DependencyRefused, DependencyUnavailable, InvalidArguments
from service.domain.ids import Id
from service.domain.quotas import MAX_TASKS_PER_USER, STORAGE_LIMIT_MB
from service.domain.vector_computation import (
    BatchCounts,
    Intake,
    Record,
    SentDocument,
    build_result,
    count_batch,
    plan_batch,
    read_documents,
)
from service.domain.vectors import Vector, check_collection_name
from service.gateways.chroma import Collection
from service.gateways.embeddings import TextsRefused
from service.tasks.declaring import Arguments, Result, Start, TaskContext, TaskFailure, task_type
from service.tasks.ending import patiently

T = TypeVar("T")

# The endpoint retries by itself; Chroma's pod is given this long to come back.
CHROMA_PATIENCE_S: Final = 60.0
_RETRY_EVERY_S: Final = 0.5
_PREPARED_PERCENT: Final = 5
_COMPUTED_PERCENT: Final = 95


def start(user_id: Id, documents: list[str | SentDocument], collection_name: Id) -> Start:
    """Puts documents with their vectors into a collection: texts, or `{"content": text, "id": …, "metadata": {…}}`."""
    try:
        check_collection_name(collection_name)
    except DependencyRefused as fault:
        raise InvalidArguments(f"collection_name: {fault}") from None
    read_documents(documents)
    # The same documents sent again while they are computed are the same task.
    digest = hashlib.sha256(msgspec.json.encode([user_id, documents])).hexdigest()[:16]
    return Start(
        user_id,
        {"documents": documents, "collection_name": collection_name},
        answer={"collection_name": collection_name},
        task_id=f"embeddings_{collection_name}_{digest}",
    )


@task_type(
    VECTOR_EMBEDDINGS,
    starts={"TASK.start_vector_computation": start},
    quotas=(MAX_TASKS_PER_USER, STORAGE_LIMIT_MB),
)
async def compute(context: TaskContext, arguments: Arguments) -> Result:
    computation = _Computation(context, arguments["collection_name"], read_documents(arguments["documents"]))
    try:
        return await computation.run()
    except (DependencyUnavailable, DependencyRefused, TaskFailure) as fault:
        raise TaskFailure(computation.explain(fault), logged=fault.logged) from fault


class _Computation:
    """One attempt at a computation. `_counts`: of the batches that are in the collection, in their order."""

    def __init__(self, context: TaskContext, collection_name: str, intake: Intake) -> None:
        self._context = context
        self._gateways = context.services.gateways
        self._name = collection_name
        self._intake = intake
        self._counts: list[BatchCounts] = []
        self._told_percent = 0

    async def run(self) -> Result:
        remembered = await self._context.recall()
        vectors = self._gateways.vectors
        collection = await self._patiently(lambda: vectors.create(self._name))
        await self._context.step_done("preprocessing", _PREPARED_PERCENT)
        for place, batch in self._intake.batches():
            note = f"{place}+{len(batch)}"
            counts = msgspec.convert(remembered[note], BatchCounts) if note in remembered else None
            if counts is None or not counts.is_written:
                counts = await self._write(collection, batch, note, counts)
            self._counts.append(counts)
            await self._tell(place + len(batch))
        await self._context.step_done("final_processing", 100)
        return build_result(self._name, self._intake, self._counts)

    def explain(self, fault: Exception) -> str:
        """The failure, and how far it got: what is written stays, and is not computed again."""
        done = sum(counts.processed for counts in self._counts)
        if not done:
            return str(fault)
        return f"after {done} of {len(self._intake.records)} documents: {fault}; start it again for the rest"

    async def _write(
        self, collection: Collection, batch: Sequence[Record], note: str, earlier: BatchCounts | None
    ) -> BatchCounts:
        """Writes a batch. `earlier`: its counts, where a dead worker had begun to."""
        store = self._gateways.vectors
        stored = await self._patiently(lambda: store.read_records(collection, [record.id for record in batch]))
        plan = plan_batch(batch, stored).without(earlier.failed if earlier else {})
        embedded = await store.embed_each([record.text for record in plan.to_write]) if plan.to_write else []
        vectors: list[Vector] = [one for one in embedded if not isinstance(one, TextsRefused)]
        failed = {
            record.id: str(one)
            for record, one in zip(plan.to_write, embedded, strict=True)
            if isinstance(one, TextsRefused)
        }
        counts = count_batch(plan, failed, earlier)
        rest = plan.without(failed)
        if rest.to_write:
            growth_bytes = rest.growth_bytes(len(vectors[0]))
            async with await self._context.reserve_storage(self._name, max(0, growth_bytes)) as reservation:
                await self._context.remember(note, counts)
                await self._patiently(lambda: store.put(collection, rest.documents(), vectors))
                await patiently(lambda: reservation.spend(growth_bytes))
        counts = replace(counts, is_written=True)
        await self._context.remember(note, counts)
        return counts

    async def _tell(self, done: int) -> None:
        """An event a batch, and at most one a percent."""
        share = done / len(self._intake.records)
        percent = _PREPARED_PERCENT + int(share * (_COMPUTED_PERCENT - _PREPARED_PERCENT))
        if percent == self._told_percent:
            return
        self._told_percent = percent
        data = {
            "batch_id": len(self._counts),
            "documents_processed": sum(counts.processed for counts in self._counts),
            "total_documents": self._intake.total,
        }
        await self._context.step_done("computing_embeddings", percent, data)

    async def _patiently(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Chroma's answer, asked again while it is away."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (CHROMA_PATIENCE_S if self._gateways.chroma.is_configured else 0)
        while True:
            try:
                return await operation()
            except DependencyUnavailable:
                if loop.time() > until:
                    raise
                await asyncio.sleep(_RETRY_EVERY_S)
