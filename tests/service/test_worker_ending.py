"""How workers and their tasks end: time limits, killed processes, TERM; each with a worker process of its own."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract import keys
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually


@pytest.fixture(scope="module")
def limited(shared_valkey: RunningValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    limits = {"CELERY_SOFT_TIME_LIMIT_S": "1", "CELERY_HARD_TIME_LIMIT_S": "2"}
    with running_worker(shared_valkey, tmp_path_factory.mktemp("limited"), **limits) as running:
        yield running


@pytest.mark.parametrize("task_type", ["test_wait", "test_compute"])
async def test_the_soft_limit_ends_a_task_that_waits_or_computes(limited: Worker, user: User, task_type: str) -> None:
    await user.start(task_type, "slow")
    last = (await user.events_until_end("slow"))[-1]["payload"]
    assert last["status"] == "failed"
    assert "time limit" in last["data"]["error"]
    assert (await user.rpc.get_task_status("slow"))["status"] == "failed"


async def test_the_hard_limit_kills_and_the_parent_tells(limited: Worker, user: User) -> None:
    await user.start("test_ignore_limit", "stubborn")
    last = (await user.events_until_end("stubborn"))[-1]["payload"]
    assert last["status"] == "failed"
    assert "killed after 2 s" in last["data"]["error"]
    # The next one finds a new process.
    await user.start("test_fail", "next")
    await user.events_until_end("next")


async def test_term_lets_the_running_task_end(own_valkey: RunningValkey, tmp_path: Path) -> None:
    with running_worker(own_valkey, tmp_path) as worker:
        async with listening_user("u1", own_valkey) as user:
            heartbeats = keys.worker_heartbeats("default")
            await user.start("test_wait", "ending")
            await user.next_event()
            beat = await eventually(lambda: _busy_worker(user, heartbeats))
            told = json.loads(beat)
            assert told.items() >= {"active": 1, "slots": 1}.items()
            ((task_type, task_id, since),) = told["running"]
            assert (task_type, task_id) == ("test_wait", "ending")
            assert told["since"] <= since <= told["seen_at"]

            worker.process.send_signal(signal.SIGTERM)
            await eventually(lambda: "Warm shutdown" in worker.log.read_text())
            await user.start("test_fail", "left-in-the-queue")
            # It goes on living, for the probes too, while its task runs.
            os.utime(worker.heartbeat, (0, 0))
            await eventually(lambda: worker.heartbeat.stat().st_mtime > 0)
            assert worker.process.poll() is None

            await user.valkey.set(gate("ending"), 1)
            assert (await user.events_until_end("ending"))[-1]["payload"]["status"] == "completed"
            await eventually(lambda: worker.process.poll() is not None)
            assert worker.process.returncode == 0
            assert (await user.rpc.get_task_status("left-in-the-queue"))["status"] == "queued"
            assert await user.valkey.llen("{pinnokio}:default") == 1
            # What ran while it ended is acknowledged too.
            assert await user.valkey.hlen(f"{keys.CELERY_PREFIX}{keys.UNACKED}") == 0
            assert await user.valkey.hlen(heartbeats) == 0


async def test_an_outage_of_valkey_under_a_running_task(own_valkey: RunningValkey, tmp_path: Path) -> None:
    with running_worker(own_valkey, tmp_path) as worker:
        async with listening_user("u1", own_valkey) as user:
            await user.start("test_wait", "lost")
            await user.next_event()
        own_valkey.stop()
        os.utime(worker.heartbeat, (0, 0))
        # A worker that waits for its broker is well.
        await eventually(lambda: worker.heartbeat.stat().st_mtime > 0)
        own_valkey.start()
        # Its data is gone, so that the running task is nobody's any more; the next one is served.
        async with listening_user("u1", own_valkey) as user:
            await user.valkey.set(gate("lost"), 1)
            await eventually(lambda: worker.logged("task_superseded", task_id="lost"))
            await user.start("test_fail", "next")
            await user.events_until_end("next")
        assert worker.process.poll() is None


async def _busy_worker(user: User, key: str) -> bytes | None:
    beats: list[Any] = await user.valkey.hvals(key)
    return next((beat for beat in beats if b'"active":1' in beat), None)
