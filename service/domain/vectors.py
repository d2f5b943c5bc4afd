"""Documents with vectors: what a collection may be called, what a filter means, how texts are cut into batches."""

import re
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.domain.errors import DependencyRefused
from service.domain.storage import size_of_record

# 32-bit floats, little-endian: what Chroma stores and what both protocols send as base64. A list of Python's floats
# takes eight times as much memory.
Vector = bytes
Metadata = Mapping[str, Any] | None

# Chroma's own rule. It is checked before anything is asked, because the name becomes a part of a URL.
_COLLECTION_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")


@dataclass(frozen=True, slots=True)
class Documents:
    """Texts with their ids and metadata, all of one length. `metadatas` None: none has any."""

    ids: Sequence[str]
    texts: Sequence[str]
    metadatas: Sequence[Metadata] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def check(self) -> None:
        """Raises DependencyRefused for what Chroma refuses, or takes in silence and gets wrong (an id twice)."""
        if not self.texts:
            raise DependencyRefused("documents is empty")
        if len(self.ids) != len(self.texts):
            raise DependencyRefused(f"{len(self.texts)} documents, but {len(self.ids)} ids")
        if self.metadatas is not None and len(self.metadatas) != len(self.texts):
            raise DependencyRefused(f"{len(self.texts)} documents, but {len(self.metadatas)} metadatas")
        if not all(self.texts):
            raise DependencyRefused("a document is empty: there is no vector of no text")
        if not all(self.ids):
            raise DependencyRefused("an id is empty")
        if len(set(self.ids)) != len(self.ids):
            raise DependencyRefused("an id stands twice in ids")

    def record_sizes(self, dimension: int) -> Iterator[int]:
        """Bytes that each takes up with a vector of so many numbers."""
        metadatas = self.metadatas or [None] * len(self)
        for text, metadata in zip(self.texts, metadatas, strict=True):
            yield size_of_record(text, msgspec.json.encode(metadata), dimension)

    def windows(self, size: int) -> Iterator["Documents"]:
        """These documents in order, `size` at a time."""
        for start in range(0, len(self), size):
            end = start + size
            metadatas = None if self.metadatas is None else self.metadatas[start:end]
            yield Documents(self.ids[start:end], self.texts[start:end], metadatas)


def check_collection_name(name: str) -> str:
    """`name`, or DependencyRefused: Chroma knows no such name, so there is no such collection either."""
    if not _COLLECTION_NAME.fullmatch(name) or ".." in name:
        raise DependencyRefused(
            "Chroma takes collection names of 3 to 512 characters out of a-z, A-Z, 0-9, '.', '_' and '-', "
            "that begin and end with a letter or digit and do not hold '..'"
        )
    return name


def build_filter(where: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Chroma's form of a filter. In order:

    1. none, or an empty one → None
    2. one that holds an operator (`$and`, `$or`), or names one field → as it is
    3. several fields → all of them: `{"a": 1, "b": 2}` → `{"$and": [{"a": 1}, {"b": 2}]}`
    """
    if not where:
        return None
    if len(where) == 1 or any(name.startswith("$") for name in where):
        return where
    return {"$and": [{name: condition} for name, condition in where.items()]}


def batches(texts: Sequence[str], *, max_count: int, max_bytes: int) -> Iterator[Sequence[str]]:
    """`texts` in order, at most so many and so many UTF-8 bytes at a time; a larger text stands alone."""
    start = size = 0
    for position, text in enumerate(texts):
        text_bytes = len(text.encode())
        if position > start and (position - start == max_count or size + text_bytes > max_bytes):
            yield texts[start:position]
            start, size = position, 0
        size += text_bytes
    if start < len(texts):
        yield texts[start:]


def pack_vector(numbers: Sequence[float]) -> Vector:
    """Numbers that no 32-bit float holds become infinite; Chroma refuses those."""
    return _little_endian(array("f", numbers)).tobytes()


def unpack_vector(vector: Vector) -> list[float]:
    numbers = array("f")
    numbers.frombytes(vector)
    return _little_endian(numbers).tolist()


def _little_endian(numbers: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
