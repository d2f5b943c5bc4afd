"""A task type as its owner would add it: its own namespace, queue and limit, in one file. docs/tasks.md shows it."""

from typing import Any

from service.domain.ids import Id
from service.tasks.declaring import Arguments, Result, Start, TaskContext, TaskFailure, task_type


def start(user_id: Id, company_id: Id, data: dict[str, Any]) -> Start:
    """Adds up the amounts of `data`: `{"rows": [{"amount": number}, …]}`."""
    return Start(user_id, {"rows": data.get("rows", [])}, company_id=company_id, answer={"company_id": company_id})


@task_type("data_processing", starts={"NEW_SERVICE.process_data": start}, queue="default", max_duration_s=60)
async def process(context: TaskContext, arguments: Arguments) -> Result:
    rows = arguments["rows"]
    if not rows:
        raise TaskFailure("there are no rows to add up: send data.rows")
    await context.step_done("adding", 50)
    return {"rows": len(rows), "total": sum(row["amount"] for row in rows)}
