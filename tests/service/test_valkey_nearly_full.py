"""A Valkey that has room for small writes only: no end without its result, no message without its arguments."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from contract import keys
from service.rpc.starting import FULL
from service.store.tasks import Fence, ended_fields
from service.tasks.ending import END_PATIENCE_S, RESULT_LOST, tell_late
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.running_worker import User, listening_user
from tests.service.valkey_server import RunningValkey

ROOM_BYTES = 1024 * 1024
LARGE: dict[str, Any] = {"text": "x" * (5 * ROOM_BYTES)}


@pytest.fixture
async def user(own_valkey: RunningValkey) -> AsyncIterator[User]:
    async with listening_user("u1", own_valkey) as listening:
        yield listening


async def _leave_room(user: User) -> None:
    used = (await user.valkey.info("memory"))["used_memory"]
    await user.valkey.config_set("maxmemory", used + ROOM_BYTES)


async def _waiting(user: User) -> int:
    return int(await user.valkey.llen(f"{user.settings.celery_key_prefix}default"))


async def _begin(user: User, task_id: str) -> Fence:
    await user.start("test_wait", task_id)
    entry = await user.tasks.read(task_id)
    assert entry is not None
    pipeline = user.valkey.pipeline(transaction=False)
    user.tasks.add_begin(pipeline, task_id, entry.run, 60, {"worker_id": "w:1"}, holder="h")
    await pipeline.execute()
    return Fence(task_id, entry.run, 1)


async def test_a_run_whose_large_result_is_refused_has_not_ended(user: User) -> None:
    fence = await _begin(user, "large")
    fields = ended_fields("completed", 100, datetime.now(UTC).isoformat())
    await _leave_room(user)
    with pytest.raises(OutOfMemoryError):
        await user.tasks.finish(fence, fields, LARGE)
    assert (await user.rpc.get_task_status("large"))["status"] == "processing"

    await user.valkey.config_set("maxmemory", "0")
    assert await user.tasks.finish(fence, fields, LARGE)
    assert (await user.rpc.get_task_result("large"))["result"] == LARGE


async def test_a_task_whose_large_arguments_are_refused_is_not_queued(user: User) -> None:
    await user.start("test_wait", "before")
    await _leave_room(user)
    assert await user.start("test_wait", "large", **LARGE) == {"success": False, "error": FULL, "job_id": "large"}
    assert await _waiting(user) == 1
    assert await user.tasks.read("large") is None


async def test_what_relies_on_a_large_write_is_not_sent_with_it(user: User) -> None:
    """As where one shard of several is full: the large one is refused, what comes behind it would be taken."""
    fence = await _begin(user, "ending")
    waited = await _waiting(user)
    for key in (keys.task_result("ending"), keys.task_payload("starting")):
        await user.valkey.set(key, "a value of another type")
    with pytest.raises(ResponseError):
        await user.tasks.finish(fence, ended_fields("completed", 100, "now"), LARGE)
    assert (await user.rpc.get_task_status("ending"))["status"] == "processing"
    with pytest.raises(ResponseError):
        await user.start("test_wait", "starting", **LARGE)
    assert await _waiting(user) == waited


async def test_an_end_whose_result_is_missing_is_not_told_as_completed(user: User) -> None:
    fence = await _begin(user, "missing")
    just_now = datetime.now(UTC)
    assert await user.tasks.finish(fence, ended_fields("completed", 100, just_now.isoformat()), {"small": True})
    await user.valkey.delete(keys.task_result("missing"))
    entry = await user.tasks.read("missing")
    assert entry is not None
    await tell_late(user.services, entry, fence)
    assert (await user.tasks.read("missing")) == entry, "its worker may be about to write it"

    long_ago = (just_now - timedelta(seconds=END_PATIENCE_S + 1)).isoformat()
    await user.valkey.hset(keys.task("missing"), "ended_at", long_ago)
    entry = await user.tasks.read("missing")
    assert entry is not None
    await tell_late(user.services, entry, fence)
    payload = (await user.next_event())["payload"]
    assert (payload["status"], payload["progress"], payload["data"]) == ("failed", 0, {"error": RESULT_LOST})
    assert (await user.rpc.get_task_status("missing"))["status"] == "failed"
    # Its worker comes back after all.
    assert not await user.tasks.finish(fence, ended_fields("completed", 100, long_ago), {"small": True})
