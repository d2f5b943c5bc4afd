"""Finds bookings that stand out, and says why each does.

Two views are joined. Signs (`signs`) are rules with a reason each. An isolation forest (Liu, Ting and Zhou, 2008; the
one of scikit-learn) sees combinations that no single rule catches: not very large, but large, new and on a Sunday.
A booking that only the forest finds odd is reported only if signs, however weak, explain it: what cannot be said in
words helps nobody.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from service.domain.ledger.learning import Learning, load_learning
from service.domain.ledger.model import DEFAULT_LIMITS, Entry, Finding, Ledger, Limits
from service.domain.ledger.signs import ALONE_ENOUGH, Habit, Sign, Surroundings, read_signs, read_surroundings
from service.domain.steps import Steps

_TREES: Final = 100
# The size of samples that the forest's authors found enough for any data.
_SAMPLE: Final = 256
# Fewer rows tell a forest nothing; its scores would be noise.
_FEWEST_FOR_FOREST: Final = 50
# The forest's score is 0.5 for an average row; above 0.6 rows are rare (same paper, section 3).
_FOREST_EVEN: Final = 0.6


def anomaly_steps(ledger: Ledger, limits: Limits = DEFAULT_LIMITS) -> Steps:
    """Yield (step, percent); the return value is the analysis. Raises LedgerError `ml_missing`.

    `{method, threshold, anomalies: [{row, date, amount, account, counterparty, text, score, reasons: [{code, message,
    strength, figures}]}], anomalies_found, accounts: [{account, rows, median_amount, anomalies}], findings}`,
    the highest score first.
    """
    learning = load_learning()
    around = read_surroundings(ledger.entries)
    signs = [read_signs(entry, around) for entry in ledger.entries]
    yield ("data_validation", 40)
    forest = _score_by_forest(learning, ledger.entries, around)
    yield ("model_training", 70)
    scored = [
        (join_scores(found, odd), entry, found)
        for entry, found, odd in zip(ledger.entries, signs, forest or [0.0] * len(signs), strict=True)
    ]
    anomalies = sorted((item for item in scored if item[0] >= ALONE_ENOUGH), key=lambda item: (-item[0], item[1].row))
    yield ("analysis", 90)
    return {
        "method": _describe_method(learning, forest is not None),
        "threshold": ALONE_ENOUGH,
        "anomalies": [_describe(*item) for item in anomalies[: limits.anomalies]],
        "anomalies_found": len(anomalies),
        "accounts": _describe_accounts(around, Counter(entry.account for _, entry, _ in anomalies)),
        "findings": [finding.document() for finding in _findings(ledger, around, forest, len(anomalies), limits)],
    }


def join_scores(signs: Sequence[Sign], forest_score: float) -> float:
    """One score of 0 to 1 from independent hints: how unlikely it is that all are wrong.

    Cases in order: no sign at all → 0, whatever the forest says; else 1 - the product of (1 - strength) over signs and
    forest. Example: signs of 0.35 and 0.15 and a forest of 0.3 → 1 - 0.65 x 0.85 x 0.7 = 0.61.
    """
    if not signs:
        return 0.0
    doubt = 1 - forest_score
    for sign in signs:
        doubt *= 1 - sign.strength
    return round(1 - doubt, 4)


def _score_by_forest(learning: Learning, entries: Sequence[Entry], around: Surroundings) -> list[float] | None:
    """The forest's part of each row's score, 0 to 0.5; None where there are too few rows for one."""
    if len(entries) < _FEWEST_FOR_FOREST:
        return None
    rows = [_features(entry, around) for entry in entries]
    return [_forest_strength(score) for score in learning.isolation_scores(rows, trees=_TREES, sample=_SAMPLE)]


def _forest_strength(score: float) -> float:
    return min(0.5, max(0.0, (score - _FOREST_EVEN) / (1 - _FOREST_EVEN)))


def _features(entry: Entry, around: Surroundings) -> list[float]:
    """What the forest sees of a booking: all relative to its account, so that accounts can be told together."""
    account = around.accounts[entry.account]
    pair = around.counterparties.get((entry.account, entry.counterparty.casefold()))
    return [
        _clip(account.deviation(entry.amount)),
        _clip(pair.deviation(entry.amount)) if pair is not None and pair.is_known else 0.0,
        _rarity(account.negative_share if entry.amount < 0 else 1 - account.negative_share),
        _rarity((pair.count if pair is not None else 0) / account.count),
        _rarity(account.weekend_share) if entry.date.weekday() >= 5 else 0.0,
    ]


def _clip(deviation: float) -> float:
    return max(-10.0, min(10.0, deviation))


def _rarity(share: float) -> float:
    return -math.log(max(share, 0.001))


def _describe(score: float, entry: Entry, signs: Sequence[Sign]) -> dict[str, Any]:
    return {**entry.document(), "score": score, "reasons": [sign.document() for sign in signs]}


def _describe_method(learning: Learning, has_forest: bool) -> dict[str, Any]:
    if not has_forest:
        return {"name": "robust_statistics", "library": None}
    return {"name": "robust_statistics+isolation_forest", "library": learning.version, "trees": _TREES}


def _describe_accounts(around: Surroundings, anomalies: Counter[str]) -> list[dict[str, Any]]:
    def describe(account: str, habit: Habit) -> dict[str, Any]:
        return {
            "account": account,
            "rows": habit.count,
            "median_amount": round(habit.median_amount, 2),
            "anomalies": anomalies[account],
        }

    return [describe(account, habit) for account, habit in sorted(around.accounts.items())]


def _findings(
    ledger: Ledger, around: Surroundings, forest: list[float] | None, found: int, limits: Limits
) -> list[Finding]:
    findings = list(ledger.findings)
    if forest is None:
        message = f"Fewer than {_FEWEST_FOR_FOREST} rows: too few for the isolation forest, the rules alone judged."
        findings.append(Finding("few_rows", message))
    unknown = [account for account, habit in sorted(around.accounts.items()) if not habit.is_known]
    if unknown:
        names = ", ".join(unknown[:20]) + (" …" if len(unknown) > 20 else "")
        findings.append(Finding("few_rows_in_account", f"Too few bookings to know what is usual in: {names}."))
    if found > limits.anomalies:
        message = f"Of {found} anomalies the {limits.anomalies} with the highest score are listed."
        findings.append(Finding("anomalies_cut", message))
    return findings
