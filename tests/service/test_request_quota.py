"""The quota of LLM requests: exact, over any hour, and counting only what was queued."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from service.store.client import Valkey
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.running_worker import User, build_refused_push, listening_user
from tests.service.valkey_server import RunningValkey

HOUR_MS = 3_600_000


@pytest.fixture
async def user(valkey_server: RunningValkey) -> AsyncIterator[User]:
    async with listening_user("u1", valkey_server) as listening:
        # What limits is the other quota.
        await limit_to(listening, max_tasks_per_user=10_000)
        yield listening


async def limit_to(user: User, **quotas: int) -> None:
    values: dict[Any, Any] = {f"quota:{name}": str(limit) for name, limit in quotas.items()}
    await user.valkey.hset(keys.company("default"), mapping=values)


async def requests(valkey: Valkey, company_id: str = "default") -> int:
    return int(await valkey.zcard(keys.request_quota(company_id)))


async def age(user: User, by_ms: int) -> None:
    """Makes the requests of the company older."""
    key = keys.request_quota("default")
    starts: list[Any] = await user.valkey.zrange(key, 0, -1, withscores=True)
    for start, at_ms in starts:
        await user.valkey.zadd(key, {start: at_ms - by_ms})


async def test_of_a_thousand_starts_at_once_exactly_ten_are_let_in(user: User) -> None:
    await limit_to(user, max_llm_requests_per_hour=10)
    answers = await asyncio.gather(
        *(user.start("test_request", f"task{number}", user_id=f"u{number}") for number in range(1000))
    )
    assert sum(answer["success"] for answer in answers) == 10
    assert await requests(user.valkey) == 10
    refused = next(answer for answer in answers if not answer["success"])
    assert "quota max_llm_requests_per_hour is used up: 10 LLM requests" in refused["error"]
    assert HOUR_MS - 60_000 < refused["retry_after_ms"] <= HOUR_MS


async def test_a_refused_start_counts_against_no_other_quota(user: User) -> None:
    await limit_to(user, max_llm_requests_per_hour=0)
    refused = await user.start("test_request", "task0")
    assert refused["retry_after_ms"] == HOUR_MS, "none is let in at all"
    assert await user.valkey.hlen(keys.task_quota("default", "u1")) == 0


async def test_a_request_counts_for_an_hour_and_the_refusal_says_for_how_much_longer(user: User) -> None:
    await limit_to(user, max_llm_requests_per_hour=1)
    assert (await user.start("test_request", "first"))["success"]
    await age(user, HOUR_MS - 60_000)
    assert 0 < (await user.start("test_request", "second"))["retry_after_ms"] <= 60_000
    await age(user, 60_000)
    assert (await user.start("test_request", "second"))["success"]
    assert await requests(user.valkey) == 1, "the first counts no more"


async def test_a_lowered_limit_waits_until_enough_have_gone(user: User) -> None:
    for number in range(3):
        await user.start("test_request", f"task{number}")
        await age(user, 60_000)
    await limit_to(user, max_llm_requests_per_hour=1)
    user.services.limits.forget()
    # Of three a minute apart all have to go; the youngest is a minute old.
    retry_ms = (await user.start("test_request", "one-more"))["retry_after_ms"]
    assert HOUR_MS - 120_000 < retry_ms <= HOUR_MS - 60_000


async def test_a_running_id_counts_once_and_is_given_back_when_the_quota_is_used_up(user: User) -> None:
    await limit_to(user, max_llm_requests_per_hour=2)
    first = await user.start("test_request", "task0")
    assert await user.start("test_request", "task0") == first
    assert await requests(user.valkey) == 1
    await user.start("test_request", "task1")
    assert await user.start("test_request", "task0") == first
    assert not (await user.start("test_request", "task0", user_id="u2"))["success"]


async def test_what_was_not_queued_or_was_cancelled_in_its_queue_does_not_count(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await user.start("test_request", "cancelled")
    await user.rpc.cancel_task("cancelled")
    assert await requests(user.valkey) == 0

    monkeypatch.setattr(user.queue, "build_push", build_refused_push)
    assert not (await user.start("test_request", "unqueued"))["success"]
    assert await requests(user.valkey) == 0


async def test_a_worker_process_reads_the_services_limit_from_valkey(user: User) -> None:
    await user.valkey.set(keys.FLAG, encode(FlagDocument(revision=1, quotas={"max_llm_requests_per_hour": 7})))
    assert await user.services.limits.read("max_llm_requests_per_hour", "acme") == 7
    await user.valkey.set(keys.FLAG, "no document")
    user.services.limits.forget()
    assert await user.services.limits.read("max_llm_requests_per_hour", "acme") == 1000
