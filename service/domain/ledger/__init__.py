"""Analyses ledger rows: bookings that stand out (`anomaly`), the coming months of each account (`forecast`). Pure.

`analyse_ledger` runs all steps; a worker that reports progress drives `ledger_steps` itself.

    data = {"rows": [{"date": "2024-05-12", "amount": 119.0, "account": "4930", "counterparty": "ACME", "text": "…"}],
            "options": {"months_ahead": 3, "confidence": 0.8, "complete_through": "2024-05"}}     or the list of rows

Date and amount may be text as people write it, where that is unambiguous; counterparty and text may be missing.
`anomaly` needs the extra `ml` (scikit-learn); `forecast` does not.
"""

from service.domain.ledger.analysis import MODEL_TYPES, analyse_ledger, check_request, ledger_steps
from service.domain.ledger.model import DEFAULT_LIMITS, LedgerError, Limits

__all__ = [
    "DEFAULT_LIMITS",
    "MODEL_TYPES",
    "LedgerError",
    "Limits",
    "analyse_ledger",
    "check_request",
    "ledger_steps",
]
