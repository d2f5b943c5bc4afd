from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.documents.dates import find_dates, parse_date
from tests.documents.wording import write_date


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("05.03.2018", "2018-03-05"),
        ("5. 3. 2018", "2018-03-05"),
        ("05/03/18", "2018-03-05"),
        ("2018-03-05", "2018-03-05"),
        ("2018/03/05", "2018-03-05"),
        ("05/13/2024", "2024-05-13"),
        ("5. März 2018", "2018-03-05"),
        ("5 Maerz 2018", "2018-03-05"),
        ("1er mars 2018", "2018-03-01"),
        ("14 févr. 2018", "2018-02-14"),
        ("29 août 2018", "2018-08-29"),
        ("March 5, 2018", "2018-03-05"),
        ("5th March 2018", "2018-03-05"),
        ("05-Mar-2018", "2018-03-05"),
        ("Sept. 5, 2018", "2018-09-05"),
        ("28 GIUGNO 2018", "2018-06-28"),
        ("29.02.2024", "2024-02-29"),
    ],
)
def test_date_is_read(written: str, expected: str) -> None:
    assert parse_date(written) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    "written", ["30.02.2024", "1.2.3", "12.2024", "192.168.10.24", "1899-01-01", "1.234.567", "may be"]
)
def test_no_date(written: str) -> None:
    assert parse_date(written) is None


def test_order_of_day_and_month_depends_on_the_document() -> None:
    assert parse_date("03/05/2024") == date(2024, 5, 3)
    assert parse_date("03/05/2024", month_first=True) == date(2024, 3, 5)
    assert [found.is_ambiguous for found in find_dates("03/05/2024 and 03.05.2024")] == [True, False]


@given(
    st.dates(date(1990, 1, 1), date(2099, 12, 31)),
    st.sampled_from(["de", "fr", "en", "it", "ch"]),
    st.sampled_from([0, 1, 2]),
)
def test_what_is_written_is_read_back(value: date, language: str, style: int) -> None:
    assert parse_date(write_date(value, language, style)) == value
