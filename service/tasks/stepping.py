"""Drives a computation that is a generator of steps: each step is told when it is done, its return value is the result.

The steps run in the event loop itself, not in a thread: a time limit, a cancelling and a lost lease then end them
where they stand (`service.worker.bridge`), while a thread would compute on to its end beside the next task. Leases are
renewed by a thread of their own.
"""

from service.domain.errors import RefusedInput
from service.domain.steps import Steps
from service.tasks.declaring import Result, TaskContext, TaskFailure


async def run_steps(context: TaskContext, steps: Steps) -> Result:
    """The generator's result. Input that a step refuses is the task's failure; any other error is raised."""
    while True:
        try:
            name, percent = next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        except RefusedInput as refusal:
            # The sentence may quote what was sent.
            raise TaskFailure(str(refusal), logged=f"the input is refused: {refusal.code}") from refusal
        await context.step_done(name, percent)
