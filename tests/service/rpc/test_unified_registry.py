"""UNIFIED_REGISTRY.*: documents, changes, and many of them at once."""

import asyncio
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from service.store.client import Valkey
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings
from tests.service.waiting import eventually

SPACE = "UNIFIED_REGISTRY"


async def register(api: Api, user: str = "u", session: str = "s", **fields: Any) -> Any:
    kwargs = {"user_id": user, "session_id": session, "company_id": "acme", "authorized_companies": ["acme", "beta"]}
    return await api.data(f"{SPACE}.register_user_session", kwargs=kwargs | fields)


async def read(api: Api, user: str = "u") -> Any:
    return await api.data(f"{SPACE}.get_user_registry", user)


async def test_register_answers_the_document(api_on: Api, valkey: Valkey) -> None:
    document = await api_on.data(f"{SPACE}.register_user_session", "u", "s", "acme", ["acme", "beta"], "r")
    at = document["user_info"]["last_seen_at"]
    assert document == {
        "user_info": {"user_id": "u", "session_id": "s", "backend_route": "r", "last_seen_at": at, "status": "online"},
        "companies": {
            "current_company_id": "acme",
            "authorized_companies_ids": ["acme", "beta"],
            "company_roles": {"acme": "user", "beta": "user"},
        },
        "services": {
            "chroma": {"collections": [], "last_heartbeat": None},
            "llm": {"active_conversations": [], "model_preferences": {}},
            "tasks": {"active_tasks": [], "task_history": []},
        },
        "heartbeat": {"last_heartbeat": at, "ttl_seconds": 90},
    }
    assert await read(api_on) == document
    assert 86_390 < await valkey.ttl("registry:unified:u") <= 86_400
    assert await api_on.data(f"{SPACE}.get_company_active_users", "acme") == ["u"]
    assert await valkey.hget("registry:user:u", "session_id") == b"s"


async def test_off_it_works_and_leaves_the_legacy_registry(api: Api, valkey: Valkey) -> None:
    assert (await register(api))["user_info"]["status"] == "online"
    assert await valkey.exists("registry:user:u") == 0
    assert await api.data(f"{SPACE}.unregister_user_session", "s") is True


async def test_registering_again_keeps_services_and_replaces_companies(api_on: Api) -> None:
    await register(api_on)
    await api_on.data(f"{SPACE}.update_user_service", "u", "llm", {"active_conversations": ["c1"]})
    document = await register(api_on, session="s2", company_id="gamma", authorized_companies=["gamma"])
    assert document["services"]["llm"]["active_conversations"] == ["c1"]
    assert document["companies"]["authorized_companies_ids"] == ["gamma"]
    assert document["companies"]["company_roles"] == {"gamma": "user"}
    assert await api_on.data(f"{SPACE}.get_company_active_users", "gamma") == ["u"]
    assert await api_on.data(f"{SPACE}.get_company_active_users", "acme") == []


async def test_the_legacy_registration_keeps_the_company(api_on: Api) -> None:
    await register(api_on)
    await api_on.data("REGISTRY.register_user", "u", "s2")
    document = await read(api_on)
    assert document["companies"]["current_company_id"] == "acme"
    assert document["user_info"]["session_id"] == "s2"
    assert await api_on.data(f"{SPACE}.get_company_active_users", "acme") == ["u"]


async def test_another_process_moved_the_user(make_settings: MakeSettings) -> None:
    """This one remembers the old company for a minute, and still writes the right one."""
    on = make_settings(UNIFIED_REGISTRY_ENABLED="true")
    async with in_process(on) as one, in_process(on) as other:
        await register(one)
        await register(other, company_id="beta")
        await one.data("REGISTRY.register_user", "u", "s3")
        assert await one.data(f"{SPACE}.get_company_active_users", "beta") == ["u"]
        assert await one.data(f"{SPACE}.get_company_active_users", "acme") == []


