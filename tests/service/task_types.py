"""Task types that only tests have, and a worker that knows them: `python -m tests.service.task_types`.

Each shows what a handler can do to a worker: wait, compute, ignore its limit, fail, or take its process down.
"""

import asyncio
import os
import signal
import sys
import time

from service.domain.quotas import MAX_LLM_REQUESTS_PER_HOUR, MAX_TASKS_PER_USER, STORAGE_LIMIT_MB
from service.settings import Settings
from service.tasks.declaring import Arguments, Result, TaskContext, TaskFailure, load_task_types, task_type
from service.worker.main import run_worker


def gate(task_id: str) -> str:
    """Key that lets a waiting task go on."""
    return f"test:gate:{task_id}"


@task_type("test_wait")
async def wait(context: TaskContext, arguments: Arguments) -> Result:
    """Says that it waits, and goes on when its gate is there."""
    await context.step_done("waiting", 50)
    while not await context.services.valkey.exists(gate(context.task_id)):  # noqa: ASYNC110 - the gate is in Valkey
        await asyncio.sleep(0.02)
    return {"waited": True, **arguments}


@task_type("test_compute")
async def compute(context: TaskContext, _: Arguments) -> Result:
    """Computes until it is stopped, as a document of a thousand pages would."""
    await context.step_done("computing", 10)
    while True:
        try:
            time.time()
        except Exception:  # noqa: S112 - as a library that takes every error for a broken page
            continue


@task_type("test_ignore_limit")
async def ignore_limit(context: TaskContext, _: Arguments) -> Result:
    """Does not stop for the soft limit."""
    await context.step_done("ignoring", 10)
    while True:
        try:
            time.sleep(0.1)  # noqa: ASYNC251 - that is what it does wrong
        except BaseException:  # noqa: S112
            continue


@task_type("test_die")
async def die(context: TaskContext, arguments: Arguments) -> Result:
    """Takes its process down the first time, and completes the second; or does so always."""
    await context.step_done("dying", 10)
    if await context.services.valkey.incr(gate(context.task_id)) == 1 or "always" in arguments:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"survived": True}


@task_type("test_fail")
async def fail(context: TaskContext, arguments: Arguments) -> Result:
    """Fails as it is told."""
    if arguments.get("clearly"):
        raise TaskFailure("the input is wrong: send another")
    raise KeyError(arguments.get("quoting", "a bug"))


@task_type("test_request", quotas=(MAX_TASKS_PER_USER, MAX_LLM_REQUESTS_PER_HOUR))
async def request(context: TaskContext, _: Arguments) -> Result:
    """As a turn of a conversation: it counts as a request."""
    return {"task_id": context.task_id}


@task_type("test_store", quotas=(STORAGE_LIMIT_MB,))
async def store(context: TaskContext, arguments: Arguments) -> Result:
    """Reserves storage, writes half of it, waits where it is told to."""
    async with await context.reserve_storage("texts", arguments["size_bytes"]) as storage:
        await storage.spend(arguments["size_bytes"] // 2)
        if "die" in arguments and await context.services.valkey.incr(gate(context.task_id)) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    return {"stored": arguments["size_bytes"] // 2}


@task_type("test_echo")
async def echo(context: TaskContext, arguments: Arguments) -> Result:
    """Takes its time, and answers its number."""
    await context.step_done("echoing", 50)
    await asyncio.sleep(arguments.get("takes_s", 0))
    return {"echo": arguments["number"]}


@task_type("test_hoard")
async def hoard(context: TaskContext, arguments: Arguments) -> Result:
    """Takes `mb` of memory, and answers in which process it did."""
    await context.step_done("hoarding", 50)
    hoarded = bytearray(arguments["mb"] * 1024 * 1024)
    return {"pid": os.getpid(), "mb": len(hoarded) // 1024 // 1024}


if __name__ == "__main__":
    from tests.service import new_service  # noqa: F401 - declares its type

    load_task_types()
    sys.exit(run_worker(Settings.from_env(os.environ)))
