"""Bookings that stand out, and the reasons that are told."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.ledger import LedgerError, analyse_ledger
from service.domain.ledger import learning as ledger_learning
from service.domain.ledger.anomaly import join_scores
from service.domain.ledger.signs import Sign
from tests.service.domain.ledger.ledgers import Row, booking, usual_rows


def reasons_of(odd: Row, rows: list[Row] | None = None) -> list[str]:
    """What is told of `odd`, appended to the usual rows; empty where it is no anomaly."""
    result = analyse_ledger([*(usual_rows() if rows is None else rows), odd], "anomaly")
    last = result["rows_read"]
    return [reason["message"] for found in result["anomalies"] if found["row"] == last for reason in found["reasons"]]


def test_an_amount_far_above_the_habit_is_told_with_its_ratio() -> None:
    told = reasons_of(booking(date(2024, 5, 14), -1026.0, "4930", "Neu Inc"))
    assert told[0].startswith("amount is 14 times this account's median (")
    assert "first booking to this counterparty, and a large one" in told


def test_a_counterpartys_own_habit_counts_more_than_its_accounts() -> None:
    assert "times this counterparty's median" in reasons_of(booking(date(2024, 5, 14), -1100.0, "4930", "Tinte Srl"))[0]


def test_a_booking_that_stands_twice() -> None:
    rows = usual_rows()
    again = {**rows[1], "date": (date.fromisoformat(rows[1]["date"]) + timedelta(days=2)).isoformat()}
    assert "same amount and counterparty 2 days before (row 2): booked twice?" in reasons_of(again)


def test_a_weekly_delivery_is_no_duplicate() -> None:
    weekly = [
        booking(date(2024, 1, 2) + timedelta(days=7 * week), -50.0, "4980", "Getränke Meyer") for week in range(20)
    ]
    assert analyse_ledger(weekly, "anomaly")["anomalies"] == []


@pytest.mark.parametrize("times", [2, 3, 5])
def test_a_booking_that_stands_several_times_on_a_day(times: int) -> None:
    rows = [booking(date(2024, 1, 2), -50.0, "4980", "Getränke Meyer", "RE 17")] * times
    assert [found["row"] for found in analyse_ledger(rows, "anomaly")["anomalies"]] == list(range(2, times + 1))


def test_a_weekly_delivery_that_stands_three_times_once() -> None:
    days = [date(2024, 1, 2) + timedelta(days=7 * week) for week in range(20)]
    weekly = [booking(day, -50.0, "4980", "Getränke Meyer", "Lieferung") for day in [*days[:4], days[3], *days[3:]]]
    assert [found["row"] for found in analyse_ledger(weekly, "anomaly")["anomalies"]] == [5, 6]


def test_several_fees_of_a_day_with_their_own_texts_are_no_duplicates() -> None:
    fees = [booking(date(2024, 1, 2), -5.0, "4580", "Parkhaus", f"Ticket {number}") for number in range(4)]
    assert analyse_ledger(fees, "anomaly")["anomalies"] == []


def test_a_booking_that_stands_twice_with_another_between() -> None:
    tickets = [booking(date(2024, 1, 2), -5.0, "4580", "Parkhaus", f"Ticket {number}") for number in (1, 2, 1, 3)]
    (found,) = analyse_ledger(tickets, "anomaly")["anomalies"]
    assert found["row"] == 3
    assert found["reasons"][0]["figures"]["row"] == 1


def test_a_sign_that_the_account_never_has() -> None:
    assert "positive amount, as only 0% of this account's bookings are" in reasons_of(
        booking(date(2024, 5, 14), 70.0, "4930", "Tinte Srl")
    )


def test_a_usual_booking_is_none() -> None:
    assert reasons_of(booking(date(2024, 5, 14), -71.13, "4930", "Tinte Srl")) == []
    assert reasons_of(booking(date(2024, 7, 1), -1200.0, "4210", "Vermieter GmbH")) == []


def test_few_of_the_usual_rows_are_anomalies() -> None:
    result = analyse_ledger(usual_rows(), "anomaly")
    assert result["anomalies_found"] <= len(usual_rows()) * 0.02
    assert result["method"]["library"].startswith("scikit-learn ")


def test_every_anomaly_has_a_reason_and_the_same_rows_get_the_same_answer() -> None:
    rows = [*usual_rows(), booking(date(2024, 5, 19), -1000.0, "4930", "Neu Inc")]
    result = analyse_ledger(rows, "anomaly")
    assert all(found["reasons"] and 0.5 <= found["score"] <= 1 for found in result["anomalies"])
    assert analyse_ledger(rows, "anomaly") == result
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("strengths", "forest", "score"),
    [
        pytest.param([], 0.5, 0.0, id="no-reason-no-anomaly"),
        pytest.param([0.9], 0.0, 0.9, id="one-strong"),
        pytest.param([0.35, 0.15], 0.3, 0.6133, id="weak-ones-together"),
        pytest.param([0.15], 0.0, 0.15, id="one-weak"),
    ],
)
def test_scores_join(strengths: list[float], forest: float, score: float) -> None:
    assert join_scores([Sign("x", "x", strength) for strength in strengths], forest) == score


def test_few_rows_are_judged_by_rules_alone_and_it_is_told() -> None:
    result = analyse_ledger([booking(date(2024, 1, day), -10.0 - day, "1", "A") for day in range(1, 9)], "anomaly")
    assert result["method"] == {"name": "robust_statistics", "library": None}
    assert result["findings"][0]["code"] == "few_rows"


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(ledger_learning, "import_module", missing)
    with pytest.raises(LedgerError, match=r"docker build --build-arg EXTRA=ml") as caught:
        analyse_ledger(usual_rows(), "anomaly")
    assert caught.value.code == "ml_missing"
    assert analyse_ledger(usual_rows(), "forecast")["analysis_complete"] is True


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(
            booking,
            st.dates(date(2020, 1, 1), date(2024, 12, 31)),
            st.floats(-1e9, 1e9, allow_nan=False).map(lambda amount: round(amount, 2)),
            st.sampled_from(["1", "2"]),
            st.sampled_from(["", "A", "B"]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_rows_are_analysed(rows: list[Row]) -> None:
    result = analyse_ledger(rows, "anomaly")
    assert result["rows_used"] == len(rows)
    assert all(found["reasons"] for found in result["anomalies"])
