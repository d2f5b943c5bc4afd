"""The level of the logs changes while processes run, and back: API, a worker's parent and child, beat."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract import flag, keys
from contract.flag import LOG_LEVELS, FlagDocument
from controller.model.spec import PinnokioServiceSpec
from service.settings import Settings, SettingsError
from tests.service.application import envelope
from tests.service.process import api_process
from tests.service.running_worker import listening_user, running_beat, running_worker
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

Lines = Callable[[], list[dict[str, Any]]]
DEADLINE_S = 40.0


async def test_the_flag_document_sets_the_level_of_every_process(own_valkey: RunningValkey, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    beat_folder = tmp_path / "beat"
    beat_folder.mkdir()
    with (
        api_process(own_valkey, log, UNIFIED_REGISTRY_ENABLED="true", LOG_LEVEL="INFO") as url,
        running_worker(own_valkey, tmp_path, CELERY_QUEUES="default,computation") as worker,
        running_beat(own_valkey, beat_folder) as beat,
    ):

        def api_lines() -> list[dict[str, Any]]:
            return [json.loads(line) for line in log.read_text().splitlines()]

        processes = {"api": (api_lines, 1), "worker": (worker.lines, 2), "beat": (beat.lines, 1)}
        await _set_level(own_valkey, 1, "DEBUG", processes)
        await _analyse(own_valkey, url, "loud")
        assert _debug_of(api_lines()) >= {"rpc_answered"}
        # The child's and the parent's.
        await eventually(lambda: _debug_of(worker.lines()) >= {"task_step_done", "worker_heartbeat"})

        await _set_level(own_valkey, 2, None, processes)
        before = [len(lines()) for lines, _ in processes.values()]
        await _analyse(own_valkey, url, "quiet")
        await eventually(lambda: worker.logged("task_ended", task_id="doc_analysis_quiet"))
        after = [lines()[count:] for (lines, _), count in zip(processes.values(), before, strict=True)]
        assert [_debug_of(lines) for lines in after] == [set(), set(), set()]
        assert (worker.process.poll(), beat.process.poll()) == (None, None)


def test_a_mounted_file_sets_it_from_the_start(own_valkey: RunningValkey, tmp_path: Path) -> None:
    file = tmp_path / "flag.json"
    file.write_bytes(flag.encode(FlagDocument(revision=1, log_level="ERROR")))
    log = tmp_path / "api.log"
    with (
        api_process(own_valkey, log, FLAG_FILE=str(file), LOG_LEVEL="INFO", UNIFIED_REGISTRY_ENABLED="true") as url,
        httpx.Client(timeout=30) as client,
    ):
        client.post(f"{url}/rpc", json=envelope("REGISTRY.register_user", "u1", "s1"))
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert "user_registered" not in {line["event"] for line in lines}


def test_the_spec_takes_the_levels_that_processes_follow() -> None:
    level = PinnokioServiceSpec.model_json_schema()["properties"]["logLevel"]
    assert tuple(level["enum"]) == LOG_LEVELS


@pytest.mark.parametrize("said", ["verbose", "10"])
def test_a_level_that_is_none_is_refused_at_the_start(said: str) -> None:
    with pytest.raises(SettingsError, match="LOG_LEVEL takes debug or info"):
        Settings.from_env({"LOG_LEVEL": said})


async def _set_level(
    valkey: RunningValkey, revision: int, level: str | None, processes: dict[str, tuple[Lines, int]]
) -> None:
    """Returns once each process says that it follows."""
    document = FlagDocument(revision=revision, enabled=True, log_level=level)
    with valkey.client() as client:
        client.set(keys.FLAG, flag.encode(document))
        client.publish(keys.FLAG_CHANNEL, str(revision))
    for lines, number in processes.values():
        await eventually(partial(_has_told, lines, number * revision), deadline_s=DEADLINE_S)


def _has_told(lines: Lines, times: int) -> bool:
    return [line["event"] for line in lines()].count("log_level_changed") == times


def _debug_of(lines: list[dict[str, Any]]) -> set[str]:
    return {line["event"] for line in lines if line["level"] == "DEBUG"}


async def _analyse(valkey: RunningValkey, url: str, job: str) -> None:
    async with listening_user("u1", valkey) as user, httpx.AsyncClient(timeout=30) as client:
        body = envelope("TASK.start_document_analysis", "u1", {"content": "Total: EUR 12.00"}, job)
        assert (await client.post(f"{url}/rpc", json=body)).json()["ok"]
        await user.events_until_end(f"doc_analysis_{job}")
