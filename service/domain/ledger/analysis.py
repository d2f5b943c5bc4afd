"""Runs an analysis of ledger rows step by step. Each step is yielded when it is done, for progress."""

from __future__ import annotations

from typing import Any, Final

from service.domain.ledger.anomaly import anomaly_steps
from service.domain.ledger.forecast import forecast_steps
from service.domain.ledger.intake import check_data, parse_ledger
from service.domain.ledger.model import DEFAULT_LIMITS, LedgerError, Limits
from service.domain.steps import Steps, run_to_end

MODEL_TYPES: Final = ("anomaly", "forecast")


def analyse_ledger(data: object, model_type: object, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Run all steps. Raises LedgerError."""
    return run_to_end(ledger_steps(data, model_type, limits))


def ledger_steps(data: object, model_type: object, limits: Limits = DEFAULT_LIMITS) -> Steps:
    """Yield (step, percent) when each step is done; the return value is the result. Raises LedgerError.

    Result: `{analysis_complete, model_type, rows_read, rows_used, rows_rejected: [{row, problem}]}` and what
    `anomaly_steps` or `forecast_steps` return.
    """
    name = check_model_type(model_type)
    ledger = parse_ledger(data, limits)
    yield ("preprocessing", 20)
    analysis = yield from (anomaly_steps if name == "anomaly" else forecast_steps)(ledger, limits)
    result = {
        "analysis_complete": True,
        "model_type": name,
        "rows_read": len(ledger.entries) + len(ledger.rejected),
        "rows_used": len(ledger.entries),
        "rows_rejected": [bad.document() for bad in ledger.rejected],
        **analysis,
    }
    yield ("final_processing", 100)
    return result


def check_request(data: object, model_type: object) -> None:
    """What can be refused before a task is queued, without reading the rows. Raises LedgerError."""
    check_model_type(model_type)
    check_data(data)


def check_model_type(model_type: object) -> str:
    """The model type, or LedgerError `invalid_input`."""
    if model_type not in MODEL_TYPES:
        raise LedgerError("invalid_input", f"model_type is anomaly or forecast, not {str(model_type)[:40]!r}.")
    return str(model_type)