async def test_unregister(api_on: Api, valkey: Valkey) -> None:
    await register(api_on)
    assert await api_on.data(f"{SPACE}.unregister_user_session", "other") is False
    assert await api_on.data(f"{SPACE}.unregister_user_session", "s") is True
    assert await api_on.data(f"{SPACE}.unregister_user_session", "s") is False
    assert (await read(api_on))["user_info"]["status"] == "offline"
    assert await valkey.exists("registry:user:u") == 0


async def test_heartbeat(api_on: Api) -> None:
    before = await register(api_on)
    assert await api_on.data(f"{SPACE}.update_user_heartbeat", "u") is True
    after = await read(api_on)
    assert after["heartbeat"]["last_heartbeat"] > before["heartbeat"]["last_heartbeat"]
    await api_on.data(f"{SPACE}.unregister_user_session", "s")
    assert await api_on.data(f"{SPACE}.update_user_heartbeat", "u") is True
    assert (await read(api_on))["user_info"]["status"] == "offline"
    assert await api_on.data(f"{SPACE}.get_company_active_users", "acme") == []


@pytest.mark.parametrize(
    ("service", "data", "expected"),
    [
        ("chroma", {"collections": ["a", "b"]}, {"collections": ["a", "b"], "last_heartbeat": None}),
        ("chroma", {"last_heartbeat": "t"}, {"collections": [], "last_heartbeat": "t"}),
        ("tasks", {"task_history": [{"id": 1}, "t2"]}, {"active_tasks": [], "task_history": [{"id": 1}, "t2"]}),
        (
            "llm",
            {"model_preferences": {"m": {"t": 0.5}}},
            {"active_conversations": [], "model_preferences": {"m": {"t": 0.5}}},
        ),
        ("mail", {"seen": [1, None]}, {"seen": [1, None]}),
    ],
)
async def test_update_service(api_on: Api, service: str, data: Any, expected: Any) -> None:
    await register(api_on)
    assert await api_on.data(f"{SPACE}.update_user_service", "u", service, data) is True
    assert (await read(api_on))["services"][service] == expected


async def test_update_service_replaces_what_it_is_given_and_nothing_else(api_on: Api) -> None:
    await register(api_on)
    first = {"collections": ["a", "b"], "last_heartbeat": "t"}
    await api_on.data(f"{SPACE}.update_user_service", "u", "chroma", first)
    await api_on.data(f"{SPACE}.update_user_service", "u", "chroma", {"collections": ["c"]})
    assert (await read(api_on))["services"]["chroma"] == {"collections": ["c"], "last_heartbeat": "t"}
    assert await api_on.data(f"{SPACE}.update_user_service", "nobody", "chroma", {}) is False


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("register_user_session", ["u", "s", "a:b", []]),
        ("register_user_session", ["u", "s", "a", ["b\n"]]),
        ("register_user_session", ["u", "s", "a", "b"]),
        ("register_user_session", ["u", "s", "a"]),
        ("register_user_session", ["u", "s", "a", ["b"] * 1001]),
        ("update_user_service", ["u", "chroma", []]),
        ("update_user_service", ["u", "chroma", {"collections": [1]}]),
        ("update_user_heartbeat", [None]),
        ("get_company_active_users", ["a:b"]),
        ("cleanup_expired_entries", [1]),
        ("register_task", ["t", "x", "u", "c", "normal", 0]),
        ("register_task", ["t\n", "x", "u", "c"]),
        ("update_task_progress", ["t", "sleeping"]),
        ("update_task_progress", ["t", "processing", 101]),
    ],
)
async def test_bad_arguments(api_on: Api, valkey: Valkey, method: str, args: list[Any]) -> None:
    assert (await api_on.call(f"{SPACE}.{method}", *args))["error"]["code"] == "INVALID_ARGS"
    assert await valkey.keys("registry:*") == []


async def test_unknown_entries_are_null(api_on: Api) -> None:
    assert await read(api_on, "nobody") is None
    assert await api_on.data(f"{SPACE}.get_task_registry", "nothing") is None
    assert await api_on.data(f"{SPACE}.get_company_active_users", "nobody") == []


