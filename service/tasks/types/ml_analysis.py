"""ml_analysis: bookings that stand out, and the coming months of accounts. How is `service.domain.ledger`'s."""

import asyncio
from contextlib import suppress
from typing import Any

from contract.queues import ML_ANALYSIS
from service.domain.ids import Id
from service.domain.ledger import LedgerError, check_request, ledger_steps
from service.domain.ledger.learning import load_learning
from service.tasks.declaring import Arguments, Result, Start, TaskContext, task_type
from service.tasks.stepping import run_steps


def start(user_id: Id, data: Any, model_type: str) -> Start:
    """Analyses ledger rows, `{"rows": [{"date": …, "amount": …, "account": …}]}`: `anomaly` or `forecast`."""
    check_request(data, model_type)
    return Start(user_id, {"data": data, "model_type": model_type}, answer={"model_type": model_type})


@task_type(ML_ANALYSIS, starts={"TASK.start_ml_analysis": start})
async def analyse(context: TaskContext, arguments: Arguments) -> Result:
    if arguments["model_type"] == "anomaly":
        with suppress(LedgerError):
            # In a thread: numpy, of which an import was broken off, cannot be imported again. Where there is none, the
            # analysis says so.
            await asyncio.to_thread(load_learning)
    return await run_steps(context, ledger_steps(arguments["data"], arguments["model_type"]))
