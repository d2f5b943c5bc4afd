"""Signs of life: when a worker counts as well, what it writes, and what beat does."""

import asyncio
import json
import threading
import time
from collections.abc import Coroutine
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from contract import keys, queues
from controller.model.spec import HARD_LIMIT_MAX_S
from service.settings import Settings, SettingsError
from service.store.celery_message import SENT_AT
from service.store.client import Valkey
from service.tasks.declaring import limit_of, task_type
from service.tasks.services import Services
from service.worker.app import make_app
from service.worker.bridge import TimeIsUp
from service.worker.chore import CHORES, load_chores, run_chore
from service.worker.chores.cleanup import drop_dead_workers
from service.worker.own_chores import OwnChores
from service.worker.pulse import STUCK_AFTER_S, Load, Peak, Pulse, is_alive
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.conftest import MakeSettings
from tests.service.running_worker import Worker
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually


async def _read_beat(valkey: Valkey, queue: str) -> Any:
    return await valkey.hget(keys.worker_heartbeats(queue), "pod-1")


@pytest.mark.parametrize(
    ("silent_s", "is_connecting", "is_stopping", "is_well"),
    [
        pytest.param(1.0, False, False, True, id="its loop turns"),
        pytest.param(STUCK_AFTER_S + 1, False, False, False, id="its loop is stuck"),
        pytest.param(STUCK_AFTER_S + 1, True, False, True, id="it waits for the broker"),
        pytest.param(STUCK_AFTER_S + 1, False, True, True, id="it lets its tasks end"),
    ],
)
def test_who_is_well(silent_s: float, is_connecting: bool, is_stopping: bool, is_well: bool) -> None:
    assert is_alive(1000.0, 1000.0 - silent_s, is_connecting=is_connecting, is_stopping=is_stopping) is is_well


async def test_a_pulse_writes_file_and_heartbeat_and_takes_it_back(
    make_settings: MakeSettings, valkey: Valkey, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    settings = make_settings(POD_NAME="pod-1", CELERY_QUEUES="a,b", WORKER_HEARTBEAT_FILE=str(file))
    pulse = Pulse(settings, lambda: Load(1, 4, 3), is_connecting=lambda: False, is_stopping=lambda: False)
    pulse.start()
    try:
        for queue in ("a", "b"):
            beat = await eventually(partial(_read_beat, valkey, queue))
            assert beat.startswith(b'{"active":1,"peak":3,"slots":4,"seen_at":')
        assert file.exists()
    finally:
        pulse.stop()
    assert await valkey.hlen(keys.worker_heartbeats("a")) == 0


def test_a_peak_tells_of_tasks_that_came_and_went() -> None:
    peak = Peak()
    for active in (1, 3, 2):
        peak.note(active)
    assert (peak.take(2), peak.take(0), peak.take(0)) == (3, 2, 0)


async def test_heartbeats_of_dead_workers_are_dropped(settings: Settings, valkey: Valkey) -> None:
    key = keys.worker_heartbeats("default")
    await valkey.hset(key, mapping={"dead": '{"seen_at":100.0}', "alive": '{"seen_at":200.0}'})
    services = Services.open(settings)
    assert await drop_dead_workers(services, "default", seen_before=150.0) == 1
    assert await valkey.hkeys(key) == [b"alive"]
    await services.close()


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        pytest.param({"CELERY_HARD_TIME_LIMIT_S": "1800"}, "CELERY_SOFT_TIME_LIMIT_S", id="hard not above soft"),
        pytest.param(
            {"CELERY_HARD_TIME_LIMIT_S": "9000"}, "CELERY_HARD_TIME_LIMIT_S", id="above the visibility timeout"
        ),
    ],
)
def test_limits_that_cannot_hold_are_refused(make_settings: MakeSettings, environ: dict[str, str], names: str) -> None:
    with pytest.raises(SettingsError, match=names):
        make_app(make_settings(**environ))


def test_limits_that_a_spec_may_have_are_taken(make_settings: MakeSettings) -> None:
    highest = {
        "CELERY_SOFT_TIME_LIMIT_S": str(HARD_LIMIT_MAX_S - 1),
        "CELERY_HARD_TIME_LIMIT_S": str(HARD_LIMIT_MAX_S),
    }
    assert make_app(make_settings(**highest)).conf.task_time_limit == HARD_LIMIT_MAX_S
    with pytest.raises(SettingsError, match="CELERY_HARD_TIME_LIMIT_S"):
        make_app(make_settings(**highest | {"CELERY_HARD_TIME_LIMIT_S": str(HARD_LIMIT_MAX_S + 1)}))


async def test_beat_touches_its_file_and_says_when_it_sent_a_chore(
    valkey_server: RunningValkey, valkey: Valkey, tmp_path: Path
) -> None:
    environ = {"CONTAINER_TYPE": "beat"}
    beat = Worker(valkey_server, tmp_path, "service", environ)
    try:
        # It touches its file at each look at the schedule, not only at its start.
        await eventually(lambda: beat.heartbeat.exists(), deadline_s=20)
        touched = beat.heartbeat.stat().st_mtime
        await eventually(lambda: beat.heartbeat.stat().st_mtime > touched, deadline_s=15)
        queue = f"{keys.CELERY_PREFIX}{queues.MAINTENANCE}"
        message = await eventually(lambda: valkey.lindex(queue, -1), deadline_s=40)
        assert time.time() - 60 < json.loads(message)["headers"][SENT_AT] <= time.time() + 1
    finally:
        assert beat.stop() == 0
    assert time.time() - beat.heartbeat.stat().st_mtime < 30


