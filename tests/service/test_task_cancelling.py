"""TASK.cancel_task: queued, running, computing and ended tasks, and whose they are."""

import asyncio
import time
from typing import Any

import pytest

from contract import keys
from tests.service.application import Api
from tests.service.running_worker import User, Worker
from tests.service.task_types import gate
from tests.service.waiting import eventually


@pytest.mark.parametrize("task_type", ["test_wait", "test_compute"])
async def test_a_running_task_stops_within_a_second(user: User, worker: Worker, task_type: str) -> None:
    await user.start(task_type, "running")
    await user.next_event()
    asked_at = time.monotonic()
    answer, events = await asyncio.gather(user.rpc.cancel_task("running"), user.events_until_end("running"))
    assert time.monotonic() - asked_at < 2.0, "a second, and what a noisy machine adds"
    assert answer == {"success": True, "task_id": "running", "status": "cancelled"}
    last = events[-1]["payload"]
    assert (last["status"], last["progress"], last["data"]) == ("cancelled", 0, {})
    status = await user.rpc.get_task_status("running")
    assert (status["success"], status["status"], status["progress_percent"]) == (True, "cancelled", 0)
    await eventually(lambda: _is_gone(user, keys.task_payload("running")))

    # Its worker is free, and its id too.
    await user.start("test_fail", "running")
    assert (await user.events_until_end("running"))[-1]["payload"]["status"] == "failed"


async def test_a_queued_task_is_cancelled_at_once_and_its_message_has_no_effect(user: User, worker: Worker) -> None:
    await user.start("test_wait", "first")
    await user.next_event()
    await user.start("test_fail", "second")
    assert await user.rpc.cancel_task("second") == {"success": True, "task_id": "second", "status": "cancelled"}
    assert (await user.events_until_end("second"))[-1]["payload"]["status"] == "cancelled"
    assert await _is_gone(user, keys.task_payload("second"))

    await user.valkey.set(gate("first"), 1)
    await user.events_until_end("first")
    await eventually(lambda: worker.logged("task_message_ignored", task_id="second"))
    assert (await user.rpc.get_task_status("second"))["status"] == "cancelled"


async def test_an_ended_task_cannot_be_cancelled(user: User, worker: Worker) -> None:
    await user.start("test_fail", "done")
    await user.events_until_end("done")
    answer = await user.rpc.cancel_task("done")
    assert answer["success"] is False
    assert "ended already: failed" in answer["error"]


@pytest.mark.parametrize("how", ["as an argument", "in the envelope"])
async def test_another_users_task_is_unknown(user: User, api_on: Api, how: str) -> None:
    await user.start("no_worker_knows_it", "theirs")

    async def cancel_as(user_id: str) -> Any:
        if how == "as an argument":
            return await api_on.data("TASK.cancel_task", "theirs", user_id)
        return await api_on.data("TASK.cancel_task", "theirs", user_id=user_id)

    refused = await cancel_as("other")
    assert refused["success"] is False
    assert refused["error"] == "unknown task theirs"
    assert (await api_on.data("TASK.get_task_status", "theirs"))["status"] == "queued"
    assert (await cancel_as("u1"))["status"] == "cancelled"


async def test_a_running_task_of_somebody_elses_ends_at_once_and_its_runner_hears_of_it(
    user: User, api_on: Api
) -> None:
    await api_on.data("UNIFIED_REGISTRY.register_task", "theirs", "audit", "u1", "acme")
    assert await api_on.data("UNIFIED_REGISTRY.update_task_progress", "theirs", "processing", 40, "reading")
    answer = await api_on.data("TASK.cancel_task", "theirs", "u1")
    assert answer == {"success": True, "task_id": "theirs", "status": "cancelled"}
    assert (await user.events_until_end("theirs"))[-1]["payload"]["status"] == "cancelled"
    status = await api_on.data("TASK.get_task_status", "theirs")
    assert (status["status"], status["progress_percent"]) == ("cancelled", 0)
    assert not await api_on.data("UNIFIED_REGISTRY.update_task_progress", "theirs", "processing", 50)
    assert not await user.valkey.hexists(keys.company("acme"), "task:theirs")


async def test_an_unknown_task_is_said_so(api_on: Api) -> None:
    answer = await api_on.data("TASK.cancel_task", "nobody-knows")
    assert answer == {"success": False, "error": "unknown task nobody-knows", "task_id": "nobody-knows"}


async def _is_gone(user: User, key: str) -> bool:
    return not await user.valkey.exists(key)
