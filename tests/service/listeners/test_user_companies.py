"""Companies of users in Firestore: they come into the registry, registrations go there, and nobody waits for either."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from service.gateways.firestore import client as client_module
from service.gateways.firestore import companies as firestore_companies
from service.gateways.firestore.client import FirestoreClient
from service.gateways.firestore.model import Document, FirestoreFault, Merge
from service.rpc import user_companies
from service.store.client import Valkey
from tests.firestore.emulator import PROJECT, FirestoreEmulator
from tests.service.application import Api, behind_uvicorn
from tests.service.conftest import MakeSettings
from tests.service.listeners.conftest import SLOW_S, open_tab, until_status
from tests.service.valkey_server import free_port
from tests.service.waiting import eventually

REGISTRY = "listeners_registry/u1"


async def started(api: Api) -> None:
    """Firestore's side is imported beside the start-up."""
    listeners: Any = api.app.state.listeners  # type: ignore[attr-defined]
    await eventually(lambda: listeners.companies is not None, deadline_s=SLOW_S)


@pytest.fixture
async def api(make_settings: MakeSettings, environ: dict[str, str]) -> AsyncIterator[Api]:
    async with behind_uvicorn(make_settings(UNIFIED_REGISTRY_ENABLED="true", **environ)) as running:
        await started(running)
        yield running


@pytest.fixture
async def cut_off(make_settings: MakeSettings) -> AsyncIterator[Api]:
    """Firestore is configured, and nothing answers there."""
    environ = {"FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{free_port()}", "GOOGLE_PROJECT_ID": PROJECT}
    async with behind_uvicorn(make_settings(UNIFIED_REGISTRY_ENABLED="true", **environ)) as running:
        await started(running)
        yield running


async def write(firestore: FirestoreEmulator, *companies: str, path: str = REGISTRY) -> None:
    await asyncio.to_thread(firestore.write, path, {"authorized_companies_ids": list(companies)})


async def companies_of(api: Api, user_id: str = "u1") -> dict[str, Any]:
    document = await api.data("UNIFIED_REGISTRY.get_user_registry", user_id)
    companies: dict[str, Any] = document["companies"]
    return companies


async def until_companies(api: Api, current: str, *authorized: str) -> None:
    async def are_those() -> bool:
        found = await companies_of(api)
        return bool(found["current_company_id"] == current and found["authorized_companies_ids"] == list(authorized))

    await eventually(are_those, deadline_s=SLOW_S)


async def test_a_registered_user_works_in_the_first_company_that_firestore_names(
    api: Api, firestore: FirestoreEmulator
) -> None:
    await write(firestore, "acme", "beta")
    await api.data("REGISTRY.register_user", "u1", "s1")
    await until_companies(api, "acme", "acme", "beta")
    assert (await companies_of(api))["company_roles"] == {"acme": "user", "beta": "user"}
    active = "UNIFIED_REGISTRY.get_company_active_users"
    assert (await api.data(active, "acme"), await api.data(active, "default")) == (["u1"], [])
    await api.data("REGISTRY.register_user", "u1", "s2")
    assert (await companies_of(api))["current_company_id"] == "acme"


async def test_who_works_in_a_company_stays_in_it(api: Api, firestore: FirestoreEmulator) -> None:
    await api.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "beta", [])
    await write(firestore, "acme", "beta")
    await api.data("REGISTRY.register_user", "u1", "s2")
    await until_companies(api, "beta", "acme", "beta")


async def test_who_may_work_in_a_company_no_more_works_in_the_first(
    api: Api, firestore: FirestoreEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (user_companies, firestore_companies):
        monkeypatch.setattr(module, "KEPT_S", 0.0)
    await write(firestore, "acme")
    await api.data("REGISTRY.register_user", "u1", "s1")
    await until_companies(api, "acme", "acme")
    await write(firestore, "beta", "gamma")
    await api.data("REGISTRY.register_user", "u1", "s1")
    await until_companies(api, "beta", "beta", "gamma")
    active = "UNIFIED_REGISTRY.get_company_active_users"
    assert (await api.data(active, "acme"), await api.data(active, "beta")) == ([], ["u1"])


async def test_a_user_without_companies_works_in_default(api: Api, firestore: FirestoreEmulator) -> None:
    await api.data("REGISTRY.register_user", "u1", "s1")
    await api.data("REGISTRY.register_user", "a/path/of/many", "s2")
    assert await companies_of(api) == {
        "current_company_id": "default",
        "authorized_companies_ids": [],
        "company_roles": {},
    }


async def test_a_task_that_names_no_company_is_its_users_from_the_first_moment(
    api: Api, firestore: FirestoreEmulator
) -> None:
    await write(firestore, "acme")
    await api.data("REGISTRY.register_user", "u1", "s1")
    answer = await api.data("TASK.start_document_analysis", "u1", {"content": "x"}, "job1")
    task = await api.data("UNIFIED_REGISTRY.get_task_registry", answer["task_id"])
    assert task["isolation"]["namespace"] == "u1_acme"


async def test_a_registration_tells_firestore_and_leaves_presence_alone(api: Api, firestore: FirestoreEmulator) -> None:
    async with open_tab(api.websocket_url):
        await until_status(firestore, "online")
        before = await asyncio.to_thread(firestore.read, REGISTRY)
        assert before is not None
        for companies in (["old"], ["acme", "beta"]):
            await api.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "acme", companies)
        await api.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "acme", [])

        async def is_told() -> bool:
            now = await asyncio.to_thread(firestore.read, REGISTRY) or {}
            return bool(now == before | {"authorized_companies_ids": ["acme", "beta"]})

        await eventually(is_told, deadline_s=SLOW_S)