async def test_beat_runs_the_chores_of_sleeping_queues_itself(
    valkey_server: RunningValkey, valkey: Valkey, tmp_path: Path
) -> None:
    # recovery forgets it at its first look.
    await valkey.zadd(keys.OPEN_TASKS, {"nobody-s": 1})
    beat = Worker(valkey_server, tmp_path, "service", {"CONTAINER_TYPE": "beat", "BEAT_RUNS": "recovery,cleanup"})

    async def is_forgotten() -> bool:
        return await valkey.zscore(keys.OPEN_TASKS, "nobody-s") is None

    try:
        await eventually(is_forgotten, deadline_s=60)
        await eventually(lambda: valkey.hexists(keys.TASK_COUNTS, "recovery:completed"))
    finally:
        assert beat.stop() == 0
    assert await valkey.llen(f"{keys.CELERY_PREFIX}{queues.MAINTENANCE}") == 0


async def test_how_a_chore_ends_is_counted(settings: Settings, valkey: Valkey) -> None:
    services = Services.open(settings)
    faults: list[BaseException | None] = [None, TimeIsUp(), ValueError("broken"), redis.ConnectionError("away")]

    async def end(_: Services) -> None:
        fault = faults.pop(0)
        if fault is not None:
            raise fault

    async def without_limit(work: Coroutine[Any, Any, None]) -> None:
        await work

    load_chores()
    chore = replace(CHORES["cleanup"], handler=end)
    try:
        for fault in (None, TimeIsUp, ValueError, None):
            with pytest.raises(fault) if fault else nullcontext():
                await run_chore(chore, services, without_limit)
    finally:
        await services.close()
    counted = await valkey.hgetall(keys.TASK_COUNTS)
    assert counted == {b"cleanup:completed": b"1", b"cleanup:failed": b"2"}


def test_a_chore_of_a_newer_operator_does_not_stop_the_others(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    load_chores()
    assert OwnChores(make_settings(BEAT_RUNS="recovery,sweeping")).names == {"recovery"}
    assert "beat_chore_unknown" in caplog.text
    assert "sweeping" in caplog.text


async def test_a_chore_of_beat_that_does_not_end_is_ended_and_counted(
    make_settings: MakeSettings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Services) -> None:
        await asyncio.Event().wait()

    load_chores()
    monkeypatch.setitem(CHORES, "cleanup", replace(CHORES["cleanup"], handler=hang, max_duration_s=0))
    chores = OwnChores(make_settings(BEAT_RUNS="cleanup"))
    try:
        chores.start("cleanup")
        await eventually(lambda: valkey.hexists(keys.TASK_COUNTS, "cleanup:failed"))
    finally:
        chores.stop()


async def test_no_chore_of_beat_waits_for_another_and_none_runs_twice_at_once(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    go_on = threading.Event()

    async def last_long(_: Services) -> None:
        begun.append("cleanup")
        while not go_on.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.01)

    async def be_short(_: Services) -> None:
        begun.append("recovery")

    load_chores()
    for name, handler in (("cleanup", last_long), ("recovery", be_short)):
        monkeypatch.setitem(CHORES, name, replace(CHORES[name], handler=handler))
    chores = OwnChores(make_settings(BEAT_RUNS="recovery,cleanup"))
    try:
        chores.start("cleanup")
        chores.start("cleanup")
        chores.start("recovery")
        await eventually(lambda: "recovery" in begun)
        go_on.set()

        def runs_again() -> bool:
            chores.start("cleanup")
            return begun.count("cleanup") == 2

        assert begun.count("cleanup") == 1
        await eventually(runs_again)
    finally:
        go_on.set()
        chores.stop()


def test_the_chores_are_those_that_the_operator_knows() -> None:
    load_chores()
    assert set(CHORES) == set(queues.CHORES)


def test_no_type_may_run_longer_than_the_broker_waits_for_its_message() -> None:
    with pytest.raises(ValueError, match="max_duration_s"):
        task_type("endless", max_duration_s=queues.VISIBILITY_TIMEOUT_S)


def test_what_celery_is_told(make_settings: MakeSettings) -> None:
    """The settings that no task may be lost without; their reasons stand in service.worker.app."""
    app = make_app(
        make_settings(WORKER_MAX_TASKS_PER_CHILD="7", WORKER_MAX_MEMORY_PER_CHILD_MB="64", WORKER_SOFT_SHUTDOWN_S="3")
    )
    told = {
        name: app.conf[name]
        for name in (
            "task_acks_late",
            "task_reject_on_worker_lost",
            "worker_disable_prefetch",
            "worker_prefetch_multiplier",
            "worker_max_tasks_per_child",
            "worker_max_memory_per_child",
            "worker_soft_shutdown_timeout",
            "worker_cancel_long_running_tasks_on_connection_loss",
            "broker_channel_error_retry",
            "accept_content",
        )
    }
    assert told == {
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_disable_prefetch": True,
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 7,
        "worker_max_memory_per_child": 64 * 1024,
        "worker_soft_shutdown_timeout": 3.0,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_channel_error_retry": True,
        "accept_content": ["json"],
    }
    assert app.conf.broker_transport_options["visibility_timeout"] == queues.VISIBILITY_TIMEOUT_S
    limits = [task.time_limit or 0 for name, task in app.tasks.items() if name.startswith("pinnokio.")]
    assert limits
    assert max(limits) < queues.VISIBILITY_TIMEOUT_S
    unlimited = app.tasks[queues.celery_name("test_wait")]
    assert unlimited.soft_time_limit == limit_of("test_wait") == queues.OTHER_MAX_DURATION_S, "as its entry says"
    app.close()
