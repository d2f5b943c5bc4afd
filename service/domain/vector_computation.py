"""A vector computation: the documents as they were sent, what of them a collection already holds, and the counts.

Ids are the caller's, else made of text and metadata, so that the same documents sent again are the same records. What
was counted for a batch before it was written stays true when the batch is written again after a crash. Pure.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from service.domain.errors import InvalidArguments
from service.domain.vectors import Documents, batches

MAX_DOCUMENTS: Final = 20_000
# One request to the embeddings endpoint each: far below its limits, often enough for progress.
BATCH_DOCUMENTS: Final = 100
BATCH_BYTES: Final = 250_000
MAX_FAILED_LISTED: Final = 100
# Chroma keeps whole numbers in 64 bits; larger ones come back as something else.
_LARGEST_INT: Final = 2**63 - 1
_RESERVED: Final = "chroma:"

MetadataValues = dict[str, Any]


class SentDocument(msgspec.Struct, forbid_unknown_fields=True):
    """A document as an object: its text in `content` or `text`. `id` None: made of text and metadata."""

    content: str | None = None
    text: str | None = None
    id: str | None = None
    metadata: MetadataValues | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A document as the collection holds it. `metadata` without what Chroma drops: nulls and empty lists."""

    id: str
    text: str
    metadata: MetadataValues

    @property
    def size_bytes(self) -> int:
        """Of text and metadata, counted as `service.domain.storage` does."""
        return len(self.text.encode()) + (len(msgspec.json.encode(self.metadata)) if self.metadata else 0)

    def is_same(self, other: "Record") -> bool:
        return self.text == other.text and _canonical(self.metadata) == _canonical(other.metadata)


@dataclass(frozen=True, slots=True)
class Intake:
    """Distinct records in their order. `duplicates`: documents that were sent twice and count once."""

    records: tuple[Record, ...]
    duplicates: int

    @property
    def total(self) -> int:
        return len(self.records) + self.duplicates

    def batches(self) -> Iterator[tuple[int, Sequence[Record]]]:
        """(place of the first record, records) of each batch; the same for the same documents."""
        start = 0
        texts = [record.text for record in self.records]
        for batch in batches(texts, max_count=BATCH_DOCUMENTS, max_bytes=BATCH_BYTES):
            yield start, self.records[start : start + len(batch)]
            start += len(batch)


def read_documents(sent: Sequence[Any]) -> Intake:
    """Checks what was sent: texts, or objects as SentDocument. Raises InvalidArguments naming the first wrong one."""
    if not sent:
        raise InvalidArguments('documents is empty: send texts, or objects such as {"content": text, "metadata": {…}}')
    if len(sent) > MAX_DOCUMENTS:
        raise InvalidArguments(f"documents holds more than {MAX_DOCUMENTS:,} documents: send them in parts")
    found: dict[str, Record] = {}
    for position, document in enumerate(sent):
        record = _read_document(position, document)
        earlier = found.setdefault(record.id, record)
        if earlier is not record and not earlier.is_same(record):
            raise InvalidArguments(f"documents[{position}]: its id stands twice, with another text or metadata")
    return Intake(tuple(found.values()), len(sent) - len(found))


def _read_document(position: int, document: Any) -> Record:
    sent: Mapping[str, Any] = {"content": document} if isinstance(document, str) else document
    texts = [text for text in (sent.get("content"), sent.get("text")) if text is not None]
    if len(texts) != 1 or not texts[0]:
        raise InvalidArguments(f"documents[{position}]: its text is missing or empty: send it as content or as text")
    if sent.get("id") == "":
        raise InvalidArguments(f"documents[{position}]: its id is empty: leave it out to have one made")
    metadata = _read_metadata(position, sent.get("metadata") or {})
    return Record(sent.get("id") or _made_id(texts[0], metadata), texts[0], metadata)


def _read_metadata(position: int, metadata: Mapping[str, Any]) -> MetadataValues:
    for name, value in metadata.items():
        if not name or name.startswith(_RESERVED):
            raise InvalidArguments(
                f"documents[{position}]: a key of metadata is empty or begins with {_RESERVED!r}, which Chroma keeps"
            )
        if value is not None and not _is_value(value):
            raise InvalidArguments(
                f"documents[{position}]: metadata {name[:40]!r} is no text, number (of 64 bits), true, false or list of"
                " one of these"
            )
    return {name: _as_stored(value) for name, value in metadata.items() if value is not None and value != []}


