"""Limits of a company in Firestore: read once, kept for workers, and as they were known while Firestore is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from contract import keys
from service.gateways.firestore.access import FirestoreAccess
from service.gateways.firestore.client import FirestoreClient
from service.gateways.firestore.quotas import CompanyQuotas
from service.store.client import Valkey
from service.store.limits import Limits
from tests.firestore.emulator import PROJECT, FirestoreEmulator
from tests.service.application import behind_uvicorn
from tests.service.conftest import MakeSettings
from tests.service.listeners.conftest import SLOW_S
from tests.service.valkey_server import free_port
from tests.service.waiting import eventually

TASKS = "max_tasks_per_user"
PATH = "companies/acme"


@pytest.fixture
async def source(firestore: FirestoreEmulator) -> AsyncIterator[CompanyQuotas]:
    client = FirestoreClient(FirestoreAccess(PROJECT, firestore.host, None))
    yield CompanyQuotas(client)
    await client.close()


@pytest.fixture
async def gone() -> AsyncIterator[CompanyQuotas]:
    """Nothing listens there."""
    client = FirestoreClient(FirestoreAccess(PROJECT, f"127.0.0.1:{free_port()}", None))
    yield CompanyQuotas(client)
    await client.close()


@pytest.fixture
async def limits_with(valkey: Valkey) -> AsyncIterator[Callable[[CompanyQuotas | None], Limits]]:
    made: list[Limits] = []

    def make(source: CompanyQuotas | None) -> Limits:
        made.append(Limits(valkey, lambda: {TASKS: 50}, lambda: source))
        return made[-1]

    yield make
    for limits in made:
        await limits.close()


async def write(firestore: FirestoreEmulator, **quotas: Any) -> None:
    await asyncio.to_thread(firestore.write, PATH, {"name": "Acme", "quotas": quotas})


async def age_copy(valkey: Valkey) -> None:
    """What was read from Firestore was read an hour ago."""
    at: Any = await valkey.hget(keys.company_limits("acme"), "read_at")
    await valkey.hset(keys.company_limits("acme"), "read_at", str(float(at) - 3600))


async def test_firestores_limit_holds_where_the_companys_entry_has_none(
    firestore: FirestoreEmulator, source: CompanyQuotas, valkey: Valkey, limits_with: Callable[..., Limits]
) -> None:
    await write(firestore, max_tasks_per_user=3, storage_limit_mb=20, unknown=1, max_llm_requests_per_hour="many")
    await valkey.hset(keys.company("acme"), "quota:storage_limit_mb", "7")
    limits = limits_with(source)
    assert await limits.read(TASKS, "acme") == 3
    assert await limits.read("storage_limit_mb", "acme") == 7
    assert await limits.read("max_llm_requests_per_hour", "acme") == 1000
    # A worker has no Firestore.
    assert await limits_with(None).read(TASKS, "acme") == 3
    assert await limits.read(TASKS, "unknown") == 50


async def test_a_change_in_firestore_is_known_within_its_time_and_nobody_waits_for_it(
    firestore: FirestoreEmulator, source: CompanyQuotas, valkey: Valkey, limits_with: Callable[..., Limits]
) -> None:
    await write(firestore, max_tasks_per_user=3)
    limits = limits_with(source)
    assert await limits.read(TASKS, "acme") == 3
    await write(firestore, max_tasks_per_user=4)
    limits.forget()
    assert await limits.read(TASKS, "acme") == 3, "Firestore is not asked each time"
    await age_copy(valkey)
    limits.forget()
    assert await limits.read(TASKS, "acme") == 3, "it is asked in the background"

    async def is_known() -> bool:
        limits.forget()
        return await limits.read(TASKS, "acme") == 4

    await eventually(is_known, deadline_s=SLOW_S)


async def test_while_firestore_is_gone_the_last_that_was_known_holds(
    firestore: FirestoreEmulator,
    source: CompanyQuotas,
    gone: CompanyQuotas,
    valkey: Valkey,
    limits_with: Callable[..., Limits],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await write(firestore, max_tasks_per_user=3)
    await limits_with(source).read(TASKS, "acme")
    await age_copy(valkey)
    assert await limits_with(gone).read(TASKS, "acme") == 3
    await eventually(lambda: "what Firestore told last" in caplog.text, deadline_s=SLOW_S)


async def test_where_nothing_was_ever_known_the_services_holds_and_the_start_does_not_hang(
    gone: CompanyQuotas, limits_with: Callable[..., Limits], caplog: pytest.LogCaptureFixture
) -> None:
    limits = limits_with(gone)
    async with asyncio.timeout(5):
        assert await limits.read(TASKS, "acme") == 50
    await eventually(lambda: "company_quotas_fallback" in caplog.text, deadline_s=SLOW_S)


async def test_a_start_is_held_to_firestores_limit(
    make_settings: MakeSettings, environ: dict[str, str], firestore: FirestoreEmulator
) -> None:
    await write(firestore, max_tasks_per_user=1)
    async with behind_uvicorn(make_settings(UNIFIED_REGISTRY_ENABLED="true", **environ)) as api:
        listeners: Any = api.app.state.listeners  # type: ignore[attr-defined]
        await eventually(lambda: listeners.quotas is not None, deadline_s=SLOW_S)
        await api.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "acme", ["acme"])
        document = {"content": "x"}
        assert (await api.data("TASK.start_document_analysis", "u1", document, "first"))["success"]
        refused = await api.data("TASK.start_document_analysis", "u1", document, "second")
        assert "max_tasks_per_user is used up: 1 tasks" in refused["error"]
