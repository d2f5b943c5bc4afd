"""How much a collection takes up, and the words in which Reflex shows it (contract.md, `analyze_storage_full`)."""

from dataclasses import dataclass
from typing import Any, Final

MB: Final = 1024**2
GB: Final = 1024**3
# Chroma keeps a vector as 32-bit floats.
VECTOR_ELEMENT_BYTES: Final = 4
_UNITS: Final = ("KB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class StorageSizes:
    """Bytes of a collection's parts. Metadata counts as compact JSON, text as UTF-8."""

    document_count: int = 0
    embeddings_size: int = 0
    documents_size: int = 0
    metadata_size: int = 0

    @property
    def total_size(self) -> int:
        return self.embeddings_size + self.documents_size + self.metadata_size

    def scaled_to(self, document_count: int) -> "StorageSizes":
        """Of so many documents that are like these. Example: these are 10 of 20 → twice their bytes."""
        if not self.document_count or self.document_count >= document_count:
            return self
        share = document_count / self.document_count
        sizes = (self.embeddings_size, self.documents_size, self.metadata_size)
        return StorageSizes(document_count, *(round(size * share) for size in sizes))

    def document(self) -> dict[str, int]:
        """The contract's `analysis`."""
        return {
            "total_size": self.total_size,
            "embeddings_size": self.embeddings_size,
            "documents_size": self.documents_size,
            "metadata_size": self.metadata_size,
            "document_count": self.document_count,
        }


def size_of_record(text: str | None, metadata: bytes, dimension: int) -> int:
    """Bytes of one record; `metadata`: its JSON, `null` for none."""
    text_bytes = len(text.encode()) if text is not None else 0
    return dimension * VECTOR_ELEMENT_BYTES + text_bytes + (len(metadata) if metadata != b"null" else 0)


def format_size(size_bytes: int) -> str:
    """`512 B`, `1.50 KB`, `2.00 MB`, in powers of 1,024."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    value, unit = size_bytes / 1024, 0
    while value >= 1024 and unit + 1 < len(_UNITS):
        value, unit = value / 1024, unit + 1
    return f"{value:.2f} {_UNITS[unit]}"


def build_storage_report(sizes: StorageSizes, max_storage_gb: float) -> dict[str, Any]:
    """The contract's `data`. The percentage is cut off, not rounded, and 100 at most; 0 where there is no maximum.

    300 bytes of embeddings and 100 of documents out of 10 GB: 4e-07 GB, 0 %,
    `Total amount of documents: 1`, `embeddings: 300 B (75.0%)`, `documents: 100 B (25.0%)`, `metadata: 0 B (0.0%)`.
    """
    size_gb = sizes.total_size / GB
    percentage = min(100, int(min(size_gb / max_storage_gb, 1.0) * 100)) if max_storage_gb > 0 else 0
    parts = (
        ("embeddings", sizes.embeddings_size),
        ("documents", sizes.documents_size),
        ("metadata", sizes.metadata_size),
    )
    lines = [f"Total amount of documents: {sizes.document_count}"]
    lines += [f"{name}: {format_size(size)} ({_share(size, sizes.total_size):.1f}%)" for name, size in parts]
    return {
        "storage_size_gb": round(size_gb, 6),
        "storage_percentage": percentage,
        "storage_details": "\n".join(lines),
    }


def _share(size: int, total: int) -> float:
    return size / total * 100 if total else 0.0
