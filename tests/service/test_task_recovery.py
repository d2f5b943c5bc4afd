"""Lost tasks: workers that die, messages that the broker loses, tasks that kill; each ends with a true status.

A real worker process; the chore itself is called here, so that no test waits for beat.
"""

import base64
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.contextvars import bound_contextvars

from contract import keys
from contract import metrics as names
from service.domain.errors import DependencyUnavailable
from service.domain.recovery import LOOK_EVERY_S
from service.domain.tasks import NewTask
from service.store.foreign_tasks import ForeignTasks, Report
from service.store.recovery import renew_lease, take_from_dead_process
from service.store.tasks import LEASE_S, MAX_LOSSES, MAX_WORKER_LOSSES, Begun, Fence, ended_fields, parse_begun
from service.tasks.ending import ending_of_lost
from service.tasks.services import Services
from service.worker.chores.recovery import recover
from tests.service.application import Api
from tests.service.metrics.samples import scrape
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually


@pytest.fixture
async def services(valkey_server: RunningValkey, user: User) -> AsyncIterator[Services]:
    opened = Services.open(user.settings)
    yield opened
    await opened.close()


async def look_now(user: User, services: Services, task_id: str) -> None:
    """Runs the chore, as if the task were due."""
    await user.valkey.zadd(keys.OPEN_TASKS, {task_id: 1}, xx=True)
    await recover(services)


async def set_lease(user: User, task_id: str, until_s: float) -> None:
    await user.valkey.hset(keys.task(task_id), "lease_until", str(round(until_s * 1000)))


async def waiting(user: User, queue: str = "default") -> int:
    return int(await user.valkey.llen(f"{user.settings.celery_key_prefix}{queue}"))


async def test_a_redelivery_has_no_effect_while_the_first_attempt_runs(user: User, worker: Worker) -> None:
    await user.start("test_wait", "held")
    await user.next_event()
    entry = await user.tasks.read("held")
    assert entry is not None
    # To a queue that a second worker takes: the first is busy.
    pipeline = user.valkey.pipeline(transaction=False)
    user.tasks.add_begin(pipeline, "held", entry.run, 60, {}, holder="another")
    assert await pipeline.execute() == [[b"leased", 1]]

    await user.valkey.set(gate("held"), 1)
    assert (await user.events_until_end("held"))[-1]["payload"]["status"] == "completed"


async def test_a_running_task_renews_its_lease(user: User, worker: Worker) -> None:
    await user.start("test_compute", "computing")
    await user.next_event()
    await set_lease(user, "computing", 1)
    await eventually(lambda: _has_lease(user, "computing"))
    await user.rpc.cancel_task("computing")


async def test_taking_up_again_after_a_broken_connection_gives_the_same_attempt(user: User) -> None:
    await user.start("elsewhere", "asked-twice")
    entry = await user.tasks.read("asked-twice")
    assert entry is not None
    for _ in range(2):
        pipeline = user.valkey.pipeline(transaction=False)
        user.tasks.add_begin(pipeline, "asked-twice", entry.run, 60, {}, holder="same")
        assert await pipeline.execute() == [[b"begun", 1]]


