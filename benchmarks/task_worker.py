"""A worker of ours with no-op task types, for `benchmarks.tasks`: `python -m benchmarks.task_worker`."""

import os
import sys
import time

from service.settings import Settings
from service.tasks.declaring import Arguments, Result, TaskContext, load_task_types, task_type
from service.worker.main import run_worker


@task_type("bench_noop", queue="default", quotas=())
async def noop(context: TaskContext, arguments: Arguments) -> Result:
    """Tells when it started, where it is asked to."""
    key = arguments.get("key")
    if key is not None:
        started_at = time.time()
        await context.services.lane.ask("RPUSH", key, str(started_at))
    return {}


# As shipped types are: its start is a round trip more.
task_type("bench_counted", queue="default")(noop)


if __name__ == "__main__":
    load_task_types()
    sys.exit(run_worker(Settings.from_env(os.environ)))
