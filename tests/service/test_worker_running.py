"""A real worker on a real Valkey: from the start of a task to its result, and what can go wrong between them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from celery.app.control import Control

from contract import keys
from contract.queues import MAINTENANCE
from service.domain.tasks import CANCELLED, COMPLETED
from service.store.tasks import Fence, ended_fields
from service.worker.app import make_app
from tests.service.running_worker import User, Worker, listening_user
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

INVOICE = "ACME GmbH\nInvoice No. 2024-17\nDate: 2024-03-05\nTotal: 119.00 EUR\nVAT 19%: 19.00 EUR\nNet: 100.00 EUR"
STEPS = ["preprocessing", "ocr_extraction", "data_validation", "entity_recognition", "final_processing"]


@pytest.fixture
async def user(worker: Worker, valkey_server: RunningValkey) -> AsyncIterator[User]:
    async with listening_user("u1", valkey_server) as listening:
        yield listening


async def test_a_document_is_analysed_and_each_step_is_told(user: User) -> None:
    answer = await user.rpc.start_document_analysis("u1", {"content": INVOICE}, "job1")
    assert answer["task_id"] == "doc_analysis_job1"
    assert answer["status"] == "queued"

    events = await user.events_until_end("doc_analysis_job1")

    payloads = [event["payload"] for event in events]
    assert [payload["current_step"] for payload in payloads] == [*STEPS, "final_processing"]
    assert [payload["progress"] for payload in payloads] == [20, 40, 60, 80, 100, 100]
    assert [payload["status"] for payload in payloads] == ["started", *["processing"] * 4, "completed"]
    assert all(event["type"] == "task.progress_update" and event["uid"] == "u1" for event in events)
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    assert payloads[-1]["data"]["extracted_data"]["invoice_amount"] == 119.0

    status = await user.rpc.get_task_status("doc_analysis_job1")
    assert (status["success"], status["status"], status["progress_percent"]) == (True, "completed", 100)
    result = await user.rpc.get_task_result("doc_analysis_job1")
    assert result["result"] == payloads[-1]["data"]


async def test_the_registry_holds_true_figures_and_what_is_done_is_tidied_up(user: User) -> None:
    await user.rpc.start_document_analysis("u1", {"content": INVOICE}, "job2")
    await user.events_until_end("doc_analysis_job2")

    document = await user.tasks.read_document("doc_analysis_job2")
    assert document is not None
    resources = document["resources"]
    assert resources["memory_usage"].endswith("MB")
    assert 10 < int(resources["memory_usage"][:-2]) < 1000
    assert resources["cpu_usage"].endswith("%")
    assert ":" in resources["worker_id"]
    await eventually(lambda: _is_gone(user, keys.task_payload("doc_analysis_job2")))
    ttl_s = await user.valkey.ttl(keys.task("doc_analysis_job2"))
    assert keys.TASK_ENDED_TTL_S - 60 < ttl_s <= keys.TASK_ENDED_TTL_S

    await user.rpc.start_document_analysis("u1", {"content": INVOICE}, "job3")
    await user.events_until_end("doc_analysis_job3")
    status = await user.rpc.get_task_status("doc_analysis_job3")
    assert status["progress"]["estimated_completion"] > status["created_at"]


async def test_a_broken_document_fails_clearly_and_the_next_one_succeeds(user: User, worker: Worker) -> None:
    broken = {"content_base64": "JVBERi0xLjQKYnJva2Vu", "mime": "application/pdf"}
    await user.rpc.start_document_analysis("u1", broken, "broken")
    last = (await user.events_until_end("doc_analysis_broken"))[-1]["payload"]
    assert (last["status"], last["progress"]) == ("failed", 0)
    assert "PDF" in last["data"]["error"]
    failed = await user.rpc.get_task_result("doc_analysis_broken")
    assert (failed["status"], failed["result"], failed["error"]) == ("failed", None, last["data"]["error"])

    await user.rpc.start_document_analysis("u1", {"content": INVOICE}, "after")
    assert (await user.events_until_end("doc_analysis_after"))[-1]["payload"]["status"] == "completed"
    assert worker.process.poll() is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param({"clearly": True}, "the input is wrong: send another", id="its own word"),
        pytest.param({}, "failed unexpectedly", id="a bug"),
    ],
)
async def test_a_failing_handler_ends_its_task(user: User, arguments: dict[str, bool], error: str) -> None:
    await user.start("test_fail", "failing", None, **arguments)
    (last,) = await user.events_until_end("failing")
    assert error in last["payload"]["data"]["error"]
    assert "a bug" not in str(last)


async def test_a_running_id_is_given_back_to_its_user_and_refused_to_another(user: User) -> None:
    first = await user.start("test_wait", "shared")
    await user.next_event()

    again = await user.start("test_wait", "shared")
    assert again == {**first, "status": "processing"}
    other = await user.start("test_wait", "shared", user_id="u2")
    assert other == {"success": False, "error": "this id is in use", "job_id": "shared"}

    await user.valkey.set(gate("shared"), 1)
    assert (await user.events_until_end("shared"))[-1]["payload"]["status"] == "completed"
    anew = await user.start("test_wait", "shared")
    assert anew["celery_task_id"] != first["celery_task_id"]
    assert (await user.events_until_end("shared"))[-1]["payload"]["status"] == "completed"


async def test_a_message_that_comes_again_has_no_effect(user: User, worker: Worker) -> None:
    answer = await user.rpc.start_document_analysis("u1", {"content": INVOICE}, "again")
    await user.events_until_end("doc_analysis_again")
    entry = await user.tasks.read("doc_analysis_again")
    assert entry is not None
    before = await user.valkey.xlen(keys.events("u1"))

    for run in (entry.run, entry.run - 1):
        push = user.queue.build_push(
            "document_analysis",
            "computation",
            task_id="doc_analysis_again",
            run=run,
            celery_task_id=answer["celery_task_id"],
        )
        await user.queue.send(push)
    await eventually(lambda: len(worker.logged("task_message_ignored", task_id="doc_analysis_again")) == 2)
    assert await user.tasks.read("doc_analysis_again") == entry
    assert await user.valkey.xlen(keys.events("u1")) == before


async def test_an_end_that_was_not_told_is_told_when_the_message_comes_again(user: User) -> None:
    await user.start("test_wait", "untold")
    await user.next_event()
    entry = await user.tasks.read("untold")
    assert entry is not None
    # As if the worker had written the end down and died before its event.
    fence = Fence("untold", entry.run, entry.attempt)
    assert await user.tasks.finish(fence, ended_fields(COMPLETED, 100, "now"), {"waited": True})
    await user.valkey.set(gate("untold"), 1)
    push = user.queue.build_push("test_wait", "default", task_id="untold", run=entry.run, celery_task_id="again")
    await user.queue.send(push)

    last = (await user.events_until_end("untold"))[-1]["payload"]
    assert (last["status"], last["progress"], last["data"]) == ("completed", 100, {"waited": True})


async def test_a_superseded_attempt_writes_nothing_more(user: User, worker: Worker) -> None:
    await user.start("test_wait", "superseded")
    await user.next_event()
    entry = await user.tasks.read("superseded")
    assert entry is not None
    # Another attempt takes over, as maintenance will have it done after a lease ran out.
    await user.valkey.hset(keys.task("superseded"), "attempt", str(entry.attempt + 1))
    await user.valkey.set(gate("superseded"), 1)

    await eventually(lambda: worker.logged("task_superseded", task_id="superseded"))
    after = await user.tasks.read("superseded")
    assert after is not None
    assert after.status == "processing"


async def test_a_task_whose_process_was_killed_runs_again_and_its_first_attempt_is_fenced(user: User) -> None:
    await user.start("test_die", "phoenix")
    events = await user.events_until_end("phoenix")
    assert [event["payload"]["status"] for event in events] == ["started", "started", "completed"]
    entry = await user.tasks.read("phoenix")
    assert entry is not None
    assert entry.attempt == 2


async def test_lines_of_a_task_carry_its_trace_id(user: User, worker: Worker) -> None:
    import structlog

    with structlog.contextvars.bound_contextvars(trace_id="trace-7"):
        await user.rpc.start_document_analysis("u1", {"content": INVOICE}, "traced")
    await user.events_until_end("doc_analysis_traced")
    await eventually(lambda: worker.logged("task_ended", trace_id="trace-7"))


async def test_a_busy_worker_leaves_the_next_message_in_its_queue(user: User) -> None:
    await user.start("test_wait", "running")
    await user.next_event()
    await user.start("test_wait", "waiting")
    await user.start("test_wait", "waiting-too")
    # Counted by scaling, and any other worker's to take.
    await eventually(lambda: _is_length(user, 2))
    for task_id in ("running", "waiting", "waiting-too"):
        await user.valkey.set(gate(task_id), 1)
    for task_id in ("running", "waiting", "waiting-too"):
        await user.events_until_end(task_id)
    await eventually(lambda: _is_length(user, 0))


async def test_what_beat_schedules_is_run(user: User, worker: Worker) -> None:
    app = make_app(user.settings)
    assert set(app.conf.beat_schedule) == {"cleanup", "figures", "health_check", "quota_repair", "recovery"}
    for entry in app.conf.beat_schedule.values():
        # One that was not run before the next is due is dropped: nothing piles up while there is no worker.
        assert entry["options"] == {"queue": MAINTENANCE, "expires": entry["schedule"].total_seconds()}
        await asyncio.to_thread(app.send_task, entry["task"], **entry["options"])
    app.close()
    await eventually(lambda: worker.logged("health_check", status="ok"))
    await eventually(lambda: worker.logged("cleanup_done"))
    await eventually(lambda: worker.logged("figures_counted"))


async def test_many_users_get_their_own_events_in_order(user: User, valkey_server: RunningValkey) -> None:
    async def run_one(user_id: str) -> list[str]:
        async with listening_user(user_id, valkey_server) as one:
            await one.rpc.start_document_analysis(user_id, {"content": INVOICE}, user_id)
            events = await one.events_until_end(f"doc_analysis_{user_id}")
            return [event["payload"]["current_step"] for event in events]

    orders = await asyncio.gather(*(run_one(f"many{number}") for number in range(8)))
    assert all(order == [*STEPS, "final_processing"] for order in orders)


async def _is_gone(user: User, key: str) -> bool:
    return not await user.valkey.exists(key)


async def _is_length(user: User, messages: int) -> bool:
    """Whether so many messages wait in queue `default`, and none that nobody works on is marked as taken."""
    waiting = await user.valkey.llen("{pinnokio}:default")
    taken = await user.valkey.hlen("{pinnokio}:unacked")
    return bool(waiting == messages and taken == (1 if messages else 0))


@pytest.mark.parametrize("signal_name", ["SIGTERM", "SIGKILL"])
async def test_a_running_task_that_is_terminated_by_celery_is_cancelled(user: User, signal_name: str) -> None:
    answer = await user.start("test_wait", "terminated")
    await user.next_event()
    _control(user).revoke(answer["celery_task_id"], terminate=True, signal=signal_name)
    await _is_cancelled(user, "terminated")
    await user.start("test_fail", "after")
    assert (await user.events_until_end("after"))[-1]["payload"]["status"] == "failed"
    entry = await user.tasks.read("terminated")
    assert entry is not None
    assert (entry.status, entry.attempt, entry.losses) == (CANCELLED, 1, 0)


async def test_a_queued_task_that_is_revoked_by_celery_is_cancelled(user: User) -> None:
    await user.start("test_wait", "before")
    await user.next_event()
    answer = await user.start("test_wait", "revoked")
    control = _control(user)
    control.revoke(answer["celery_task_id"])

    def is_known() -> bool:
        revoked = control.inspect(timeout=0.5).revoked() or {}
        return any(answer["celery_task_id"] in ids for ids in revoked.values())

    await eventually(is_known, deadline_s=20)
    await user.valkey.set(gate("before"), 1)
    await _is_cancelled(user, "revoked")
    assert await user.valkey.hlen(keys.task_quota("default", "u1")) == 0


def _control(user: User) -> Control:
    return Control(make_app(user.settings))


async def _is_cancelled(user: User, task_id: str) -> None:
    payload = (await user.events_until_end(task_id))[-1]["payload"]
    assert (payload["status"], payload["progress"]) == ("cancelled", 0)
    assert (await user.rpc.get_task_status(task_id))["status"] == "cancelled"
