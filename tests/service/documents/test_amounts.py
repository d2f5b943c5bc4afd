from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.documents.amounts import find_amounts, format_amount, parse_amount
from tests.documents.wording import write_amount


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1 234,56", "1234.56"),
        ("1\u202f234,56 €", "1234.56"),
        ("1\u00a0234\u00a0567,89 €", "1234567.89"),
        ("1'234.56", "1234.56"),
        ("CHF 1’234.56", "1234.56"),
        ("€ 12,00", "12.00"),
        ("£1,440.00", "1440.00"),
        ("$-5.00", "-5.00"),
        ("-6,35", "-6.35"),
        ("− 6,35", "-6.35"),
        ("418,25-", "-418.25"),
        ("(EUR 242.00)", "-242.00"),
        ("(200.00)", "-200.00"),
        ("1.000.000", "1000000"),
        ("1.234", "1234"),
        ("0.025", "0.025"),
        ("41,2500", "41.2500"),
        ("20,-", "20"),
        ("0", "0"),
        ("366,00 euro", "366.00"),
    ],
)
def test_amount_is_read(written: str, value: str) -> None:
    assert parse_amount(written) == Decimal(value)


@pytest.mark.parametrize(
    "written", ["19 %", "12.05.2024", "2024-05-12", "10/2024", "A1,00", "1,2,3,", "", "abc", "12:30"]
)
def test_no_amount(written: str) -> None:
    assert parse_amount(written) is None


@pytest.mark.parametrize(
    ("line", "values"),
    [
        pytest.param("Steuer in GBP 117,80 EUR 132,10", ["117.80", "132.10"], id="two-currencies"),
        pytest.param("EUR  - 2,47", ["-2.47"], id="sign-apart"),
        pytest.param("7% 150,00 € 10,50 €", ["150.00", "10.50"], id="rate-left-out"),
        pytest.param("Total 19 500,52", ["19500.52", "500.52"], id="both-readings-longer-first"),
    ],
)
def test_amounts_in_a_line(line: str, values: list[str]) -> None:
    assert [amount.value for amount in find_amounts(line)] == [Decimal(value) for value in values]


@given(
    st.decimals(min_value=-9_999_999, max_value=9_999_999, places=2),
    st.sampled_from(["de", "fr", "en", "it", "ch"]),
    st.sampled_from(["", "EUR", "GBP", "CHF", "USD"]),
    st.booleans(),
)
def test_what_is_written_is_read_back(value: Decimal, language: str, currency: str, trailing_sign: bool) -> None:
    written = write_amount(value, language, currency, trailing_sign=trailing_sign)
    first = next(find_amounts(f"Total: {written}"))
    assert first.value == value
    assert Decimal(format_amount(first.value)) == value
