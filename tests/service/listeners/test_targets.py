"""The state of one query, as the Listen protocol builds it up."""

from typing import Any

import pytest

from service.gateways.firestore.model import Document, Query
from service.gateways.firestore.targets import Change, Snapshot, Target

A, B, C = (1, 0), (2, 0), (3, 0)


class Reader:
    """A target, and the documents that it read."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.target: Target[Any] = Target(Query("", "things"), lambda document: document.fields["v"], lambda _: None)

    def change(self, doc_id: str, version: tuple[int, int], value: Any) -> None:
        def read() -> Document:
            self.read.append(doc_id)
            return Document(doc_id, {"v": value})

        self.target.change(doc_id, version, read)

    def snapshot(self, token: bytes = b"t") -> Snapshot[Any] | None:
        return self.target.take_snapshot(token)


@pytest.fixture
def reader() -> Reader:
    """With documents a and b, told once."""
    reader = Reader()
    reader.change("a", A, 1)
    reader.change("b", A, 2)
    reader.target.set_current()
    assert reader.snapshot() == Snapshot([Change("a", None, 1), Change("b", None, 2)], is_first=True, is_resync=False)
    return reader


def test_nothing_is_told_before_all_is_there() -> None:
    reader = Reader()
    reader.change("a", A, 1)
    assert reader.snapshot() is None
    assert not reader.target.is_known


def test_an_empty_state_is_told_once() -> None:
    reader = Reader()
    reader.target.set_current()
    assert reader.snapshot() == Snapshot([], is_first=True, is_resync=False)
    assert reader.snapshot() is None


def test_changes(reader: Reader) -> None:
    reader.change("a", B, 10)
    reader.target.remove("b")
    reader.target.remove("never")
    assert reader.snapshot() == Snapshot([Change("a", 1, 10), Change("b", 2, None)], is_first=False, is_resync=False)
    assert reader.target.entries == {"a": 10}


def test_a_reset_that_brings_the_same_again_is_no_change(reader: Reader) -> None:
    reader.target.reset()
    reader.change("a", A, "not read")
    reader.change("b", A, "not read")
    reader.target.set_current()
    assert reader.snapshot() is None
    assert reader.read == ["a", "b"]


def test_what_a_reset_does_not_bring_again_is_gone(reader: Reader) -> None:
    reader.target.reset()
    reader.change("b", B, 3)
    reader.target.set_current()
    found = reader.snapshot()
    assert found is not None
    assert found.changes == [Change("a", 1, None), Change("b", 2, 3)]


def test_after_an_interruption_it_goes_on_from_the_token(reader: Reader) -> None:
    reader.change("a", B, "lost with the stream")
    reader.target.interrupt(is_outage=False)
    assert reader.target.resume_token == b"t"
    reader.change("c", C, 3)
    reader.target.set_current()
    found = reader.snapshot()
    assert found is not None
    assert (found.changes, found.is_resync) == ([Change("c", None, 3)], False)
    assert reader.target.entries == {"a": 1, "b": 2, "c": 3}


def test_after_an_outage_the_state_is_told_even_if_it_is_the_same(reader: Reader) -> None:
    reader.target.interrupt(is_outage=True)
    reader.target.interrupt(is_outage=False)
    reader.target.set_current()
    assert reader.snapshot() == Snapshot([], is_first=False, is_resync=True)
    assert reader.snapshot() is None


def test_begun_anew_what_does_not_come_again_is_gone(reader: Reader) -> None:
    reader.target.begin_anew()
    assert reader.target.resume_token == b""
    reader.target.interrupt(is_outage=False)
    reader.change("b", A, "not read")
    reader.target.set_current()
    found = reader.snapshot()
    assert found is not None
    assert found.changes == [Change("a", 1, None)]


def test_count_is_of_the_state_that_is_being_built(reader: Reader) -> None:
    counts = [reader.target.count]
    reader.change("c", C, 3)
    reader.target.remove("a")
    counts.append(reader.target.count)
    reader.target.reset()
    counts.append(reader.target.count)
    assert counts == [2, 2, 0]
