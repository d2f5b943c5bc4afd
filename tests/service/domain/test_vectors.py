"""Names of collections, filters, batches and vectors."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import DependencyRefused
from service.domain.vectors import (
    Documents,
    batches,
    build_filter,
    check_collection_name,
    pack_vector,
    unpack_vector,
)


@pytest.mark.parametrize("name", ["abc", "a1.b_c-d", "0" * 512])
def test_a_name_that_chroma_takes(name: str) -> None:
    assert check_collection_name(name) == name


@pytest.mark.parametrize("name", ["", "ab", "-abc", "abc.", "a..b", "a/b", "../x", "a b", "été", "abc\n", "0" * 513])
def test_a_name_that_chroma_does_not_take(name: str) -> None:
    with pytest.raises(DependencyRefused, match="3 to 512 characters"):
        check_collection_name(name)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param({}, None, id="empty"),
        pytest.param({"a": 1}, {"a": 1}, id="one field"),
        pytest.param({"a": {"$gt": 1}}, {"a": {"$gt": 1}}, id="one condition"),
        pytest.param({"a": 1, "b": "x"}, {"$and": [{"a": 1}, {"b": "x"}]}, id="several fields"),
        pytest.param({"$or": [{"a": 1}, {"b": 2}]}, {"$or": [{"a": 1}, {"b": 2}]}, id="operator"),
    ],
)
def test_a_filter_in_chromas_form(where: dict[str, Any] | None, expected: dict[str, Any] | None) -> None:
    assert build_filter(where) == expected


# One, two and three bytes a character.
@given(st.lists(st.text("aé€", max_size=20)), st.integers(1, 5), st.integers(1, 40))
def test_batches_hold_every_text_once_in_order_and_within_their_limits(
    texts: list[str], max_count: int, max_bytes: int
) -> None:
    cut = list(batches(texts, max_count=max_count, max_bytes=max_bytes))
    assert [text for batch in cut for text in batch] == texts
    for batch in cut:
        assert 1 <= len(batch) <= max_count
        assert len(batch) == 1 or sum(len(text.encode()) for text in batch) <= max_bytes


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_a_vector_comes_back_as_it_was(numbers: list[float]) -> None:
    assert unpack_vector(pack_vector(numbers)) == numbers


def test_a_vector_is_little_endian() -> None:
    assert pack_vector([1.0]) == b"\x00\x00\x80\x3f"


def test_windows_cut_ids_texts_and_metadata_alike() -> None:
    documents = Documents(["1", "2", "3"], ["a", "b", "c"], [{"n": 1}, None, {"n": 3}])
    assert list(documents.windows(2)) == [
        Documents(["1", "2"], ["a", "b"], [{"n": 1}, None]),
        Documents(["3"], ["c"], [{"n": 3}]),
    ]