async def test_200_concurrent_updates_of_one_user_survive(server_on: Api) -> None:
    await register(server_on)
    kinds = 4

    async def one(number: int) -> None:
        match number % kinds:
            case 0:
                await server_on.data("CHROMA_VECTOR.register_collection_user", "u", f"c{number}", "s")
            case 1:
                await server_on.data(f"{SPACE}.update_user_service", "u", f"service{number}", {"n": number})
            case 2:
                await server_on.data("REGISTRY.register_user", "u", "s")
            case _:
                await server_on.data(f"{SPACE}.update_user_heartbeat", "u")

    await asyncio.gather(*(one(number) for number in range(200 * kinds // 2)))
    services = (await read(server_on))["services"]
    assert sorted(services["chroma"]["collections"]) == sorted(f"c{number}" for number in range(0, 400, kinds))
    own = {name: service["n"] for name, service in services.items() if name.startswith("service")}
    assert own == {f"service{number}": number for number in range(1, 400, kinds)}


async def test_a_task_that_somebody_else_runs(api_on: Api, valkey: Valkey) -> None:
    await register(api_on)
    document = await api_on.data(f"{SPACE}.register_task", "t:1", "audit", "u", "acme", "high", 60)
    assert document["task_info"] | {"created_at": ""} == {
        "task_id": "t:1", "task_type": "audit", "user_id": "u", "company_id": "acme", "created_at": "",
        "status": "queued",
    }  # fmt: skip
    assert document["isolation"] == {"namespace": "u_acme", "priority": "high", "max_duration": 60}
    assert await api_on.data(f"{SPACE}.get_task_registry", "t:1") == document
    assert (await read(api_on))["services"]["tasks"] == {"active_tasks": ["t:1"], "task_history": []}
    assert await api_on.data(f"{SPACE}.register_task", "t:1", "audit", "u", "acme") == document
    assert (await api_on.call(f"{SPACE}.register_task", "t:1", "audit", "v", "acme"))["error"][
        "message"
    ] == "this id is in use"

    assert await api_on.data(f"{SPACE}.update_task_progress", "t:1", "processing", 40.0, "reading", "w1") is True
    document = await api_on.data(f"{SPACE}.get_task_registry", "t:1")
    assert document["task_info"]["status"] == "processing"
    assert (document["progress"]["progress_percent"], document["progress"]["current_step"]) == (40, "reading")
    assert document["resources"]["worker_id"] == "w1"
    assert 350 < await valkey.ttl("registry:task:t:1") <= 360
    assert await api_on.data(f"{SPACE}.update_task_progress", "t:1", "completed", 100) is True
    assert await api_on.data(f"{SPACE}.update_task_progress", "t:1", "processing") is False
    assert await api_on.data(f"{SPACE}.update_task_progress", "nothing", "processing") is False
    assert (await read(api_on))["services"]["tasks"] == {"active_tasks": [], "task_history": ["t:1"]}


async def test_of_many_reports_at_once_none_is_lost_and_an_end_is_final(api_on: Api) -> None:
    await api_on.data(f"{SPACE}.register_task", "t1", "audit", "u", "acme")

    async def report(status: str, percent: int) -> bool:
        return bool(await api_on.data(f"{SPACE}.update_task_progress", "t1", status, percent))

    assert all(await asyncio.gather(*(report("processing", percent) for percent in range(20))))
    ends = await asyncio.gather(*(report("completed", 100) for _ in range(20)))
    assert sum(ends) == 1
    assert not await report("processing", 50)


async def test_what_our_workers_run_is_theirs_to_write(api_on: Api, valkey: Valkey) -> None:
    ours: Any = {"user_id": "u", "company_id": "acme", "status": "processing", "celery_task_id": "c", "run": "1"}
    await valkey.hset("registry:task:ours", mapping=ours)
    assert await api_on.data(f"{SPACE}.update_task_progress", "ours", "failed") is False
    assert await valkey.hget("registry:task:ours", "status") == b"processing"


async def test_cleanup(api_on: Api, valkey: Valkey) -> None:
    await register(api_on)
    await register(api_on, user="gone", session="s2")
    await valkey.delete(keys.unified_user("gone"))
    await valkey.hset(keys.company("acme"), "task:ended", "7")
    await valkey.hset(keys.unified_user("u"), "task:ended", "7")
    for key in (keys.company("acme"), keys.unified_user("u")):
        await valkey.hset(key, mapping={"conversation:conv_0123456789ab": "8", "conversation:of another making": "9"})
    assert await api_on.data(f"{SPACE}.cleanup_expired_entries") == {
        "company_users": 1, "company_tasks": 1, "company_conversations": 1, "user_tasks": 1, "user_conversations": 1,
    }  # fmt: skip
    assert (await read(api_on))["services"]["llm"]["active_conversations"] == ["of another making"]
    assert await api_on.data(f"{SPACE}.get_company_active_users", "acme") == ["u"]
    assert set((await api_on.data(f"{SPACE}.cleanup_expired_entries")).values()) == {0}


async def test_cleanup_takes_out_who_is_no_longer_active_in_the_company(api_on: Api, valkey: Valkey) -> None:
    for number, user in enumerate(("here", "left", "moved")):
        await register(api_on, user=user, session=f"s{number}")
    # As calls leave them that die between the user's entry and the company's.
    await valkey.hset(keys.unified_user("left"), "status", "offline")
    await valkey.hset(keys.unified_user("moved"), "current_company_id", "beta")
    assert (await api_on.data(f"{SPACE}.cleanup_expired_entries"))["company_users"] == 2
    assert await api_on.data(f"{SPACE}.get_company_active_users", "acme") == ["here"]


async def test_cleanup_passes_keys_that_somebody_else_made(api_on: Api, valkey: Valkey) -> None:
    for key in (keys.company("foreign"), keys.unified_user("foreign")):
        await valkey.set(key, "no hash")
    await register(api_on, user="gone")
    await valkey.delete(keys.unified_user("gone"))
    assert (await api_on.data(f"{SPACE}.cleanup_expired_entries"))["company_users"] == 1


async def test_the_flag_is_taken_at_once_and_back(api: Api, valkey: Valkey) -> None:
    """By a tenant's first authorised company, and without a restart."""
    await register(api)

    async def publish(revision: int, **fields: Any) -> None:
        await valkey.set(keys.FLAG, encode(FlagDocument(revision=revision, **fields)))
        await valkey.publish(keys.FLAG_CHANNEL, str(revision))

        async def is_known() -> bool:
            return bool((await api.http.get("/healthz")).json()["flag_revision"] == revision)

        await eventually(is_known, deadline_s=1)

    async def session() -> str:
        return str((await read(api))["user_info"]["session_id"])

    await publish(1, enabled=True, companies=("acme",))
    await api.data("REGISTRY.register_user", "u", "s2")
    assert await session() == "s2"
    await publish(2, enabled=True, companies=("beta",))
    await api.data("REGISTRY.register_user", "u", "s3")
    assert await session() == "s2"
    await publish(3, enabled=True, users=("u",))
    await api.data("REGISTRY.register_user", "u", "s4")
    assert await session() == "s4"
    await publish(4, enabled=False, users=("u",))
    await api.data("REGISTRY.register_user", "u", "s5")
    assert await session() == "s4"


async def test_without_legacy_writes_the_unified_registry_stands_alone(api: Api, valkey: Valkey) -> None:
    document = FlagDocument(revision=9, enabled=True, legacy_writes=False)
    await valkey.set(keys.FLAG, encode(document))
    await valkey.publish(keys.FLAG_CHANNEL, "9")

    async def is_known() -> bool:
        return bool((await api.http.get("/healthz")).json()["flag_revision"] == 9)

    await eventually(is_known)
    data = await api.data("REGISTRY.register_user", "u", "s")
    assert list(data) == ["user_id", "session_id", "backend_route", "last_seen_at"]
    assert await valkey.exists("registry:user:u") == 0
    assert (await read(api))["user_info"]["status"] == "online"
    assert await api.data("REGISTRY.unregister_session", "s") is True
    assert await api.data("REGISTRY.unregister_session", "s") is False


async def switch(api: Api, valkey: Valkey, revision: int, **fields: Any) -> None:
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=revision, **fields)))
    await api.app.state.services.flag.reread()  # type: ignore[attr-defined]


