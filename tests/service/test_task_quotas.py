"""The quota of tasks per user: exact under a thousand starts at once, released however a task ends."""

import asyncio
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from service.domain.quotas import MAX_TASKS_PER_USER
from service.domain.tasks import NewTask
from service.store.batches import run_batches
from service.store.client import Valkey
from service.store.tasks import Fence, ended_fields
from service.worker.chores.recovery import recover
from tests.service.application import Api
from tests.service.running_worker import User, build_refused_push, listening_user, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

LIMIT = 10


async def open_tasks(user: User, company_id: str = "default") -> int:
    return int(await user.valkey.hlen(keys.task_quota(company_id, user.user_id)))


async def test_of_a_thousand_starts_at_once_exactly_ten_are_let_in(user: User) -> None:
    answers = await asyncio.gather(*(user.start("slow", f"task{number}") for number in range(1000)))
    assert sum(answer["success"] for answer in answers) == LIMIT
    assert await user.valkey.llen("{pinnokio}:default") == LIMIT
    refused = next(answer for answer in answers if not answer["success"])
    assert refused.keys() == {"success", "error", "job_id", "retry_after_ms"}
    assert "quota max_tasks_per_user is used up: 10 tasks" in refused["error"]
    assert refused["retry_after_ms"] == 30_000


async def test_a_type_that_does_not_count_takes_no_other_types_place(user: User) -> None:
    for number in range(LIMIT):
        assert (await user.start("test_store", f"uncounted{number}", size_bytes=1))["success"]
    assert await open_tasks(user) == 0
    assert (await user.start("slow", "counted"))["success"]


async def test_another_user_and_another_company_have_their_own(user: User) -> None:
    for number in range(LIMIT):
        assert (await user.start("slow", f"task{number}"))["success"]
    assert not (await user.start("slow", "one-more"))["success"]
    assert (await user.start("slow", "others", user_id="u2"))["success"]


async def test_a_running_id_is_given_back_also_when_the_quota_is_used_up(user: User) -> None:
    first = await user.start("slow", "task0")
    for number in range(1, LIMIT):
        await user.start("slow", f"task{number}")
    assert await user.start("slow", "task0") == first
    assert await open_tasks(user) == LIMIT


@pytest.mark.parametrize(
    ("of_company", "of_service", "limit"),
    [
        pytest.param("3", None, 3, id="the company's"),
        pytest.param(None, {"max_tasks_per_user": 2}, 2, id="the service's"),
        pytest.param("0", None, 0, id="none"),
    ],
)
async def test_whose_limit_holds(
    user: User, of_company: str | None, of_service: dict[str, int] | None, limit: int
) -> None:
    if of_company is not None:
        await user.valkey.hset(keys.company("default"), "quota:max_tasks_per_user", of_company)
    if of_service is not None:
        await user.valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True, quotas=of_service)))
        await user.flag.start()
        await eventually(lambda: user.flag.revision == 1)
    answers = [await user.start("slow", f"task{number}") for number in range(limit + 2)]
    await user.flag.stop()
    assert [answer["success"] for answer in answers] == [True] * limit + [False] * 2


async def test_what_was_not_queued_does_not_count(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user.queue, "build_push", build_refused_push)
    assert not (await user.start("slow", "unqueued"))["success"]
    assert await open_tasks(user) == 0


async def test_a_cancelled_task_counts_no_more(user: User) -> None:
    await user.start("slow", "cancelled")
    assert await open_tasks(user) == 1
    await user.rpc.cancel_task("cancelled")
    assert await open_tasks(user) == 0


async def test_an_ended_task_counts_no_more(own_valkey: RunningValkey, tmp_path: Any) -> None:
    with running_worker(own_valkey, tmp_path):
        async with listening_user("u1", own_valkey) as user:
            await user.start("test_wait", "running")
            await user.next_event()
            assert await open_tasks(user) == 1
            await user.valkey.set(gate("running"), 1)
            await user.events_until_end("running")
            await eventually(lambda: _is_released(user))


