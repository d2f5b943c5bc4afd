"""The task registry: claims, fencing, times to live, results; each on a real Valkey in cluster mode."""

from dataclasses import replace
from typing import Any

import pytest

from contract import keys
from service.domain.tasks import COMPLETED, FAILED, NewTask
from service.store.client import Valkey
from service.store.payloads import PayloadStore, encode
from service.store.payloads import parse as parse_payload
from service.store.tasks import Begun, Fence, Released, TaskStore, ended_fields, parse_begun

TASK = NewTask("t1", "document_analysis", "u1", "acme", "celery-1", "2026-01-01T00:00:00+00:00", 1800)


@pytest.fixture
def tasks(valkey: Valkey) -> TaskStore:
    return TaskStore(valkey)


async def begin(valkey: Valkey, tasks: TaskStore, run: int, holder: str = "h1") -> Begun:
    pipeline = valkey.pipeline(transaction=False)
    tasks.add_begin(pipeline, "t1", run, 1800, {"worker_id": "w1:7"}, holder=holder)
    (answer,) = await pipeline.execute()
    return parse_begun(answer, "t1", run)


async def let_lease_run_out(valkey: Valkey) -> None:
    await valkey.hset(keys.task("t1"), "lease_until", "1")


async def write(valkey: Valkey, tasks: TaskStore, fence: Fence, **fields: str) -> bool:
    pipeline = valkey.pipeline(transaction=False)
    tasks.add_write(pipeline, fence, fields)
    (answer,) = await pipeline.execute()
    return bool(answer)


async def test_a_life_of_a_task_and_its_times_to_live(valkey: Valkey, tasks: TaskStore) -> None:
    claim = await tasks.claim(TASK)
    assert claim.outcome == "claimed"
    assert await valkey.ttl(keys.task("t1")) > keys.DAY_S

    begun = await begin(valkey, tasks, claim.run)
    assert (begun.outcome, begun.fence.attempt) == ("begun", 1)
    assert 0 < await valkey.ttl(keys.task("t1")) <= 1800 + keys.TASK_GRACE_S

    assert await write(valkey, tasks, begun.fence, current_step="half", progress_percent="50")
    entry = await tasks.read("t1")
    assert entry is not None
    assert (entry.status, entry.current_step, entry.progress_percent) == ("processing", "half", 50)

    assert await tasks.finish(begun.fence, ended_fields(COMPLETED, 100, "now"), {"answer": 42})
    outcome = await tasks.read_outcome("t1")
    assert outcome is not None
    assert outcome.result == {"answer": 42}
    assert keys.DAY_S - 60 < await valkey.ttl(keys.task("t1")) <= keys.DAY_S
    assert keys.DAY_S - 60 < await valkey.ttl(keys.task_result("t1")) <= keys.DAY_S


async def test_writes_of_an_older_attempt_are_refused(valkey: Valkey, tasks: TaskStore) -> None:
    claim = await tasks.claim(TASK)
    older = (await begin(valkey, tasks, claim.run)).fence
    await let_lease_run_out(valkey)
    newer = (await begin(valkey, tasks, claim.run)).fence
    assert newer.attempt == older.attempt + 1

    assert await tasks.finish(newer, ended_fields(COMPLETED, 100, "now"), {"of": "newer"})
    assert not await write(valkey, tasks, older, current_step="late")
    assert not await tasks.finish(older, ended_fields(FAILED, 0, "late", "late"), {"of": "older"})
    outcome = await tasks.read_outcome("t1")
    assert outcome is not None
    assert (outcome.entry.status, outcome.result) == (COMPLETED, {"of": "newer"})


async def test_who_did_not_hear_that_its_end_was_written_may_ask_again(valkey: Valkey, tasks: TaskStore) -> None:
    fence = (await begin(valkey, tasks, (await tasks.claim(TASK)).run)).fence
    ended = ended_fields(COMPLETED, 100, "12:00:00.1")
    for _ in range(2):
        assert await tasks.finish(fence, ended, {"total": 1})
    # Another end of the same attempt, as maintenance would write it, is refused; and a late step.
    assert not await tasks.finish(fence, ended_fields(FAILED, 0, "12:00:00.2", "stuck"))
    assert not await write(valkey, tasks, fence, current_step="late")