@pytest.fixture
async def rolled_back(api: Api, valkey: Valkey) -> Api:
    """Users `moved` and `left` registered with the flag on and were written by the legacy registry alone since."""
    await switch(api, valkey, 1, enabled=True)
    for user in ("moved", "left"):
        await api.data("REGISTRY.register_user", user, f"s1 {user}", "route1")
    await switch(api, valkey, 2, enabled=False)
    for user in ("moved", "left"):
        assert await api.data("REGISTRY.unregister_session", f"s1 {user}") is True
    await api.data("REGISTRY.register_user", "moved", "s2", "route2")
    await switch(api, valkey, 3, enabled=True)
    return api


async def test_after_a_rollback_the_legacy_session_is_taken_over(rolled_back: Api) -> None:
    moved = (await read(rolled_back, "moved"))["user_info"]
    assert (moved["session_id"], moved["backend_route"], moved["status"]) == ("s2", "route2", "online")
    assert (await read(rolled_back, "left"))["user_info"]["status"] == "offline"
    assert await rolled_back.data(f"{SPACE}.get_company_active_users", "default") == ["moved"]


async def test_after_a_rollback_a_heartbeat_takes_the_legacy_session_over(rolled_back: Api) -> None:
    for user in ("moved", "left"):
        assert await rolled_back.data(f"{SPACE}.update_user_heartbeat", user) is True
    assert await rolled_back.data(f"{SPACE}.get_company_active_users", "default") == ["moved"]


