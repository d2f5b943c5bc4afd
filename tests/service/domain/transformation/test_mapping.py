"""Columns and types: what is converted, and how a row that cannot be is told."""

from typing import Any

import pytest

from service.domain.transformation import Limits, TransformationError, transform
from tests.service.domain.transformation.sending import codes, csv_source, problems, read_back, to_json


def one(kind: str, *texts: str, **options: Any) -> list[Any]:
    """A column of texts as `kind`; a rejected one is its problem's code."""
    lines = "\n".join(f'{number};"{text}"' for number, text in enumerate(texts))
    source = csv_source(f"n;value\n{lines}\n", delimiter=";", **options)
    result = to_json(source, {"from": "n", "type": "integer"}, {"from": "value", "type": kind})
    found: dict[int, Any] = {row["n"]: row["value"] for row in read_back(result)}
    found |= {row["row"] - 2: row["problems"][0]["code"] for row in result["rejected"]}
    return [found[number] for number in range(len(texts))]


@pytest.mark.parametrize(
    ("texts", "options", "values"),
    [
        pytest.param(["1.234,56", "7"], {}, [1234.56, 7], id="german-told-by-both-signs"),
        pytest.param(["1,234.56", "1,234"], {}, [1234.56, 1234], id="one-decides-for-all"),
        pytest.param(["1.234", "12,5"], {}, [1234, 12.5], id="comma-decides"),
        pytest.param(["1.234"], {}, ["ambiguous"], id="open"),
        pytest.param(["1.234"], {"locale": "de"}, [1234], id="german"),
        pytest.param(["1.234"], {"locale": "en"}, [1.234], id="english"),
        pytest.param(["1\u202f234,5", "1 234"], {"locale": "fr"}, [1234.5, 1234], id="french"),
        pytest.param(["1'234.50", "1’234"], {}, [1234.5, 1234], id="swiss"),
        pytest.param(["-5", "5-", "(5)", "−5", "+5"], {}, [-5, -5, -5, -5, 5], id="signs"),
        pytest.param(["12.3.4", "1,23,4", "abc", "--5", "(5", "12 €"], {}, ["not_a_number"] * 6, id="none"),
        pytest.param(["1234.56"], {"locale": "de"}, ["not_a_number"], id="not-german"),
        pytest.param(["", "  "], {}, [None, None], id="empty"),
        pytest.param(["0,10", "1.234.567"], {}, [0.1, 1234567], id="italian"),
    ],
)
def test_decimals(texts: list[str], options: dict[str, Any], values: list[Any]) -> None:
    assert one("decimal", *texts, **options) == values


@pytest.mark.parametrize(
    ("texts", "options", "values"),
    [
        pytest.param(["2024-05-12", "12.05.2024", "12. Mai 2024"], {}, ["2024-05-12"] * 3, id="german"),
        pytest.param(["12 mai 2024", "1er août 2024"], {}, ["2024-05-12", "2024-08-01"], id="french"),
        pytest.param(["12 maggio 2024", "12/05/24"], {"locale": "it"}, ["2024-05-12"] * 2, id="italian"),
        pytest.param(["May 12, 2024", "12-May-2024"], {}, ["2024-05-12"] * 2, id="english"),
        pytest.param(["03/05/2024", "25/05/2024"], {}, ["2024-05-03", "2024-05-25"], id="day-first-decides"),
        pytest.param(["03/05/2024", "05/25/2024"], {}, ["2024-03-05", "2024-05-25"], id="month-first-decides"),
        pytest.param(["03/05/2024"], {}, ["ambiguous"], id="open"),
        pytest.param(
            ["03/05/2024", "25/05/2024", "05/25/2024"], {}, ["ambiguous", "2024-05-25", "2024-05-25"], id="mixed"
        ),
        pytest.param(["03/05/2024"], {"locale": "en-US"}, ["2024-03-05"], id="american"),
        pytest.param(["03/05/2024"], {"date_order": "dmy"}, ["2024-05-03"], id="told"),
        pytest.param(["31.02.2024", "2024-13-01", "12.05", "45000"], {}, ["not_a_date"] * 4, id="none"),
        pytest.param(["12.05.68", "12.05.69", "20240512"], {}, ["2068-05-12", "1969-05-12", "2024-05-12"], id="short"),
    ],
)
def test_dates(texts: list[str], options: dict[str, Any], values: list[Any]) -> None:
    assert one("date", *texts, **options) == values


def test_datetimes() -> None:
    assert one("datetime", "12.05.2024 14:30", "2024-05-12T14:30:00Z", "2024-05-12", "2024-05-12 25:00") == [
        "2024-05-12T14:30:00",
        "2024-05-12T14:30:00Z",
        "2024-05-12T00:00:00",
        "not_a_datetime",
    ]


def test_booleans_and_integers() -> None:
    assert one("boolean", "ja", "NON", "vero", "0", "vielleicht") == [True, False, True, False, "not_a_boolean"]
    assert one("integer", "12", "12,00", "1.234.567", "12,5") == [12, 12, 1234567, "not_an_integer"]


def test_a_bad_row_comes_back_with_its_values_and_reasons_and_the_rest_is_done() -> None:
    source = csv_source("Datum;Betrag;Konto\n12.05.2024;1,50;007\n31.02.2024;abc;8\n;;\n13.05.2024;;9\n14.05.2024;2\n")
    result = to_json(
        source,
        {"from": "Datum", "to": "date", "type": "date"},
        {"from": "Betrag", "to": "amount", "type": "decimal", "required": True},
        {"from": "Konto", "to": "account"},
    )
    assert read_back(result) == [{"date": "2024-05-12", "amount": 1.5, "account": "007"}]
    assert problems(result) == [
        (3, "Datum", "not_a_date"),
        (3, "Betrag", "not_a_number"),
        (5, "Betrag", "missing"),
        (6, None, "too_few_values"),
    ]
    assert result["rejected"][0]["values"] == {"Datum": "31.02.2024", "Betrag": "abc", "Konto": "8"}
    assert (result["rows_read"], result["rows_written"], result["rows_rejected"], result["blank_rows"]) == (5, 1, 3, 1)


def test_what_a_mapping_leaves_out_is_told() -> None:
    result = to_json(csv_source("a,b,c\n1,2,3\n"), {"from": "a"})
    assert codes(result) == ["columns_left_out"]
    assert "'b', 'c'" in result["findings"][0]["message"]


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(TransformationError, match=r"no column 'Betrg'. It has: 'Datum', 'Betrag'"):
        to_json(csv_source("Datum,Betrag\n1,2\n"), {"from": "Betrg"})


def test_more_bad_rows_than_a_sound_file_has_are_one_error_with_the_first() -> None:
    source = csv_source("a\n" + "x\n" * 5)
    with pytest.raises(TransformationError, match=r"More than 3 rows.*row 2, column 'a': 'x' is no number"):
        transform(source, {"format": "json", "columns": [{"from": "a", "type": "decimal"}]}, Limits(rejected_rows=3))


def test_columns_without_a_name_or_with_one_twice_are_told_apart() -> None:
    result = to_json(csv_source("a,,a\n1,2,3\n"))
    assert read_back(result) == [{"a": "1", "column_2": "2", "a_2": "3"}]
    assert codes(result) == ["column_renamed", "column_renamed"]
