"""The coming months of an account: which method, how far off it was, and what is said of it."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.ledger import Limits, analyse_ledger
from service.domain.ledger.backtest import choose_method, interval_factor, spread_by_month
from tests.service.domain.ledger.ledgers import Row, booking, usual_rows

FLAT = [100.0] * 24
SEASON = [100.0 + 80 * (month % 12 in (10, 11)) for month in range(48)]
GROWING = [100.0 + 5 * month for month in range(30)]
GROWING_SEASON = [value + 4 * month for month, value in enumerate(SEASON)]


@pytest.mark.parametrize(
    ("history", "method", "expected"),
    [
        pytest.param(FLAT, "seasonal_naive", [100, 100, 100], id="flat"),
        pytest.param(FLAT[:8], "recent_mean", [100, 100, 100], id="flat-and-short"),
        pytest.param(SEASON, "seasonal_naive", [100, 100, 100], id="season"),
        pytest.param(GROWING_SEASON, "seasonal_drift", [292, 296, 300], id="season-that-grows"),
        pytest.param([10.0, 20.0, 30.0], "recent_mean", [20, 20, 20], id="too-short-to-try"),
    ],
)
def test_method_and_forecast(history: list[float], method: str, expected: list[float]) -> None:
    choice = choose_method(history, 3)
    assert choice.method.name == method
    found = choice.method.carry_on(history, 3, choice.method.fit(history))
    assert found == pytest.approx(expected)


def test_a_trend_is_followed() -> None:
    choice = choose_method(GROWING, 3)
    assert choice.trial is not None
    assert choice.baseline is not None
    assert choice.trial.mean_error < choice.baseline.mean_error / 2
    assert choice.method.carry_on(GROWING, 1, choice.method.fit(GROWING))[0] == pytest.approx(250, rel=0.05)


def test_an_interval_holds_what_came_in_most_months() -> None:
    rows = usual_rows()
    result = analyse_ledger({"rows": rows[: -12 * 3], "options": {"months_ahead": 3, "confidence": 0.9}}, "forecast")
    sales = next(series for series in result["series"] if series["account"] == "8400")
    actual = {row["date"][:7]: row["amount"] for row in rows if row["account"] == "8400"}
    assert all(month["low"] <= actual[month["month"]] <= month["high"] for month in sales["forecast"])


def test_a_series_says_why() -> None:
    result = analyse_ledger({"rows": usual_rows(), "options": {"complete_through": "2024-06"}}, "forecast")
    rent = next(series for series in result["series"] if series["account"] == "4210")
    assert rent["why"].startswith("Tried on the last 12 months, the same month a year before was off by 0.00")
    assert rent["forecast"][0] == {"month": "2024-07", "amount": -1200.0, "low": -1200.0, "high": -1200.0}
    assert rent["backtest"]["percent_of_volume"] == 0.0
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("latest", "through", "first", "findings"),
    [
        pytest.param(date(2024, 6, 28), None, "2024-07", [], id="month-is-whole"),
        pytest.param(date(2024, 6, 12), None, "2024-06", ["month_incomplete"], id="month-is-open"),
        pytest.param(date(2024, 6, 12), "2024-06", "2024-07", [], id="told-to-be-whole"),
        pytest.param(date(2024, 6, 28), "2024-05", "2024-06", [], id="told-to-be-open"),
    ],
)
def test_an_open_month_is_forecast_and_not_counted(
    latest: date, through: str | None, first: str, findings: list[str]
) -> None:
    rows = [booking(date(2024, month, 3), 10.0, "1", "A") for month in range(1, 7)]
    rows.append(booking(latest, 10.0, "1", "A"))
    options = {} if through is None else {"complete_through": through}
    result = analyse_ledger({"rows": rows, "options": options}, "forecast")
    assert result["series"][0]["forecast"][0]["month"] == first
    assert [finding["code"] for finding in result["findings"]] == findings


def test_dates_a_thousand_years_apart_are_bounded() -> None:
    rows = [booking(date(year, 1, 31), 10.0, str(year), "A") for year in range(1000, 3000)]
    result = analyse_ledger(rows, "forecast", Limits(accounts=3, months=24))
    assert len(result["series"]) == 3
    assert all(len(series["history"]) <= 24 for series in result["series"])
    assert result["findings"][0]["code"] == "accounts_cut"


def test_months_without_bookings_are_zero() -> None:
    rows = [booking(date(2024, 1, 31), 10.0, "1", "A"), booking(date(2024, 4, 30), 10.0, "1", "A")]
    history = analyse_ledger(rows, "forecast")["series"][0]["history"]
    assert [month["amount"] for month in history] == [10.0, 0.0, 0.0, 10.0]


def test_too_short_a_series_has_no_forecast_and_says_so() -> None:
    series = analyse_ledger([booking(date(2024, 1, 31), 10.0, "1", "A")], "forecast")["series"][0]
    assert (series["method"], series["forecast"]) == (None, [])
    assert series["why"] == "Only 1 whole months: a forecast needs 3 at least."


@settings(max_examples=60)
@given(st.lists(st.floats(-1e7, 1e7), min_size=3, max_size=60), st.integers(1, 24))
def test_intervals_never_shrink(history: list[float], horizon: int) -> None:
    choice = choose_method(history, horizon)
    spreads = spread_by_month(history, choice, horizon)
    assert len(spreads) == horizon
    assert spreads == sorted(spreads)
    assert len(choice.method.carry_on(history, horizon, choice.method.fit(history))) == horizon


def test_confidence_widens_the_interval() -> None:
    assert interval_factor(0.8) == pytest.approx(1.2816, abs=1e-4)
    assert interval_factor(0.95) == pytest.approx(1.96, abs=1e-3)


def test_the_largest_account_is_first() -> None:
    rows: list[Row] = [*usual_rows()]
    assert [series["account"] for series in analyse_ledger(rows, "forecast")["series"]] == ["8400", "4210", "4930"]
