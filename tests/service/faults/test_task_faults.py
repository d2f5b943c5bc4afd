"""One short case of each class of fault under tasks; the matrix in full is `test_task_matrix.py`.

Killed workers are in `tests/service/test_task_recovery.py`, limits and TERM in `tests/service/test_worker_ending.py`,
the same id at once in `tests/service/test_task_starting.py`. Where beat would have maintenance look each ten seconds,
the chore runs here over and over.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from service.domain.tasks import COMPLETED, FAILED
from tests.service.application import in_process
from tests.service.faults.fleet import MINUTE_S, Crowd, recovering
from tests.service.faults.proxy import Cut, running_proxy
from tests.service.running_worker import children_of, running_worker
from tests.service.valkey_server import RunningValkey, settings_for
from tests.service.waiting import eventually


async def test_valkey_restarted_under_queued_tasks(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    with running_worker(valkey, tmp_path, CELERY_CONCURRENCY="2") as worker:
        await crowd.start("test_echo", 40, takes_s=0.05)
        await eventually(lambda: crowd.count(COMPLETED))
        valkey.stop()
        valkey.start()
        async with recovering(crowd.user):
            await crowd.until_ended(MINUTE_S)
        await crowd.assert_well()
        assert worker.process.poll() is None


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_the_broker_is_cut_for_two_seconds(valkey: RunningValkey, crowd: Crowd, tmp_path: Path, how: Cut) -> None:
    with (
        running_proxy(valkey.port) as proxy,
        running_worker(valkey, tmp_path, LISTENERS_REDIS_PORT=str(proxy.port), CELERY_CONCURRENCY="2") as worker,
    ):
        await crowd.start("test_echo", 8, takes_s=1)
        await eventually(lambda: crowd.count(COMPLETED))
        with proxy.cut(how):
            await asyncio.sleep(2)
        async with recovering(crowd.user):
            await crowd.until_ended(MINUTE_S)
        await crowd.assert_well()
        assert worker.process.poll() is None


async def test_valkey_full(valkey: RunningValkey, crowd: Crowd, tmp_path: Path) -> None:
    """Reading goes on; a write is refused, and says why; a worker that takes a message up then waits for room."""
    settings = settings_for(valkey.settings, UNIFIED_REGISTRY_ENABLED="true")
    with running_worker(valkey, tmp_path) as worker, valkey.client() as client:
        async with in_process(settings) as api:
            worker.process.send_signal(signal.SIGSTOP)
            await crowd.start("test_echo", 6, takes_s=0.5)
            client.config_set("maxmemory", 1)
            worker.process.send_signal(signal.SIGCONT)
            registered = await api.call("REGISTRY.register_user", "u", "s")
            assert registered["error"] == {"code": "UNAVAILABLE", "message": "Valkey is full and takes no more writes"}
            started = await api.data("TASK.start_document_analysis", "u", {"content": "x"}, "job")
            assert (started["success"], "full" in started["error"]) == (False, True)
            assert (await api.data("TASK.get_task_status", "t5"))["status"] == "queued"
            assert (await api.http.get("/readyz")).status_code == 200
            await eventually(lambda: worker.logged("onnection to broker lost"))
            client.config_set("maxmemory", 0)
            assert (await api.call("REGISTRY.register_user", "u", "s"))["ok"]
        async with recovering(crowd.user):
            await crowd.until_ended(MINUTE_S)
        await crowd.assert_well()
        assert worker.process.poll() is None


async def test_a_task_that_needs_more_memory_than_its_process_may_have(
    valkey: RunningValkey, crowd: Crowd, tmp_path: Path
) -> None:
    """Refused by the kernel, it fails and says so; grown too large, it ends well and its process is replaced."""
    limits = {"WORKER_MAX_MEMORY_PER_CHILD_MB": "200", "WORKER_CHILD_MEMORY_LIMIT_MB": "400"}
    with running_worker(valkey, tmp_path, **limits) as worker:
        await crowd.start("test_hoard", 1, mb=250)
        await crowd.until_ended(MINUTE_S)
        first = (await crowd.user.rpc.get_task_result("t0"))["result"]["pid"]
        await eventually(lambda: first not in children_of(worker.process.pid))
        (second,) = await eventually(lambda: children_of(worker.process.pid))

        await crowd.start("test_hoard", 1, mb=900)
        await crowd.until_ended(MINUTE_S)
        (entry,) = await crowd.entries()
        assert (entry.status, entry.error) == (FAILED, "the task needed more memory than its worker has")
        assert children_of(worker.process.pid) == [second]
