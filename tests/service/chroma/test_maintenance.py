"""Chores that look at Chroma and the OpenAI endpoint: the health check, and the repair of counted storage."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from contract import keys
from service.domain.vectors import Documents
from service.gateways import vector_store
from service.settings import Settings
from service.store.client import Valkey
from service.tasks.services import Services
from service.worker.chores.health_check import ask_all, check_health
from service.worker.chores.quota_repair import repair_quotas
from tests.openai_server.server import OpenAiServer
from tests.service.application import in_process
from tests.service.conftest import MakeSettings
from tests.service.valkey_server import free_port

MB = 1024**2


@asynccontextmanager
async def running_rest(status: int, delay_s: float = 0.0) -> AsyncIterator[str]:
    """host:port of a server that answers everything so."""

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(delay_s)
        return web.json_response({}, status=status)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    services = Services.open(settings)
    try:
        yield services
    finally:
        await services.close()


@pytest.fixture
async def services(chroma_settings: Callable[..., Settings]) -> AsyncIterator[Services]:
    async with opened(chroma_settings()) as running:
        yield running


async def test_debug_tells_what_a_worker_found(
    chroma_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    async with running_rest(404) as firestore:
        settings = chroma_settings(GOOGLE_PROJECT_ID="p", FIRESTORE_EMULATOR_HOST=firestore)
        async with opened(settings) as services, in_process(chroma_settings()) as api:
            before = (await api.http.get("/debug")).json()
            assert before["chroma"] == {"status": "skipped", "error": "no worker has checked it yet"}
            assert before["health_check"]["status"] == "skipped"
            await check_health(services)
            after = (await api.http.get("/debug")).json()
    for name in ("chroma", "openai"):
        assert after[name]["status"] == "ok"
        assert after[name]["latency_ms"] > 0
        assert after[name]["age_s"] < 60
    assert after["health_check"]["status"] == "ok"
    found = after["health_check"]["dependencies"]
    assert {name: each["status"] for name, each in found.items()} == dict.fromkeys(
        ("redis", "firestore", "chroma", "openai"), "ok"
    )
    logged = [record.msg for record in caplog.records if "health_check" in str(record.msg)]
    assert len(logged) == 4


async def test_what_is_not_configured_is_no_error(make_settings: MakeSettings) -> None:
    async with opened(make_settings()) as services, in_process(make_settings()) as api:
        await check_health(services)
        report = (await api.http.get("/debug")).json()
    assert report["chroma"] == report["openai"] == {"status": "disabled"}
    found = report["health_check"]["dependencies"]
    assert found["redis"]["status"] == "ok"
    assert [found[name] for name in ("firestore", "chroma", "openai")] == [{"status": "disabled"}] * 3


async def test_each_says_what_is_wrong_and_none_keeps_the_others_waiting(make_settings: MakeSettings) -> None:
    async with running_rest(200, delay_s=60) as hangs, running_rest(401) as refuses:
        settings = make_settings(
            GOOGLE_PROJECT_ID="p",
            FIRESTORE_EMULATOR_HOST=refuses,
            CHROMA_HOST="127.0.0.1",
            CHROMA_PORT=hangs.rpartition(":")[2],
            OPENAI_BASE_URL=f"http://{refuses}/v1",
            OPENAI_API_KEY="wrong-key-of-a-test",
        )
        async with opened(settings) as services:
            started = time.perf_counter()
            answers = await ask_all(services, limit_s=3.0)
            assert time.perf_counter() - started < 20
    assert answers["redis"].status == "ok"
    assert answers["chroma"].error == "no answer within 3 s"
    assert answers["firestore"].error == "Firestore refuses the service account (FIREBASE_ADMIN_JSON)"
    assert answers["openai"].error == "the OpenAI endpoint refuses the key (OPENAI_API_KEY)"


async def test_what_is_gone_is_an_error(make_settings: MakeSettings) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    settings = make_settings(
        GOOGLE_PROJECT_ID="p",
        FIRESTORE_EMULATOR_HOST=nobody,
        CHROMA_HOST="127.0.0.1",
        CHROMA_PORT=str(free_port()),
        OPENAI_BASE_URL=f"http://{nobody}/v1",
    )
    async with opened(settings) as services:
        answers = await ask_all(services)
    assert answers["chroma"].error == "Chroma does not answer"
    assert answers["firestore"].error == "Firestore does not answer"
    assert answers["openai"].error == "the OpenAI endpoint cannot be reached"


async def test_an_endpoint_without_a_list_of_models_answers(
    chroma_settings: Callable[..., Settings], openai: OpenAiServer
) -> None:
    async with running_rest(404) as endpoint, opened(chroma_settings(OPENAI_BASE_URL=f"http://{endpoint}/v1")) as other:
        assert (await ask_all(other))["openai"].status == "ok"


# Storage


async def fill(services: Services, collection: str, count: int) -> int:
    """Bytes of a collection that nobody counted."""
    await services.gateways.vectors.add(collection, Documents([f"{n}" for n in range(count)], ["some text"] * count))
    return (await services.gateways.vectors.read_sizes(collection)).total_size


async def look_now(valkey: Valkey, collection: str) -> None:
    await valkey.zadd(keys.STORAGE_CHECKS, {f"acme:{collection}": 1})


async def next_look_s(valkey: Valkey, collection: str) -> float:
    at_ms: Any = await valkey.zscore(keys.STORAGE_CHECKS, f"acme:{collection}")
    return float(at_ms) / 1000 - time.time()


async def test_a_collection_from_before_is_measured_once_it_counts(
    services: Services, valkey: Valkey, collection: str
) -> None:
    size = await fill(services, collection, 5)
    await services.storage.claim(collection, "acme")
    assert await services.storage.read_held("acme") == 0
    await repair_quotas(services)
    assert await services.storage.read_held("acme") == size
    assert await next_look_s(valkey, collection) > 86_000


async def test_a_reservation_whose_process_died_gives_way_to_what_was_written(
    services: Services, valkey: Valkey, collection: str
) -> None:
    await services.storage.reserve("acme", collection, 3 * MB, holder="died")
    size = await fill(services, collection, 5)
    await look_now(valkey, collection)
    await repair_quotas(services)
    assert await services.storage.read_held("acme") == 3 * MB, "it may be writing"
    assert await next_look_s(valkey, collection) <= 61
    await valkey.hset(keys.storage_quota("acme"), "held:died", f"{3 * MB} 1 0 {collection}")
    await look_now(valkey, collection)
    await repair_quotas(services)
    assert await services.storage.read_held("acme") == size
    assert await valkey.hkeys(keys.storage_quota("acme")) == [f"collection:{collection}".encode()]


async def test_what_counts_right_is_not_read_again(
    services: Services, valkey: Valkey, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = await fill(services, collection, 1)
    await services.storage.claim(collection, "acme")
    await repair_quotas(services)
    reservation = await services.storage.reserve("acme", collection, 10, holder="h1")
    await reservation.release()

    async def refuse(*_: Any) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(type(services.gateways.vectors), "estimate_sizes", refuse)
    await look_now(valkey, collection)
    await repair_quotas(services)
    assert await services.storage.read_held("acme") == size
    assert await next_look_s(valkey, collection) > 86_000


@pytest.mark.parametrize("kept_for", ["", "chroma has it", "it is reserved for"])
async def test_a_collection_that_is_found_gone_twice_is_forgotten(
    services: Services, valkey: Valkey, collection: str, kept_for: str
) -> None:
    await services.storage.claim(collection, "acme")
    await repair_quotas(services)
    assert await services.storage.owner_of(collection, None) == "acme", "it may be about to be made"

    if kept_for == "chroma has it":
        await services.gateways.vectors.create(collection)
    elif kept_for == "it is reserved for":
        await services.storage.reserve("acme", collection, 10, holder="h1")
    await valkey.hset(keys.storage_quota("acme"), f"collection:{collection}", "0 0 1")
    await look_now(valkey, collection)
    await repair_quotas(services)
    is_kept = bool(kept_for)
    assert await services.storage.owner_of(collection, None) == ("acme" if is_kept else None)
    assert await valkey.exists(keys.storage_quota("acme")) == is_kept
    assert (await valkey.zscore(keys.STORAGE_CHECKS, f"acme:{collection}") is not None) == is_kept


async def test_one_that_is_written_to_while_it_is_forgotten_stays(
    services: Services, valkey: Valkey, collection: str
) -> None:
    await services.storage.claim(collection, "acme")
    (check,) = await services.storage.read_due(1)
    await services.storage.reserve("acme", collection, 10, holder="h1")
    assert not await services.storage.forget(check)
    assert await services.storage.owner_of(collection, None) == "acme"
    assert await next_look_s(valkey, collection) < 1
    await services.storage.spend("acme", collection, 5, holder="h1", number=1)
    await services.storage.release("acme", "h1")
    assert not await services.storage.forget(check)
    assert await services.storage.read_held("acme") == 5


async def test_a_large_collection_is_judged_by_what_was_read_in_time(
    services: Services, valkey: Valkey, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = await fill(services, collection, 12)
    monkeypatch.setattr(vector_store, "FIRST_PAGE", 4)
    assert (await services.gateways.vectors.estimate_sizes(collection, 0.0)).total_size == size
    asked = await services.gateways.vectors.estimate_sizes(collection, -1.0)
    assert (asked.document_count, asked.total_size) == (12, size), "texts of one length"


async def test_chroma_gone_changes_no_count(
    chroma_settings: Callable[..., Settings], services: Services, valkey: Valkey, collection: str
) -> None:
    await services.storage.spend("acme", collection, 77)
    async with opened(chroma_settings(CHROMA_PORT=str(free_port()))) as cut_off:
        await services.storage.look_at("acme", collection, 1)
        await repair_quotas(cut_off)
    assert await services.storage.read_held("acme") == 77
    assert await next_look_s(valkey, collection) <= 61


async def test_without_chroma_there_is_nothing_to_repair(make_settings: MakeSettings) -> None:
    async with opened(make_settings()) as services:
        await repair_quotas(services)
