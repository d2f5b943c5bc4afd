"""The flag document: what is written is what is read, and what is no flag document is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.flag import FlagDocument, decode, encode

NAMES = st.lists(st.text(min_size=1, max_size=20), max_size=5).map(tuple)
DOCUMENTS = st.builds(
    FlagDocument,
    revision=st.integers(0, 2**53),
    enabled=st.booleans(),
    debug=st.booleans(),
    users=NAMES,
    companies=NAMES,
    exclude_users=NAMES,
    percent_bp=st.none() | st.integers(0, 10_000),
    salt=st.text(max_size=40),
    legacy_writes=st.booleans(),
    routes=st.dictionaries(st.text(min_size=1, max_size=9), st.text(min_size=1, max_size=9), max_size=3),
    quotas=st.dictionaries(st.text(min_size=1, max_size=9), st.integers(0, 10_000), max_size=3),
)


@given(DOCUMENTS)
def test_what_is_written_is_what_is_read(document: FlagDocument) -> None:
    assert decode(encode(document)) == document


def test_a_document_of_a_newer_release_is_read() -> None:
    assert decode(b'{"revision": 7, "enabled": true, "new_in_2.0": 1}') == FlagDocument(revision=7, enabled=True)


@pytest.mark.parametrize(
    "raw", [b"", b"true", b"[]", b'{"revision": "7"}', b'{"users": "everybody"}', b"\xff"], ids=repr
)
def test_what_is_no_flag_document_is_refused(raw: bytes) -> None:
    with pytest.raises((msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError)):
        decode(raw)
