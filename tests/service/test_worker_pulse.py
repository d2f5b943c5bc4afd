"""Signs of life: when a worker counts as well, what it writes, and what beat does."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract import keys
from service.settings import Settings, SettingsError
from service.store.client import Valkey
from service.tasks.services import Services
from service.worker.app import make_app
from service.worker.chores.cleanup import drop_dead_workers
from service.worker.pulse import STUCK_AFTER_S, Load, Pulse, is_alive
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
    pulse = Pulse(settings, lambda: Load(1, 4), is_connecting=lambda: False, is_stopping=lambda: False)
    pulse.start()
    try:
        for queue in ("a", "b"):
            beat = await eventually(partial(_read_beat, valkey, queue))
            assert beat.startswith(b'{"active":1,"slots":4,"seen_at":')
        assert file.exists()
    finally:
        pulse.stop()
    assert await valkey.hlen(keys.worker_heartbeats("a")) == 0


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


async def test_beat_touches_its_file_while_it_looks_at_its_schedule(
    valkey_server: RunningValkey, tmp_path: Path
) -> None:
    environ = {"CONTAINER_TYPE": "beat"}
    beat = Worker(valkey_server, tmp_path, "service", environ)
    try:
        # It touches its file at each look at the schedule, not only at its start.
        await eventually(lambda: beat.heartbeat.exists(), deadline_s=20)
        touched = beat.heartbeat.stat().st_mtime
        await eventually(lambda: beat.heartbeat.stat().st_mtime > touched, deadline_s=15)
    finally:
        assert beat.stop() == 0
    assert time.time() - beat.heartbeat.stat().st_mtime < 30