def _is_value(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    kinds = {float if type(one) is int else type(one) for one in values}
    return len(kinds) <= 1 and kinds <= {str, float, bool} and all(map(_is_storable, values))


def _is_storable(value: Any) -> bool:
    if isinstance(value, int):
        return abs(value) <= _LARGEST_INT
    return not isinstance(value, float) or math.isfinite(value)


def _as_stored(value: Any) -> Any:
    """A list of whole and other numbers is one of floats in Chroma."""
    if isinstance(value, list) and any(isinstance(one, float) for one in value):
        return [float(one) for one in value]
    return value


def _made_id(text: str, metadata: MetadataValues) -> str:
    return f"doc_{hashlib.sha256(msgspec.json.encode([text, _canonical(metadata)])).hexdigest()[:32]}"


def _canonical(metadata: MetadataValues) -> bytes:
    return msgspec.json.encode(metadata, order="sorted")


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What is to be written of a batch. `stored`: the earlier version of the records that change."""

    added: tuple[Record, ...]
    changed: tuple[Record, ...]
    unchanged: int
    stored: Mapping[str, Record]

    @property
    def to_write(self) -> tuple[Record, ...]:
        return (*self.added, *self.changed)

    def without(self, failed: Mapping[str, Any]) -> "BatchPlan":
        """The plan without records of these ids."""
        added, changed = (
            tuple(record for record in records if record.id not in failed) for records in (self.added, self.changed)
        )
        return BatchPlan(added, changed, self.unchanged, self.stored)

    def documents(self) -> Documents:
        """As they are written. Chroma merges metadata: a key that a record has no more is written as null."""
        metadatas = [{**dict.fromkeys(self._metadata_of(record.id)), **record.metadata} for record in self.to_write]
        return Documents(
            [record.id for record in self.to_write],
            [record.text for record in self.to_write],
            [metadata or None for metadata in metadatas],
        )

    def growth_bytes(self, vector_bytes: int) -> int:
        """By how much the collection grows; negative: it gets smaller."""
        added = sum(record.size_bytes + vector_bytes for record in self.added)
        return added + sum(record.size_bytes - self.stored[record.id].size_bytes for record in self.changed)

    def _metadata_of(self, record_id: str) -> MetadataValues:
        stored = self.stored.get(record_id)
        return stored.metadata if stored else {}


def plan_batch(records: Sequence[Record], stored: Mapping[str, Record]) -> BatchPlan:
    """Cases in order: the collection has no such id → added; the same text and metadata → unchanged; else → changed.

    Example: of a, b and c it has a as it is and b with another text → added c, changed b, one unchanged.
    """
    added = tuple(record for record in records if record.id not in stored)
    changed = tuple(record for record in records if record.id in stored and not record.is_same(stored[record.id]))
    return BatchPlan(added, changed, len(records) - len(added) - len(changed), stored)


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What a batch came to, counted before it is written. `failed`: id → why it has no vector."""

    added: int
    changed: int
    unchanged: int
    failed: Mapping[str, str] = field(default_factory=dict)
    is_written: bool = False

    @property
    def processed(self) -> int:
        return self.added + self.changed + self.unchanged


def count_batch(plan: BatchPlan, failed: Mapping[str, str], earlier: BatchCounts | None) -> BatchCounts:
    """The counts of a batch of which `failed` cannot be written.

    Cases in order: `earlier` counted, before its worker died, what this plan finds half written → its counts, less
    what has failed since; else → the plan's.
    """
    added, changed = (
        sum(record.id in failed for record in plan.added),
        sum(record.id in failed for record in plan.changed),
    )
    if earlier is None:
        earlier = BatchCounts(len(plan.added), len(plan.changed), plan.unchanged)
    return replace(
        earlier,
        added=earlier.added - added,
        changed=earlier.changed - changed,
        failed={**earlier.failed, **failed},
    )


def build_result(collection_name: str, intake: Intake, batches: Sequence[BatchCounts]) -> dict[str, Any]:
    """The contract's result of an embeddings task, and beside it what was there, added, changed and failed."""
    failed = [{"id": name, "error": error} for batch in batches for name, error in batch.failed.items()]
    processed = sum(batch.processed for batch in batches) + intake.duplicates
    return {
        "collection_name": collection_name,
        "total_documents": intake.total,
        "processed_count": processed,
        "batch_results": [_describe(number, batch) for number, batch in enumerate(batches, 1)],
        "success_rate": round(100 * processed / intake.total, 2),
        "added": sum(batch.added for batch in batches),
        "changed": sum(batch.changed for batch in batches),
        "unchanged": sum(batch.unchanged for batch in batches),
        "duplicates": intake.duplicates,
        "failed_count": len(failed),
        "failed": failed[:MAX_FAILED_LISTED],
    }


def _describe(number: int, batch: BatchCounts) -> dict[str, int]:
    return {
        "batch_id": number,
        "documents_processed": batch.processed,
        "embeddings_created": batch.added + batch.changed,
    }
