"""Carries each account's months on, with an interval, the error that such forecasts had, and why the method was taken.

Needs nothing beyond Python: an account has dozens of months, not thousands.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.domain.ledger.backtest import Choice, choose_method, interval_factor, spread_by_month
from service.domain.ledger.model import DEFAULT_LIMITS, Entry, Finding, Ledger, LedgerError, Limits, format_money
from service.domain.steps import Steps

_FEWEST_MONTHS: Final = 3
_HISTORY_SHOWN: Final = 36
# Books are closed at the end of a month: a last booking in its last days says that the month is whole.
_LAST_DAYS: Final = 3


@dataclass(frozen=True)
class Series:
    """An account's amounts by month, without gaps. Months count from year 0: 2024-01 is 24288."""

    account: str
    first_month: int
    amounts: tuple[float, ...]


def forecast_steps(ledger: Ledger, limits: Limits = DEFAULT_LIMITS) -> Steps:
    """Yield (step, percent); the return value is the analysis. Raises LedgerError `no_rows`.

    `{months_ahead, confidence, series: [{account, history: [{month, amount}], method, why, backtest: {months,
    mean_absolute_error, percent_of_volume, baseline: {method, mean_absolute_error}} | null, forecast: [{month, amount,
    low, high}]}], findings}`, the accounts with the largest volume first. A series too short has no forecast, method
    null, and `why` says so.
    """
    last, findings = _last_month(ledger)
    sums = sum_by_month(ledger.entries, last)
    if not sums:
        raise LedgerError("no_rows", f"No booking lies in a whole month up to {format_month(last)}.")
    if len(sums) > limits.accounts:
        message = f"Of {len(sums)} accounts the {limits.accounts} with the largest volume are forecast."
        findings.append(Finding("accounts_cut", message))
    yield ("data_validation", 40)
    described = [_describe(one, ledger) for one in build_series(sums, last, limits)]
    yield ("analysis", 90)
    return {
        "months_ahead": ledger.months_ahead,
        "confidence": ledger.confidence,
        "series": described,
        "findings": [finding.document() for finding in (*ledger.findings, *findings)],
    }


def sum_by_month(entries: Sequence[Entry], last: int) -> dict[str, dict[int, float]]:
    """Each account's amounts by month, up to month `last`."""
    sums: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for entry in entries:
        if month_of(entry) <= last:
            sums[entry.account][month_of(entry)] += float(entry.amount)
    return sums


def build_series(sums: Mapping[str, Mapping[int, float]], last: int, limits: Limits) -> list[Series]:
    """Each account from its first booking to `last`, a month without bookings being 0; the largest volume first.

    Of many accounts the largest, of many months the latest: dates a thousand years apart cost nothing.
    """
    largest = sorted(sums, key=lambda account: (-sum(map(abs, sums[account].values())), account))
    series = []
    for account in largest[: limits.accounts]:
        first = max(min(sums[account]), last - limits.months + 1)
        amounts = tuple(sums[account].get(month, 0.0) for month in range(first, last + 1))
        series.append(Series(account, first, amounts))
    return series


def month_of(entry: Entry) -> int:
    return entry.date.year * 12 + entry.date.month - 1


def format_month(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def _last_month(ledger: Ledger) -> tuple[int, list[Finding]]:
    """The last month that counts as whole. Cases in order:

    1. the option `complete_through`
    2. the latest booking lies in the last three days of its month → that month
    3. the month before, and a finding that says so
    """
    if ledger.complete_through is not None:
        year, month = ledger.complete_through.split("-")
        return int(year) * 12 + int(month) - 1, []
    latest = ledger.entries[-1]
    if latest.date.day > monthrange(latest.date.year, latest.date.month)[1] - _LAST_DAYS:
        return month_of(latest), []
    month = format_month(month_of(latest))
    message = f"{month} ends for these rows on day {latest.date.day}: it was not counted, but forecast as a whole."
    return month_of(latest) - 1, [Finding("month_incomplete", f"{message} The option complete_through changes that.")]


def _describe(series: Series, ledger: Ledger) -> dict[str, Any]:
    amounts = series.amounts
    after = series.first_month + len(series.amounts)
    shown = series.amounts[-_HISTORY_SHOWN:]
    described: dict[str, Any] = {
        "account": series.account,
        "history": [
            {"month": format_month(after - len(shown) + at), "amount": round(amount, 2)}
            for at, amount in enumerate(shown)
        ],
    }
    if len(amounts) < _FEWEST_MONTHS:
        why = f"Only {len(amounts)} whole months: a forecast needs {_FEWEST_MONTHS} at least."
        return {**described, "method": None, "why": why, "backtest": None, "forecast": []}
    choice = choose_method(amounts, ledger.months_ahead)
    return {
        **described,
        "method": choice.method.name,
        "why": explain(choice),
        "backtest": _describe_backtest(amounts, choice),
        "forecast": _forecast(amounts, after, choice, ledger),
    }


def _forecast(amounts: Sequence[float], after: int, choice: Choice, ledger: Ledger) -> list[dict[str, Any]]:
    method = choice.method
    expected = method.carry_on(amounts, ledger.months_ahead, method.fit(amounts))
    spreads = spread_by_month(amounts, choice, ledger.months_ahead)
    factor = interval_factor(ledger.confidence)
    return [
        {
            "month": format_month(after + step),
            "amount": round(value, 2),
            "low": round(value - factor * spread, 2),
            "high": round(value + factor * spread, 2),
        }
        for step, (value, spread) in enumerate(zip(expected, spreads, strict=True))
    ]


def explain(choice: Choice) -> str:
    """Why this method: a sentence with the errors that decided."""
    if choice.trial is None or choice.baseline is None:
        return f"Too few months to try methods on: it is {choice.method.words}."
    tried = f"Tried on the last {choice.origins} months, {choice.method.words} was off by"
    off = f"{tried} {format_money(choice.trial.mean_error)} a month on average"
    if choice.trial is choice.baseline:
        return f"{off}; nothing that was tried did clearly better."
    return f"{off}, {choice.baseline.method.words} by {format_money(choice.baseline.mean_error)}."


def _describe_backtest(amounts: Sequence[float], choice: Choice) -> dict[str, Any] | None:
    if choice.trial is None or choice.baseline is None:
        return None
    usual = sum(abs(amount) for amount in amounts[-choice.origins :]) / choice.origins
    return {
        "months": choice.origins,
        "mean_absolute_error": round(choice.trial.mean_error, 2),
        "percent_of_volume": round(choice.trial.mean_error / usual * 100, 1) if usual else None,
        "baseline": {
            "method": choice.baseline.method.name,
            "mean_absolute_error": round(choice.baseline.mean_error, 2),
        },
    }
