"""document_analysis: reads an invoice. How is `service.domain.documents`'; this drives it and reports each step."""

from typing import Any

from contract.queues import DOCUMENT_ANALYSIS
from service.domain.ids import Id
from service.domain.tasks import check_job_id
from service.tasks.declaring import Arguments, Result, Start, TaskContext, task_type
from service.tasks.stepping import run_steps


def start(user_id: Id, document_data: dict[str, Any], job_id: str) -> Start:
    """Analyses a document: `{"content": text}` or `{"content_base64": …, "mime": …}`."""
    check_job_id(job_id)
    return Start(
        user_id,
        {"document_data": document_data, "job_id": job_id},
        answer={"job_id": job_id},
        task_id=f"doc_analysis_{job_id}",
    )


@task_type(
    DOCUMENT_ANALYSIS,
    starts={"TASK.start_document_analysis": start},
    preload=("service.domain.documents",),
)
async def analyse(context: TaskContext, arguments: Arguments) -> Result:
    # Not at the top: workers of other queues, and the API, have no use for pypdf and its third of a worker's memory.
    from service.domain.documents import analysis_steps

    return await run_steps(context, analysis_steps(arguments["document_data"], arguments["job_id"]))
