"""data_transformation: CSV, JSON and XLSX into each other. How is `service.domain.transformation`'s."""

from typing import Any

from contract.queues import DATA_TRANSFORMATION
from service.domain.ids import Id
from service.domain.progress import leaving_out
from service.domain.transformation import Limits, check_request, transformation_steps
from service.tasks.declaring import Arguments, Result, Start, TaskContext, task_type
from service.tasks.stepping import run_steps


def start(user_id: Id, source: Any, target: Any) -> Start:
    """Turns a table into another format: `{"content": …, "format": "csv"}` and `{"format": "json", "columns": […]}`."""
    check_request(source, target)
    return Start(user_id, {"source": source, "target": target})


@task_type(
    DATA_TRANSFORMATION,
    starts={"TASK.start_data_transformation": start},
    preload=("service.domain.transformation.xlsx_format",),
    notices=leaving_out("content", "content_base64"),
)
async def transform(context: TaskContext, arguments: Arguments) -> Result:
    limits = Limits.within_body(context.services.settings.rpc_max_body_bytes)
    return await run_steps(context, transformation_steps(arguments["source"], arguments["target"], limits))
