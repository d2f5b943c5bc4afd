"""The storage quota: reserved before a write, exact under a hundred at once, corrected to what was written."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contract import keys
from service.domain.errors import QuotaExceeded
from service.domain.tasks import NewTask
from service.store.storage import StorageStore, task_holder
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.running_worker import User, listening_user, running_worker
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

MB = 1024**2


@pytest.fixture
async def user(valkey_server: RunningValkey) -> AsyncIterator[User]:
    async with listening_user("u1", valkey_server) as listening:
        await limit_to(listening, 10)
        yield listening


@pytest.fixture
def storage(user: User) -> StorageStore:
    return user.services.storage


async def limit_to(user: User, limit_mb: int, company_id: str = "acme") -> None:
    await user.valkey.hset(keys.company(company_id), "quota:storage_limit_mb", str(limit_mb))


async def test_of_a_hundred_reservations_at_once_exactly_as_many_as_fit_are_let_in(storage: StorageStore) -> None:
    asked = (storage.reserve("acme", "texts", MB, holder=f"h{number}") for number in range(100))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, QuotaExceeded)]
    assert len(refused) == 90
    assert "10.00 MB of 10.00 MB, and this needs 1.00 MB more" in str(refused[0])
    assert refused[0].retry_after_ms is not None, "when a reservation ends"
    assert 0 < refused[0].retry_after_ms <= 300_000
    assert await storage.read_held("acme") == 10 * MB


async def test_what_was_really_written_counts_and_the_rest_is_released(storage: StorageStore) -> None:
    async with await storage.reserve("acme", "texts", 8 * MB, holder="h1") as reservation:
        await reservation.spend(2 * MB)
        assert await storage.read_held("acme") == 8 * MB, "written or reserved, each byte counts once"
        await reservation.spend(3 * MB)
    assert await storage.read_held("acme") == 5 * MB
    await storage.spend("acme", "texts", -4 * MB)
    assert await storage.read_held("acme") == MB
    await storage.spend("acme", "texts", -4 * MB)
    assert await storage.read_held("acme") == 0, "never less than nothing"


async def test_more_than_was_reserved_counts_all_the_same(storage: StorageStore) -> None:
    async with await storage.reserve("acme", "texts", MB, holder="h1") as reservation:
        await reservation.spend(12 * MB)
    with pytest.raises(QuotaExceeded, match=r"hold 12.00 MB of 10.00 MB"):
        await storage.reserve("acme", "texts", 1, holder="h2")


async def test_a_repeated_spending_has_no_effect(storage: StorageStore) -> None:
    await storage.reserve("acme", "texts", 5 * MB, holder="h1")
    for _ in range(2):
        await storage.spend("acme", "texts", MB, holder="h1", number=1)
    assert await storage.read_held("acme") == 5 * MB
    await storage.spend("acme", "texts", MB, holder="h1", number=2)
    await storage.release("acme", "h1")
    assert await storage.read_held("acme") == 2 * MB


async def test_a_holders_second_reservation_replaces_its_first(storage: StorageStore) -> None:
    await storage.reserve("acme", "texts", 8 * MB, holder="task:t1")
    await storage.reserve("acme", "texts", 9 * MB, holder="task:t1")
    assert await storage.read_held("acme") == 9 * MB


async def test_a_reservation_whose_time_is_over_counts_no_more(user: User, storage: StorageStore) -> None:
    await storage.reserve("acme", "texts", 10 * MB, holder="died")
    await user.valkey.hset(keys.storage_quota("acme"), "held:died", f"{10 * MB} 1 0 texts")
    assert await storage.read_held("acme") == 0
    await storage.reserve("acme", "texts", 10 * MB, holder="next")


async def test_what_an_ended_task_still_held_counts_no_more_and_is_looked_at(user: User, storage: StorageStore) -> None:
    task = NewTask("t1", "vector_embeddings", "u1", "acme", "start-1", "now", 60)
    await storage.reserve("acme", "texts", 10 * MB, holder=task_holder(task))
    await user.services.quotas.release(task)
    assert await storage.read_held("acme") == 0
    (check,) = await storage.read_due(10)
    assert (check.collection_name, check.is_counted_right, check.is_written_to) == ("texts", False, False)


async def test_starting_a_running_task_again_leaves_what_it_reserved(user: User, storage: StorageStore) -> None:
    first = await user.start("test_store", "same", size_bytes=1)
    entry = await user.tasks.read("same")
    assert entry is not None
    await storage.reserve("default", "texts", MB, holder=task_holder(entry))
    assert await user.start("test_store", "same", size_bytes=1) == first
    assert await storage.read_held("default") == MB
    await user.services.quotas.release(entry)
    assert await storage.read_held("default") == 0


async def test_a_collection_counts_for_its_first_writer(user: User, storage: StorageStore) -> None:
    await limit_to(user, 1, "other")
    first = await storage.reserve("acme", "texts", 5 * MB, holder="h1")
    second = await storage.reserve("other", "texts", 5 * MB, holder="h2")
    assert (first.company_id, second.company_id) == ("acme", "acme")
    assert await storage.read_held("other") == 0
    assert await storage.owner_of("nobodys", None) is None


async def test_a_start_is_refused_where_nothing_fits_any_more(user: User, storage: StorageStore) -> None:
    await limit_to(user, 1, "default")
    assert (await user.start("test_store", "fits", size_bytes=1))["success"]
    await storage.spend("default", "texts", MB)
    refused = await user.start("test_store", "does-not", size_bytes=1)
    assert "quota storage_limit_mb is used up" in refused["error"]
    assert "delete documents" in refused["error"]
    assert refused["retry_after_ms"] == 300_000


async def test_a_task_that_needs_too_much_fails_with_a_sentence_and_one_that_died_reserves_again(
    own_valkey: RunningValkey, tmp_path: Any
) -> None:
    with running_worker(own_valkey, tmp_path):
        async with listening_user("u1", own_valkey) as user:
            await limit_to(user, 1, "default")
            await user.start("test_store", "too-much", size_bytes=2 * MB)
            last = (await user.events_until_end("too-much"))[-1]
            assert last["payload"]["status"] == "failed"
            assert "quota storage_limit_mb is used up" in last["payload"]["data"]["error"]
            await user.start("test_store", "died", size_bytes=MB // 4, die=True)
            last = (await user.events_until_end("died"))[-1]
            assert last["payload"]["data"] == {"stored": MB // 8}
            # Its first attempt wrote as well, and nothing is held any more.
            await eventually(lambda: _holds(user, MB // 4))


async def _holds(user: User, size_bytes: int) -> bool:
    return await user.services.storage.read_held("default") == size_bytes
