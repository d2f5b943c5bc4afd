"""What becomes of tasks under each fault: real workers, real beat, a real Valkey, and the fault itself.

After each: no task is lost, none is done twice in effect on our stores, each ended with a true status and an event,
within a minute of the fault's end plus the tasks' own time. Short cases of the classes that `make test` runs are in
`test_task_faults.py` beside this, in `tests/service/test_task_recovery.py` and `tests/service/test_worker_ending.py`.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from service.domain.tasks import COMPLETED, FAILED, PROCESSING
from tests.service.faults.fleet import MINUTE_S, Crowd, running_fleet
from tests.service.faults.memory import killing_above_mb
from tests.service.faults.proxy import Cut, running_proxy
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

pytestmark = pytest.mark.faults

START_S = 60.0
GONE_S = 30.0
SLOTS = 4


async def test_a_worker_killed_mid_task(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    with running_fleet(valkey, tmp_path) as (doomed, _):
        await crowd.start("test_echo", 12, takes_s=3)
        await eventually(lambda: crowd.count(PROCESSING), deadline_s=START_S)
        doomed.process.send_signal(signal.SIGKILL)
        await crowd.until_ended(MINUTE_S + 12 * 3 / (SLOTS / 2))
        await crowd.assert_well()


async def test_a_worker_terminated_at_scale_down(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    """Its running tasks end where they are: nothing is done again."""
    with running_fleet(valkey, tmp_path) as (leaving, _):
        await crowd.start("test_echo", 12, takes_s=3)
        await eventually(lambda: crowd.count(PROCESSING), deadline_s=START_S)
        leaving.process.send_signal(signal.SIGTERM)
        await crowd.until_ended(MINUTE_S + 12 * 3 / (SLOTS / 2))
        await crowd.assert_well()
        assert {entry.attempt for entry in await crowd.entries()} == {1}
        await eventually(lambda: leaving.process.poll() == 0)


async def test_a_worker_that_may_not_wait_for_its_tasks(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    """QUIT, as after a node's last warning: what does not end in its seconds is done by another worker."""
    with running_fleet(valkey, tmp_path, WORKER_SOFT_SHUTDOWN_S="2") as (leaving, _):
        await crowd.start("test_echo", 8, takes_s=6)
        await eventually(lambda: crowd.count(PROCESSING), deadline_s=START_S)
        leaving.process.send_signal(signal.SIGQUIT)
        await eventually(lambda: leaving.process.poll() is not None, deadline_s=30)
        await crowd.until_ended(MINUTE_S + 8 * 6 / (SLOTS / 2))
        await crowd.assert_well()


@pytest.mark.parametrize("away_s", [0, 10])
async def test_valkey_restarted_under_500_queued_tasks(
    valkey: RunningValkey, crowd: Crowd, tmp_path: Path, away_s: int
) -> None:
    with running_fleet(valkey, tmp_path) as workers:
        await crowd.start("test_echo", 500, takes_s=0.1)
        await eventually(lambda: crowd.count(COMPLETED), deadline_s=START_S)
        valkey.stop()
        await asyncio.sleep(away_s)
        valkey.start()
        await crowd.until_ended(MINUTE_S + 500 * 0.1)
        await crowd.assert_well()
        assert all(worker.process.poll() is None for worker in workers)


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_the_broker_is_cut_for_30_s(valkey: RunningValkey, crowd: Crowd, tmp_path: Path, how: Cut) -> None:
    """Only the workers are cut off: maintenance and the API see Valkey all the while."""
    with (
        running_proxy(valkey.port) as proxy,
        running_fleet(valkey, tmp_path, LISTENERS_REDIS_PORT=str(proxy.port)) as workers,
    ):
        await crowd.start("test_echo", 60, takes_s=2)
        await eventually(lambda: crowd.count(COMPLETED), deadline_s=START_S)
        with proxy.cut(how):
            await asyncio.sleep(GONE_S)
        await crowd.until_ended(MINUTE_S + 60 * 2 / SLOTS)
        await crowd.assert_well()
        assert all(worker.process.poll() is None for worker in workers)


async def test_valkey_full_for_30_s(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    """It answers, reads, and refuses every write: queues, leases, progress and results alike."""
    with running_fleet(valkey, tmp_path) as workers, valkey.client() as client:
        await crowd.start("test_echo", 60, takes_s=1)
        await eventually(lambda: crowd.count(COMPLETED), deadline_s=START_S)
        client.config_set("maxmemory", 1)
        await asyncio.sleep(GONE_S)
        refused = await crowd.user.start("test_echo", "refused", number=0)
        assert not refused["success"]
        assert "full" in refused["error"]
        client.config_set("maxmemory", 0)
        await crowd.until_ended(MINUTE_S + 60 / SLOTS)
        await crowd.assert_well()
        assert all(worker.process.poll() is None for worker in workers)


@pytest.mark.parametrize("task_type", ["test_wait", "test_compute", "test_ignore_limit"])
async def test_tasks_over_their_limit(valkey: RunningValkey, crowd: Crowd, tmp_path: Path, task_type: str) -> None:
    """Soft for who waits or computes, hard for who does not listen; the next tasks find working processes."""
    limits = {"CELERY_SOFT_TIME_LIMIT_S": "2", "CELERY_HARD_TIME_LIMIT_S": "4"}
    with running_fleet(valkey, tmp_path, **limits):
        await crowd.start(task_type, 8)
        await crowd.until_ended(MINUTE_S + 8 * 4 / SLOTS)
        await crowd.assert_well(FAILED)
        assert all("limit" in (entry.error or "") for entry in await crowd.entries())
        assert (await crowd.user.start("test_echo", "next", number=7))["success"]
        assert (await crowd.user.events_until_end("next"))[-1]["payload"]["status"] == COMPLETED


async def test_tasks_that_need_more_memory_than_there_is(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    """Each process is killed as the kernel does it, three times a task: set aside, and others go on."""
    with running_fleet(valkey, tmp_path) as workers, killing_above_mb(400, workers):
        await crowd.start("test_hoard", 4, mb=800)
        await crowd.until_ended(MINUTE_S + START_S)
        await crowd.assert_well(FAILED)
        errors = [entry.error or "" for entry in await crowd.entries()]
        assert [error for error in errors if "3 times its process died" not in error] == []
        assert (await crowd.user.start("test_echo", "next", number=7))["success"]
        assert (await crowd.user.events_until_end("next"))[-1]["payload"]["status"] == COMPLETED
        assert all(worker.process.poll() is None for worker in workers)


async def test_the_same_ids_submitted_at_once(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    """Twelve ids, each ten times at once, while workers already take them up."""
    with running_fleet(valkey, tmp_path):
        await asyncio.gather(*(crowd.start("test_echo", 12, takes_s=8) for _ in range(10)))
        assert len(crowd.celery_task_ids) == 12
        await crowd.until_ended(MINUTE_S + 12 * 8 / SLOTS)
        await crowd.assert_well()
        assert {entry.attempt for entry in await crowd.entries()} == {1}