@pytest.mark.parametrize("method", ["REGISTRY.unregister_session", f"{SPACE}.unregister_user_session"])
async def test_after_a_rollback_the_legacy_session_can_be_ended(rolled_back: Api, method: str) -> None:
    assert await rolled_back.data(method, "s2") is True
    assert (await read(rolled_back, "moved"))["user_info"]["status"] == "offline"


async def test_a_rollback_back_to_no_legacy_writes_believes_the_unified_registry(
    rolled_back: Api, valkey: Valkey
) -> None:
    await switch(rolled_back, valkey, 4, enabled=True, legacy_writes=False)
    assert (await read(rolled_back, "left"))["user_info"]["status"] == "online"


@pytest.mark.parametrize("method", ["REGISTRY.unregister_session", f"{SPACE}.unregister_user_session"])
async def test_a_session_that_heartbeats_keep_can_be_ended_after_its_first_day(
    api_on: Api, valkey: Valkey, method: str
) -> None:
    await register(api_on)
    # Both end a day after the registration.
    for key in (keys.session("s"), keys.legacy_user("u")):
        await valkey.delete(key)
    await valkey.hset(keys.unified_user("u"), "legacy_at", "2020-01-01T00:00:00Z")
    assert await api_on.data(f"{SPACE}.update_user_heartbeat", "u") is True
    assert 86_390 < await valkey.ttl(keys.session("s")) <= 86_400
    await api_on.data(method, "s")
    assert (await read(api_on))["user_info"]["status"] == "offline"
    assert await valkey.exists(keys.session("s")) == 0


@pytest.mark.parametrize("method", ["REGISTRY.unregister_session", f"{SPACE}.unregister_user_session"])
async def test_a_session_whose_unified_end_failed_can_be_ended_again(api_on: Api, valkey: Valkey, method: str) -> None:
    await register(api_on)
    key = keys.unified_user("u")
    entry: Any = await valkey.hgetall(key)
    await valkey.delete(key)
    await valkey.set(key, "no hash")
    await api_on.call(method, "s")
    assert await valkey.exists(keys.legacy_user("u")) == 0
    await valkey.delete(key)
    await valkey.hset(key, mapping=entry)
    await api_on.call(method, "s")
    assert (await valkey.hget(key, "status")) == b"offline"
    assert await valkey.exists(keys.session("s")) == 0