async def test_companies_that_a_registration_names_wait_for_firestore(
    api: Api, firestore: FirestoreEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_now = FirestoreClient.write
    refused: list[Sequence[Merge]] = []

    async def refuse(_: FirestoreClient, merges: Sequence[Merge]) -> None:
        refused.append(merges)
        raise FirestoreFault("UNAVAILABLE", "a test's")

    monkeypatch.setattr(user_companies, "RETRY_S", 0.05)
    monkeypatch.setattr(FirestoreClient, "write", refuse)
    await write(firestore, "old")
    for companies in (["older"], ["acme", "beta"]):
        await api.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "acme", companies)
    # Firestore answers, with what was so before.
    await api.data("REGISTRY.register_user", "u1", "s2")
    await eventually(lambda: len(refused) > 2, deadline_s=SLOW_S)
    assert (await companies_of(api))["authorized_companies_ids"] == ["acme", "beta"]
    monkeypatch.setattr(FirestoreClient, "write", write_now)

    async def is_told() -> bool:
        now = await asyncio.to_thread(firestore.read, REGISTRY) or {}
        return bool(now["authorized_companies_ids"] == ["acme", "beta"])

    await eventually(is_told, deadline_s=SLOW_S)
    assert (await companies_of(api))["authorized_companies_ids"] == ["acme", "beta"]


async def test_companies_that_firestore_refuses_for_good_are_told_once(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: FirestoreClient, merges: Sequence[Merge]) -> None:
        raise FirestoreFault("PERMISSION_DENIED", "a test's")

    monkeypatch.setattr(FirestoreClient, "write", refuse)
    await api.data("UNIFIED_REGISTRY.register_user_session", "u1", "s1", "acme", ["acme"])

    def is_over() -> bool:
        return not any(task.get_name() == "merge-companies" for task in asyncio.all_tasks())

    await eventually(lambda: "unified_registry_companies_not_merged" in caplog.text, deadline_s=SLOW_S)
    await eventually(is_over)


async def test_the_flag_of_a_company_holds_for_a_user_whom_only_firestore_knows(
    api: Api, firestore: FirestoreEmulator, valkey: Valkey
) -> None:
    await write(firestore, "acme")
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True, companies=("acme",))))
    await valkey.publish(keys.FLAG_CHANNEL, "1")
    await eventually(lambda: _has_revision(api, 1), deadline_s=SLOW_S)
    await api.data("REGISTRY.register_user", "u1", "s1")
    await api.data("REGISTRY.register_user", "u2", "s2")
    assert await valkey.exists(keys.unified_user("u1")) == 1
    assert await valkey.exists(keys.unified_user("u2")) == 0


async def test_firestore_gone_keeps_nobody_waiting(cut_off: Api, caplog: pytest.LogCaptureFixture) -> None:
    started_at = time.perf_counter()
    for number in range(20):
        assert await cut_off.data("REGISTRY.register_user", f"u{number}", "s1")
        session = await cut_off.data("UNIFIED_REGISTRY.register_user_session", f"u{number}", "s1", "acme", ["acme"])
        assert session["companies"]["current_company_id"] == "acme"
    assert time.perf_counter() - started_at < 5, "Firestore's own limit is 5 s a request"
    await eventually(lambda: "unified_registry_companies_fallback" in caplog.text, deadline_s=SLOW_S)
    await eventually(lambda: "unified_registry_companies_not_merged" in caplog.text, deadline_s=SLOW_S)


async def test_registering_asks_firestore_once_a_minute(
    api: Api, firestore: FirestoreEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = FirestoreClient.read

    async def note(self: FirestoreClient, path: str) -> Document | None:
        asked.append(path)
        return await read(self, path)

    monkeypatch.setattr(FirestoreClient, "read", note)
    await write(firestore, "acme")
    for number in range(50):
        await api.data("REGISTRY.register_user", "u1", f"s{number}")
    await until_companies(api, "acme", "acme")
    assert asked == [REGISTRY]


async def test_a_firestore_that_hangs_gathers_no_questions(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asyncio.Event()
    asked: list[str] = []

    async def hang(_: FirestoreClient, path: str) -> Document | None:
        asked.append(path)
        await answer.wait()
        raise FirestoreFault("DEADLINE_EXCEEDED", "a test's")

    monkeypatch.setattr(user_companies, "MOST_WAITING", 5)
    monkeypatch.setattr(FirestoreClient, "read", hang)

    def waiting() -> int:
        return sum(task.get_name() == "user-companies" for task in asyncio.all_tasks())

    for number in range(20):
        await api.data("REGISTRY.register_user", f"u{number}", "s1")
    assert waiting() == 5
    answer.set()
    await eventually(lambda: waiting() == 0, deadline_s=SLOW_S)
    # It has just not answered: nobody asks.
    await api.data("REGISTRY.register_user", "late", "s1")
    assert waiting() == 0
    assert len(asked) == 5


async def test_healthz_asks_firestore_nothing(
    api: Api, firestore: FirestoreEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def note(name: str, original: Any) -> Any:
        def ask(*args: Any, **kwargs: Any) -> Any:
            asked.append(name)
            return original(*args, **kwargs)

        return ask

    for name in ("_ask", "query", "listen"):
        monkeypatch.setattr(client_module.FirestoreClient, name, note(name, getattr(FirestoreClient, name)))
    for _ in range(100):
        assert (await api.http.get("/healthz")).json()["status"] == "ok"
    assert asked == []
    await api.data("REGISTRY.register_user", "u1", "s1")
    await eventually(lambda: asked, deadline_s=SLOW_S)


async def _has_revision(api: Api, revision: int) -> bool:
    return bool((await api.http.get("/healthz")).json()["flag_revision"] == revision)
