"""document_analysis: reads an invoice. How is `service.domain.documents`'; this drives it and reports each step."""

from service.worker.framework import Arguments, Result, TaskContext, TaskFailure, task_type


@task_type("document_analysis", preload=("service.domain.documents",))
async def analyse(context: TaskContext, arguments: Arguments) -> Result:
    # Not at the top: workers of other queues have no use for pypdf and its third of a worker's memory.
    from service.domain.documents import DocumentError, analysis_steps

    steps = analysis_steps(arguments["document_data"], arguments["job_id"])
    try:
        while True:
            name, percent = next(steps)
            await context.step_done(name, percent)
    except StopIteration as end:
        result: Result = end.value
        return result
    except DocumentError as error:
        raise TaskFailure(str(error)) from error
