"""The storage quota of CHROMA_VECTOR, against a real Chroma: what counts is what a collection holds, by the byte."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from contract import keys
from service.domain.storage import MB
from service.settings import Settings
from service.store.client import Valkey
from service.store.limits import Limits
from service.store.storage import StorageStore
from tests.openai_server.faults import rate_limited
from tests.openai_server.server import OpenAiServer
from tests.service.application import Api, in_process

USER = {"user_id": "u1"}


@pytest.fixture
async def api(chroma_settings: Callable[..., Settings], valkey: Valkey) -> AsyncIterator[Api]:
    """The application with the flag on, and a user of the company `acme`, which may keep a megabyte."""
    await valkey.hset(keys.company("acme"), "quota:storage_limit_mb", "1")
    async with in_process(chroma_settings(UNIFIED_REGISTRY_ENABLED="true")) as running:
        await running.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "acme", ["acme"])
        yield running


@pytest.fixture
def storage(valkey: Valkey) -> StorageStore:
    return StorageStore(valkey, Limits(valkey))


async def add(api: Api, collection: str, ids: list[str], text: str = "some text", **envelope: Any) -> dict[str, Any]:
    metadatas = [{"n": 1, "name": "é"} for _ in ids]
    answer: dict[str, Any] = await api.data(
        "CHROMA_VECTOR.add_documents", collection, [text] * len(ids), metadatas, ids, **envelope
    )
    return answer


async def held_size(api: Api, collection: str) -> int:
    analysis = await api.data("CHROMA_VECTOR.analyze_collection", collection)
    return int(analysis["analysis"]["total_size"])


async def test_what_counts_is_what_the_collection_holds(api: Api, storage: StorageStore, collection: str) -> None:
    await add(api, collection, ["1", "2", "3"], **USER)
    held = await storage.read_held("acme")
    assert held == 3 * (1536 * 4 + len("some text") + len('{"n":1,"name":"é"}'.encode()))
    assert held == await held_size(api, collection)
    await add(api, collection, ["3", "4"], text="another text", **USER)
    assert await storage.read_held("acme") == await held_size(api, collection), "an id that is there adds nothing"
    await api.data("CHROMA_VECTOR.delete_documents", collection, kwargs={"ids": ["1", "none"]})
    assert await storage.read_held("acme") == await held_size(api, collection)
    await api.data("CHROMA_VECTOR.delete_documents", collection, {"n": 1})
    assert await storage.read_held("acme") == 0


async def test_what_does_not_fit_is_refused_and_nothing_is_written(
    api: Api, storage: StorageStore, collection: str, valkey: Valkey
) -> None:
    await add(api, collection, [str(number) for number in range(100)], **USER)
    held = await storage.read_held("acme")
    key = {"idempotency_key": "mine", **USER}
    for _ in range(2):
        refused = await add(api, collection, [f"more-{number}" for number in range(100)], **key)
        assert refused.keys() == {"success", "error", "collection_name", "retry_after_ms"}, "no duplicate"
        assert "quota storage_limit_mb is used up" in refused["error"]
        assert "of 1.00 MB" in refused["error"]
    assert await storage.read_held("acme") == held == await held_size(api, collection)
    await api.data("CHROMA_VECTOR.delete_documents", collection, {"n": 1})
    assert (await add(api, collection, [f"more-{number}" for number in range(100)], **key))["success"]


async def test_a_failure_between_releases_what_was_not_written(
    api: Api, storage: StorageStore, collection: str, openai: OpenAiServer
) -> None:
    openai.faults.extend([rate_limited("0.01")] * 4)
    assert not (await add(api, collection, ["1"], **USER))["success"]
    assert await storage.read_held("acme") == 0


async def test_a_registered_collection_counts_for_its_users_company_whoever_adds_to_it(
    api: Api, storage: StorageStore, collection: str
) -> None:
    await api.data("CHROMA_VECTOR.register_collection_user", "u1", collection, "s1")
    await add(api, collection, ["1"])
    assert await storage.read_held("acme") == await held_size(api, collection) > 0
    refused = await add(api, collection, [f"n{number}" for number in range(200)])
    assert "quota storage_limit_mb" in refused["error"]


async def test_nobodys_collection_counts_for_nobody(api: Api, storage: StorageStore, collection: str) -> None:
    assert (await add(api, collection, [f"n{number}" for number in range(200)]))["success"]
    assert await storage.read_held("acme") == await storage.read_held("default") == 0


async def test_a_user_without_the_flag_is_never_refused_and_counts(
    chroma_settings: Callable[..., Settings], storage: StorageStore, valkey: Valkey, collection: str
) -> None:
    await valkey.hset(keys.company("acme"), "quota:storage_limit_mb", "1")
    await storage.claim(collection, "acme")
    async with in_process(chroma_settings()) as off:
        assert (await add(off, collection, [f"n{number}" for number in range(200)], **USER))["success"]
        assert await storage.read_held("acme") == await held_size(off, collection) > MB


async def test_an_analysis_puts_a_wrong_count_right(
    api: Api, storage: StorageStore, collection: str, valkey: Valkey
) -> None:
    await add(api, collection, ["1"], **USER)
    await valkey.hset(keys.storage_quota("acme"), f"collection:{collection}", "5 7 0")
    assert await storage.read_held("acme") == 5
    size = await held_size(api, collection)
    assert await storage.read_held("acme") == size


async def test_an_analysis_leaves_a_count_alone_that_changed_meanwhile(storage: StorageStore, collection: str) -> None:
    await storage.spend("acme", collection, 10)
    changes = await storage.read_changes("acme", collection)
    await storage.spend("acme", collection, 10)
    assert not await storage.correct("acme", collection, 10, changes)
    assert await storage.read_held("acme") == 20
    reservation = await storage.reserve("acme", collection, 5, holder="h1")
    changes = await storage.read_changes("acme", collection)
    assert not await storage.correct("acme", collection, 10, changes), "somebody is about to write"
    await reservation.release()
    assert await storage.correct("acme", collection, 10, changes)
    assert await storage.read_held("acme") == 10
