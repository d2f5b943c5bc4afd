"""report_generation: usage, tasks, storage or conversations of a company, as JSON, CSV and a page for people.

Figures are gathered by `service.tasks.company_figures`; what is made of them is `service.domain.reports`'.
"""

from datetime import UTC, datetime

from contract.queues import REPORT_GENERATION
from service.domain.ids import Id
from service.domain.progress import leaving_out
from service.domain.reports import check_report_type, report_steps
from service.tasks.company_figures import gather_figures
from service.tasks.declaring import Arguments, Result, Start, TaskContext, TaskFailure, task_type
from service.tasks.stepping import run_steps


def start(user_id: Id, company_id: Id, report_type: str) -> Start:
    """Reports on a company: `usage`, `tasks`, `storage` or `conversations`."""
    check_report_type(report_type)
    answer = {"company_id": company_id, "report_type": report_type}
    return Start(user_id, {"report_type": report_type}, answer=answer, company_id=company_id)


@task_type(
    REPORT_GENERATION,
    starts={"TASK.start_report_generation": start},
    notices=leaving_out("json", "csv", "html"),
)
async def report(context: TaskContext, arguments: Arguments) -> Result:
    await _check_access(context)
    report_type = arguments["report_type"]
    figures = await gather_figures(context, report_type, datetime.now(UTC))
    return await run_steps(context, report_steps(report_type, figures))


async def _check_access(context: TaskContext) -> None:
    """A user whose companies are known sees no other's figures."""
    user = await context.services.unified.read_user(context.user_id)
    companies = user["companies"]["authorized_companies_ids"] if user else []
    if companies and context.company_id not in companies:
        raise TaskFailure(f"the user is not authorised for the company {context.company_id}")
