"""What goes in and out of Firestore, without Google's types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# Seconds and nanoseconds: two versions of a document differ in it.
Version = tuple[int, int]

_LASTING: Final = frozenset({"INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION", "NOT_FOUND"})


class FirestoreFault(Exception):
    """Firestore did not do what was asked; `code` is gRPC's name of the reason (`UNAVAILABLE`, …)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code

    @property
    def is_lasting(self) -> bool:
        """Whether asking again mends nothing."""
        return self.code in _LASTING


@dataclass(frozen=True, slots=True)
class Query:
    """The documents of a collection; `parent` is a document's path, "" for the root. `where`: a field and its value."""

    parent: str
    collection: str
    where: tuple[str, str | bool] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was read. `doc_id` is the last part of its name."""

    doc_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Merge:
    """Sets these fields of the document at `path`, and nothing else of it; `server_times` get the server's time."""

    path: str
    fields: Mapping[str, Any]
    server_times: tuple[str, ...] = ()
