"""Faults of workers in full, nothing shortened: real workers, real beat, real leases."""

import signal
import time
from pathlib import Path

import pytest

from tests.service.running_worker import Worker, listening_user, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey

MINUTE_S = 60.0


@pytest.mark.faults
async def test_a_killed_workers_task_runs_again_within_a_minute(own_valkey: RunningValkey, tmp_path: Path) -> None:
    first, second, beat = (tmp_path / name for name in ("first", "second", "beat"))
    for folder in (first, second, beat):
        folder.mkdir()
    async with listening_user("u1", own_valkey) as user:
        with running_worker(own_valkey, first) as doomed:
            await user.start("test_wait", "orphan")
            await user.next_event()
            with running_worker(own_valkey, second):
                clock = Worker(own_valkey, beat, "service", {"CONTAINER_TYPE": "beat"})
                try:
                    killed_at = time.monotonic()
                    doomed.process.send_signal(signal.SIGKILL)
                    again = await user.next_event(MINUTE_S)
                    assert again["payload"]["status"] == "started"
                    assert time.monotonic() - killed_at < MINUTE_S
                    await user.valkey.set(gate("orphan"), 1)
                    last = (await user.events_until_end("orphan"))[-1]["payload"]
                    assert last["status"] == "completed"
                finally:
                    clock.stop()
        entry = await user.tasks.read("orphan")
        assert entry is not None
        assert (entry.attempt, entry.losses) == (2, 1)