async def test_writes_of_an_older_run_are_refused(valkey: Valkey, tasks: TaskStore) -> None:
    first = await tasks.claim(TASK)
    fence = (await begin(valkey, tasks, first.run)).fence
    assert await tasks.finish(fence, ended_fields(COMPLETED, 100, "now"), {"of": "first"})
    second = await tasks.claim(TASK)
    assert second.run > first.run

    assert (await begin(valkey, tasks, first.run)).outcome == "stale"
    assert not await write(valkey, tasks, fence, current_step="late")
    outcome = await tasks.read_outcome("t1")
    assert outcome is not None
    # The first run's result is no longer this task's.
    assert (outcome.entry.status, outcome.result) == ("queued", None)


async def test_runs_grow_also_when_the_entry_has_expired(valkey: Valkey, tasks: TaskStore) -> None:
    first = await tasks.claim(TASK)
    await valkey.delete(keys.task("t1"))
    assert (await begin(valkey, tasks, first.run)).outcome == "stale"
    second = await tasks.claim(TASK)
    assert second.run > first.run


async def test_an_ended_run_is_not_begun_again(valkey: Valkey, tasks: TaskStore) -> None:
    claim = await tasks.claim(TASK)
    fence = (await begin(valkey, tasks, claim.run)).fence
    await tasks.finish(fence, ended_fields(FAILED, 0, "now", "broken"))
    again = await begin(valkey, tasks, claim.run)
    assert (again.outcome, again.fence) == ("ended", fence)
    entry = await tasks.read("t1")
    assert entry is not None
    assert (entry.status, entry.error) == (FAILED, "broken")


async def test_a_claim_is_given_back_only_before_it_is_begun(valkey: Valkey, tasks: TaskStore) -> None:
    claim = await tasks.claim(TASK)
    assert (await tasks.release(replace(TASK, celery_task_id="another"))).outcome == "none"
    assert await tasks.read("t1") is not None
    assert await tasks.release(TASK) == Released("released", claim.run)
    assert await tasks.read("t1") is None
    assert (await tasks.release(TASK)).outcome == "none"

    claim = await tasks.claim(TASK)
    await begin(valkey, tasks, claim.run)
    assert (await tasks.release(TASK)).outcome == "begun"
    assert await tasks.read("t1") is not None


async def test_a_mean_follows_the_durations(valkey: Valkey, tasks: TaskStore) -> None:
    for duration_s in (10.0, 20.0):
        pipeline = valkey.pipeline(transaction=False)
        tasks.add_duration(pipeline, "document_analysis", duration_s)
        await pipeline.execute()
    pipeline = valkey.pipeline(transaction=False)
    tasks.add_read_mean_duration(pipeline, "document_analysis")
    (mean,) = await pipeline.execute()
    assert float(mean) == 11.0


async def test_arguments_are_of_one_run(valkey: Valkey) -> None:
    payloads = PayloadStore(valkey)
    for run in (1, 2):
        for command in payloads.build_write("t1", run, encode({"run": run})):
            send: Any = valkey.execute_command
            await send(*command)
    # The first run's end must not take the second's arguments.
    await payloads.delete("t1", 1)
    pipeline = valkey.pipeline(transaction=False)
    payloads.add_read(pipeline, "t1")
    (answer,) = await pipeline.execute()
    assert parse_payload(answer, 2) == {"run": 2}
    assert parse_payload(answer, 1) is None
    await payloads.delete("t1", 2)
    assert not await valkey.exists(keys.task_payload("t1"))


async def test_a_strangers_hash_is_no_task(valkey: Valkey, tasks: TaskStore) -> None:
    await valkey.hset(keys.task("t1"), "something", "else")
    assert await tasks.read("t1") is None
    assert await tasks.read_outcome("t1") is None
