"""Ledger rows as they are sent: what is read, and what is refused in which words."""

from typing import Any

import pytest

from service.domain.ledger import LedgerError, Limits, analyse_ledger, ledger_steps
from service.domain.ledger.intake import parse_ledger

ROW = {"date": "2024-05-12", "amount": 119.0, "account": "4930", "counterparty": "ACME", "text": "Papier"}


@pytest.mark.parametrize(
    ("change", "date", "amount"),
    [
        pytest.param({"amount": "1.234,50"}, "2024-05-12", "1234.50", id="german"),
        pytest.param({"amount": "1,234.50"}, "2024-05-12", "1234.50", id="english"),
        pytest.param({"amount": "(12.50)"}, "2024-05-12", "-12.50", id="brackets"),
        pytest.param({"date": "12. Mai 2024"}, "2024-05-12", "119.0", id="month-name"),
        pytest.param({"date": "25/05/2024"}, "2024-05-25", "119.0", id="day-first"),
        pytest.param({"date": "2024-05-12T10:00:00Z"}, "2024-05-12", "119.0", id="time-of-day"),
        pytest.param({"account": 4930}, "2024-05-12", "119.0", id="account-as-number"),
    ],
)
def test_a_row_is_read(change: dict[str, Any], date: str, amount: str) -> None:
    entry = parse_ledger([{**ROW, **change}]).entries[0]
    assert (entry.date.isoformat(), str(entry.amount), entry.account) == (date, amount, "4930")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"date": "31.02.2024"}, "date '31.02.2024' is no date"),
        ({"date": None}, "date is missing"),
        ({"date": 45000}, "date is no text such as 2024-05-12"),
        ({"date": "03/05/2024"}, "'03/05/2024' may be 2024-03-05 or 2024-05-03"),
        ({"amount": "1.234"}, "'1.234' may be 1.234 or 1234"),
        ({"amount": True}, "amount is no number"),
        ({"amount": float("inf")}, "amount 'inf' is no amount"),
        ({"amount": 1e30}, "amount '1e+30' is no amount"),
        ({"account": " "}, "account is missing"),
        ({"counterparty": ["A"]}, "counterparty is no text"),
    ],
)
def test_a_bad_row_is_told_and_the_rest_is_read(change: dict[str, Any], problem: str) -> None:
    ledger = parse_ledger([ROW, {**ROW, **change}, ROW])
    assert len(ledger.entries) == 2
    assert ledger.rejected[0].row == 2
    assert ledger.rejected[0].problem.startswith(problem)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("rows", "data holds no list of rows"),
        ({"url": "http://127.0.0.1/x"}, "data does not know 'url'"),
        ([], "There are no rows. Send"),
        ([1, 2], "2 of 2 rows cannot be read. row 1: it is no object"),
        ({"rows": [ROW], "options": {"months": 3}}, "data.options takes complete_through, confidence, months_ahead"),
        ({"rows": [ROW], "options": {"months_ahead": 0}}, "months_ahead is a whole number from 1 to 24"),
        ({"rows": [ROW], "options": {"confidence": 1}}, "confidence is a number from 0.5 to 0.99"),
        ({"rows": [ROW], "options": {"complete_through": "May"}}, "complete_through is a month"),
    ],
)
def test_data_that_is_refused(data: object, words: str) -> None:
    with pytest.raises(LedgerError) as caught:
        parse_ledger(data)
    assert words in str(caught.value)


def test_too_many_rows_and_too_many_bad_ones() -> None:
    with pytest.raises(LedgerError, match="more than 2 rows"):
        parse_ledger([ROW] * 3, Limits(rows=2))
    with pytest.raises(LedgerError, match=r"2 of 3 rows cannot be read\. row 2"):
        parse_ledger([ROW, {}, {}], Limits(rejected_rows=1))


@pytest.mark.parametrize("model_type", ["regression", None, ["anomaly"], {}])
def test_an_unknown_model_is_refused(model_type: object) -> None:
    with pytest.raises(LedgerError, match="model_type is anomaly or forecast"):
        analyse_ledger([ROW], model_type)


@pytest.mark.parametrize("model_type", ["anomaly", "forecast"])
def test_steps_grow_to_a_hundred(model_type: str) -> None:
    rows = [{**ROW, "date": "2024-05-31"}]
    percents = [percent for _, percent in ledger_steps(rows, model_type)]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (20, 100)
