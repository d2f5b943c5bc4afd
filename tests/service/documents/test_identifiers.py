from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.documents.identifiers import find_ibans, find_vats, is_valid_iban, is_valid_vat
from tests.documents.invoice import make_iban, make_vat
from tests.documents.wording import write_grouped

COUNTRIES = ["DE", "FR", "GB", "IT", "CH"]


@given(
    st.sampled_from(COUNTRIES), st.integers(0, 10_000), st.booleans(), st.sampled_from(["", " BIC COBADEFFXXX", " 12"])
)
def test_iban_is_found_and_valid(country: str, seed: int, is_grouped: bool, after: str) -> None:
    iban = make_iban(random.Random(seed), country)
    written = write_grouped(iban) if is_grouped else iban
    found = list(find_ibans(f"IBAN: {written}{after}"))
    assert [(item.value, item.valid) for item in found] == [(iban, True)]


@given(st.sampled_from(COUNTRIES), st.integers(0, 10_000))
def test_wrong_iban_is_kept_where_it_is_labelled(country: str, seed: int) -> None:
    iban = make_iban(random.Random(seed), country)
    wrong = iban[:-1] + ("1" if iban[-1] != "1" else "2")
    assert not is_valid_iban(wrong)
    assert [item.value for item in find_ibans(f"IBAN {wrong}")] == [wrong]
    assert not list(find_ibans(f"Ref. {wrong}"))


def test_iban_one_blank_after_a_tax_number_is_found() -> None:
    line = "VAT Reg No GB454894645 IBAN GB64 NWBK 5958 7587 5105 38"
    assert [(item.value, item.valid) for item in find_ibans(line)] == [("GB64NWBK59587587510538", True)]


@given(st.sampled_from(COUNTRIES), st.integers(0, 10_000))
def test_vat_is_found_and_valid(country: str, seed: int) -> None:
    vat = make_vat(random.Random(seed), country)
    assert [(item.value, item.valid) for item in find_vats(f"VAT {vat}.")] == [(vat, True)]


@pytest.mark.parametrize(
    ("line", "value", "valid"),
    [
        ("USt-IdNr. DE 172 921 585", "DE172921585", True),
        ("USt-IdNr. DE111111111", "DE111111111", False),
        ("CHE-116.281.710 MWST", "CHE116281710", True),
        ("Partita IVA 07643520567", "IT07643520567", True),
        ("N° TVA FR 83 404 833 048", "FR83404833048", True),
        ("BTW NL123456789B13", "NL123456789B13", True),
        ("UID ATU13585627", "ATU13585627", True),
    ],
)
def test_spellings_of_vat_ids(line: str, value: str, valid: bool) -> None:
    assert [(item.value, item.valid) for item in find_vats(line)] == [(value, valid)]


@pytest.mark.parametrize("line", ["DE 50823 KOELN", "DE89370400440532013000", "GLN 4012345000009", "FR 12"])
def test_no_vat_id(line: str) -> None:
    assert not list(find_vats(line))


@pytest.mark.parametrize("value", ["", "DE", "XX123", "US123456789", "CHE"])
def test_unknown_vat_ids_are_not_valid(value: str) -> None:
    assert not is_valid_vat(value)