async def test_a_killed_workers_task_runs_again(
    own_valkey: RunningValkey, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with listening_user("u1", own_valkey) as user:
        services = Services.open(user.settings)
        with running_worker(own_valkey, tmp_path) as first:
            await user.start("test_wait", "orphan")
            await user.next_event()
            first.process.send_signal(signal.SIGKILL)
            first.process.wait()
        await look_now(user, services, "orphan")
        status = await user.rpc.get_task_status("orphan")
        assert status["status"] == "processing", "its lease is still believed"

        await set_lease(user, "orphan", time.time() - 1)
        await look_now(user, services, "orphan")
        assert (await user.rpc.get_task_status("orphan"))["status"] == "queued"
        await user.valkey.set(gate("orphan"), 1)
        with running_worker(own_valkey, tmp_path_factory.mktemp("second")):
            assert (await user.events_until_end("orphan"))[-1]["payload"]["status"] == "completed"
        entry = await user.tasks.read("orphan")
        assert entry is not None
        assert (entry.attempt, entry.losses, entry.worker_losses) == (2, 0, 1)
        await services.close()


async def test_a_task_that_takes_its_process_down_three_times_is_set_aside(user: User, worker: Worker) -> None:
    with bound_contextvars(trace_id="t-7"):
        await user.start("test_die", "poison", always=True)
    events = await user.events_until_end("poison")
    assert [event["payload"]["status"] for event in events] == ["started"] * MAX_LOSSES + ["failed"]
    assert "3 times its process died" in events[-1]["payload"]["data"]["error"]
    assert len(worker.logged("task_process_died", task_id="poison", trace_id="t-7")) == MAX_LOSSES
    # Its message is gone too, and the next task runs.
    await user.start("test_fail", "after-poison")
    await user.events_until_end("after-poison")

    async def is_empty() -> bool:
        return await waiting(user) == 0

    await eventually(is_empty)
    deaths, failed = await user.valkey.hmget(keys.TASK_COUNTS, "test_die:process", "test_die:failed")
    assert (int(deaths or 0), int(failed or 0)) == (MAX_LOSSES, 1)


async def test_a_task_whose_process_died_runs_again_before_all_that_wait(user: User, worker: Worker) -> None:
    await user.start("test_wait", "busy")
    await user.next_event()
    for task_id, task_type in (("first", "test_die"), ("second", "test_fail")):
        await user.start(task_type, task_id)
    await user.valkey.set(gate("busy"), 1)
    ended: list[str] = []
    while len(ended) < 3:
        payload = (await user.next_event())["payload"]
        if payload["status"] in ("completed", "failed"):
            ended.append(payload["task_id"])
    assert ended == ["busy", "first", "second"]


async def test_a_message_that_the_broker_lost_is_queued_again_and_others_are_not(user: User) -> None:
    async with listening_user("u1", _server_of(user), TASK_ROUTES="unserved=nobodys") as routed:
        await routed.start("unserved", "lost")
        await routed.start("unserved", "there")
        key = f"{user.settings.celery_key_prefix}nobodys"
        # The queue is read from the newest: `lost` came first.
        await user.valkey.rpop(key)
        own = Services.open(routed.settings)
        for task_id in ("lost", "there"):
            await look_now(user, own, task_id)
        assert await waiting(user, "nobodys") == 2
        # It is the next that a worker takes: those behind it came later.
        assert b"lost" in base64.b64decode(json.loads(await user.valkey.lindex(key, -1) or b"")["body"])
        await look_now(user, own, "lost")
        assert await waiting(user, "nobodys") == 2
        await own.close()


async def test_a_task_that_could_not_be_sent_again_is_looked_at_the_next_time(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: object) -> None:
        raise DependencyUnavailable("the task queue does not answer")

    async with listening_user("u1", _server_of(user), TASK_ROUTES="unserved=nobodys") as routed:
        await routed.start("unserved", "unsent")
        await user.valkey.delete(f"{user.settings.celery_key_prefix}nobodys")
        own = Services.open(routed.settings)
        with monkeypatch.context() as patched:
            patched.setattr(own.queue, "send", refuse)
            await look_now(user, own, "unsent")
        await recover(own)
        assert await waiting(user, "nobodys") == 1
        await own.close()


async def test_a_task_without_a_sign_of_life_for_its_limit_is_failed(user: User, services: Services) -> None:
    await user.start("elsewhere", "stuck")
    await _begin(user, "stuck")
    entry = await user.tasks.read("stuck")
    assert entry is not None
    await set_lease(user, "stuck", time.time() - entry.max_duration_s - 1)
    await look_now(user, services, "stuck")
    last = (await user.events_until_end("stuck"))[-1]["payload"]
    assert last["status"] == "failed"
    assert "no sign of life" in last["data"]["error"]


async def test_ends_and_losses_that_maintenance_writes_are_told_of_the_whole_service(
    user: User, services: Services, api_on: Api
) -> None:
    """No worker that lives has counted them; the one of these tests serves no `llm`."""
    before = await scrape(api_on)
    assert before.read(names.TASK_ENDS, name="pinnokio.llm_conversation", outcome="failed") == 0
    assert before.read(names.TASK_LOSSES, name="pinnokio.llm_conversation", lost="worker") == 0
    await user.start("llm_conversation", "stuck")
    await _begin(user, "stuck")
    entry = await user.tasks.read("stuck")
    assert entry is not None
    await set_lease(user, "stuck", time.time() - entry.max_duration_s - 1)
    await user.start("llm_conversation", "lost")
    await _begin(user, "lost")
    await set_lease(user, "lost", time.time() - 1)
    await look_now(user, services, "stuck")
    await look_now(user, services, "lost")
    after = await scrape(api_on)
    assert after.read(names.TASK_ENDS, name="pinnokio.llm_conversation", outcome="failed") == 1
    assert after.read(names.TASK_LOSSES, name="pinnokio.llm_conversation", lost="worker") == 1
    assert after.read(names.TASK_LOSSES, name="pinnokio.llm_conversation", lost="process") == 0


async def test_an_end_that_was_not_told_is_told_and_leaves_the_index(user: User, services: Services) -> None:
    await user.start("elsewhere", "untold")
    fence = await _begin(user, "untold")
    assert await user.tasks.finish(fence, ended_fields("completed", 100, "now"), {"answer": 42})
    await look_now(user, services, "untold")
    assert (await user.events_until_end("untold"))[-1]["payload"]["data"] == {"answer": 42}
    await look_now(user, services, "untold")
    assert await user.valkey.zscore(keys.OPEN_TASKS, "untold") is None


async def test_a_task_that_was_started_again_stays_in_the_index(user: User, services: Services) -> None:
    await user.valkey.zadd(keys.OPEN_TASKS, {"again": 1})
    (looks,) = [looks async for looks in services.recovery.read_due(10)]
    await user.start("elsewhere", "again")
    await services.recovery.drop(looks)
    assert await user.valkey.zscore(keys.OPEN_TASKS, "again") is not None


async def test_only_a_worker_of_that_name_gives_back_what_its_process_died_at(user: User) -> None:
    await user.start("elsewhere", "mine")
    fence = await _begin(user, "mine")
    with _server_of(user).client() as client:
        assert take_from_dead_process(client, "mine", fence.run, "other").outcome == "none"
        assert renew_lease(client, fence) == "ours"
        assert take_from_dead_process(client, "mine", fence.run, "pod-1").outcome == "queued"
        assert renew_lease(client, fence) == "lost"


async def test_a_death_is_counted_once_however_often_it_is_found(user: User, services: Services) -> None:
    """Whoever saw it is about to end the task, when the message comes again, or maintenance looks."""
    await user.start("elsewhere", "dying")
    fence = await _begin(user, "dying")
    await user.valkey.hset(keys.task("dying"), "losses", str(MAX_LOSSES - 1))
    with _server_of(user).client() as client:
        assert take_from_dead_process(client, "dying", fence.run, "pod-1").outcome == "lost"
    taken = await _take_up(user, "dying", fence.run)
    assert (taken.outcome, taken.is_loss) == ("lost", False)
    entry = await user.tasks.read("dying")
    assert entry is not None
    lost = await services.recovery.take_back(entry)
    assert (lost.outcome, lost.is_new) == ("lost", False)
    entry = await user.tasks.read("dying")
    assert entry is not None
    assert entry.losses == MAX_LOSSES


async def test_a_task_that_went_with_its_worker_is_set_aside_later_than_one_that_kills_its_process(
    user: User, services: Services
) -> None:
    """Where the kernel kills a whole container, all that run in it are lost alike."""
    await user.start("elsewhere", "neighbour")
    for loss in range(1, MAX_WORKER_LOSSES + 1):
        fence = await _begin(user, "neighbour")
        await set_lease(user, "neighbour", 1)
        # Maintenance finds it, or its message comes again first.
        if loss % 2:
            taken = await _take_up(user, "neighbour", fence.run)
            assert (taken.outcome, taken.is_loss) == ("begun", True)
            continue
        entry = await user.tasks.read("neighbour")
        assert entry is not None
        outcome = (await services.recovery.take_back(entry)).outcome
        assert outcome == ("lost" if loss == MAX_WORKER_LOSSES else "queued")
    entry = await user.tasks.read("neighbour")
    assert entry is not None
    assert (entry.losses, entry.worker_losses) == (0, MAX_WORKER_LOSSES)
    error = ending_of_lost(entry, is_cancelled=False).error or ""
    assert "10 times the worker that it ran in was lost" in error


async def test_a_stopped_process_that_wakes_up_after_its_lease_is_fenced(user: User, services: Services) -> None:
    await user.start("elsewhere", "sleeper")
    fence = await _begin(user, "sleeper")
    await set_lease(user, "sleeper", 1)
    entry = await user.tasks.read("sleeper")
    assert entry is not None
    assert (await services.recovery.take_back(entry)).outcome == "queued"
    assert not await user.tasks.finish(fence, ended_fields("completed", 100, "late"), {"late": True})


@pytest.mark.parametrize("status", ["queued", "processing", "completed"])
async def test_what_somebody_else_runs_is_left_alone(user: User, services: Services, status: str) -> None:
    foreign = ForeignTasks(user.lane, user.tasks, user.services.unified)
    await foreign.register(NewTask("theirs", "test_wait", "u1", "acme", "", "2024-05-12T09:30:00+00:00", 60))
    if status != "queued":
        assert await foreign.report("theirs", Report(status, worker_id="pod-1:7"))
    entry = await user.tasks.read("theirs")
    assert entry is not None
    assert await user.valkey.zscore(keys.OPEN_TASKS, "theirs") is None

    # An earlier version put it there.
    await user.valkey.zadd(keys.OPEN_TASKS, {"theirs": 1})
    await recover(services)
    assert await user.tasks.read("theirs") == entry
    assert await waiting(user) == 0
    assert await user.valkey.zscore(keys.OPEN_TASKS, "theirs") is None
    with pytest.raises(TimeoutError):
        await user.next_event(0.2)


async def test_no_message_and_no_death_of_a_worker_takes_what_somebody_else_runs(user: User) -> None:
    foreign = ForeignTasks(user.lane, user.tasks, user.services.unified)
    await foreign.register(NewTask("theirs", "test_wait", "u1", "acme", "", "2024-05-12T09:30:00+00:00", 60))
    entry = await user.tasks.read("theirs")
    assert entry is not None
    pipeline = user.valkey.pipeline(transaction=False)
    user.tasks.add_begin(pipeline, "theirs", entry.run, 60, {}, holder="h1")
    assert await pipeline.execute() == [[b"stale", 0]]

    assert await foreign.report("theirs", Report("processing", worker_id="pod-1:7"))
    assert (await user.services.recovery.take_back(entry)).outcome == "none"
    with _server_of(user).client() as client:
        assert take_from_dead_process(client, "theirs", entry.run, "pod-1").outcome == "none"


def test_a_lost_task_runs_again_within_a_minute() -> None:
    from service.worker.chore import CHORES
    from service.worker.chores.recovery import SECOND_LOOK_S

    # The longest that no look comes (test_recovery in domain), and then the second one.
    assert max(LEASE_S, LOOK_EVERY_S) + CHORES["recovery"].every_s + SECOND_LOOK_S < 60


async def _begin(user: User, task_id: str) -> Fence:
    entry = await user.tasks.read(task_id)
    assert entry is not None
    await _take_up(user, task_id, entry.run)
    return Fence(task_id, entry.run, 1)


async def _take_up(user: User, task_id: str, run: int) -> Begun:
    pipeline = user.valkey.pipeline(transaction=False)
    user.tasks.add_begin(pipeline, task_id, run, 60, {"worker_id": "pod-1:7"}, holder="h1")
    (answer,) = await pipeline.execute()
    return parse_begun(answer, task_id, run)


async def _has_lease(user: User, task_id: str) -> bool:
    entry = await user.tasks.read(task_id)
    return entry is not None and entry.lease_until_ms > time.time() * 1000


def _server_of(user: User) -> RunningValkey:
    server = RunningValkey()
    server.port = user.settings.valkey.port
    return server