async def test_a_start_whose_process_died_is_released_by_itself(user: User, valkey: Valkey) -> None:
    quotas, key = user.services.quotas, keys.task_quota("default", "u1")
    died, another = (NewTask(name, "slow", "u1", "default", f"start-of-{name}", "now", 60) for name in "ab")
    assert await quotas.reserve(died, 1)
    assert not await quotas.reserve(another, 1)
    held: Any = await valkey.hget(key, "a")
    start, until_ms = held.decode().split()
    now_ms = await user.services.recovery.read_now_ms()
    assert start == "start-of-a"
    assert 0 < int(until_ms) - now_ms <= 60_000
    await valkey.hset(key, "a", f"start-of-a {now_ms}")
    assert await quotas.reserve(another, 1)


async def test_a_late_release_of_an_earlier_start_changes_nothing(user: User) -> None:
    earlier, later = (NewTask("same", "slow", "u1", "default", f"start-{number}", "now", 60) for number in (1, 2))
    quotas = user.services.quotas
    assert await quotas.reserve(earlier, 1)
    assert await quotas.reserve(later, 1), "the same task counts once"
    await run_batches(user.lane, [*quotas.build_confirm(later, (MAX_TASKS_PER_USER,))])
    await quotas.release(earlier)
    assert await open_tasks(user) == 1
    await quotas.release(later)
    assert await open_tasks(user) == 0


async def test_maintenance_releases_what_a_dead_worker_ended(user: User) -> None:
    await user.start("slow", "ended")
    entry = await user.tasks.read("ended")
    assert entry is not None
    pipeline = user.valkey.pipeline(transaction=False)
    user.tasks.add_begin(pipeline, "ended", entry.run, 60, {}, holder="h1")
    user.tasks.add_announced(pipeline, Fence("ended", entry.run, 1))
    await pipeline.execute()
    assert await user.tasks.finish(Fence("ended", entry.run, 1), ended_fields("completed", 100, "now"))
    assert await open_tasks(user) == 1
    await user.valkey.zadd(keys.OPEN_TASKS, {"ended": 1})
    await recover(user.services)
    assert await open_tasks(user) == 0


async def test_what_leaked_is_released_when_it_would_refuse_somebody(user: User) -> None:
    """An entry that is gone, a task that ended, an earlier start: of a crash between two writes, or of a lost entry."""
    for number in range(LIMIT):
        await user.start("slow", f"task{number}")
    assert not (await user.start("slow", "one-more"))["success"], "all of them are there"
    await user.valkey.delete(keys.task("task0"))
    await user.valkey.hset(keys.task("task1"), "status", "failed")
    await user.valkey.hset(keys.task("task2"), "celery_task_id", "a later start")
    user.services.quotas.repair_again()
    answers = [await user.start("slow", f"more{number}") for number in range(4)]
    assert [answer["success"] for answer in answers] == [True, True, True, False]


async def test_over_quota_gives_the_idempotency_key_back(api_on: Api, valkey: Valkey) -> None:
    await valkey.hset(keys.company("default"), "quota:max_tasks_per_user", "1")
    document = {"content": "x"}
    await api_on.data("TASK.start_document_analysis", "u1", document, "first")
    key = {"idempotency_key": "mine"}
    for _ in range(2):
        answer = await api_on.data("TASK.start_document_analysis", "u1", document, "second", **key)
        assert answer["success"] is False, "not told that it is a duplicate"
    await api_on.data("TASK.cancel_task", "doc_analysis_first")
    answer = await api_on.data("TASK.start_document_analysis", "u1", document, "second", **key)
    assert answer["success"] is True
    assert await api_on.data("TASK.start_document_analysis", "u1", document, "second", **key) == {"duplicate": True}


async def _is_released(user: User) -> bool:
    return await open_tasks(user) == 0
