"""REGISTRY.* and the registry's part of CHROMA_VECTOR.*: the legacy answers, and the unified registry beside them."""

import asyncio
import logging
import re
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from contract.metrics import REGISTRY_DUAL_WRITE_ERRORS, REGISTRY_FALLBACKS
from service.store.client import Valkey
from service.store.unified import UnifiedRegistry
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings
from tests.service.metrics.samples import scrape

LEGACY_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00")
ON = {"UNIFIED_REGISTRY_ENABLED": "true"}


async def hash_of(valkey: Valkey, key: str) -> dict[str, str]:
    fields: Any = await valkey.hgetall(key)
    return {name.decode(): value.decode() for name, value in fields.items()}


@pytest.fixture(params=["off", "on"])
async def either(request: pytest.FixtureRequest, make_settings: MakeSettings) -> Any:
    """The application with the flag off, and again with it on: the legacy answers are the same."""
    async with in_process(make_settings(**(ON if request.param == "on" else {}))) as running:
        yield running


# Legacy, as Reflex knows it


@pytest.mark.parametrize(
    ("args", "route"), [(["u", "s"], ""), (["u", "s", None], ""), (["u", "s", "http://r"], "http://r")]
)
async def test_register_user(either: Api, valkey: Valkey, args: list[Any], route: str) -> None:
    data = await either.data("REGISTRY.register_user", *args)
    assert list(data) == ["user_id", "session_id", "backend_route", "last_seen_at"]
    assert LEGACY_TIME.fullmatch(data["last_seen_at"])
    assert data | {"last_seen_at": ""} == {
        "user_id": "u",
        "session_id": "s",
        "backend_route": route,
        "last_seen_at": "",
    }
    assert await hash_of(valkey, "registry:user:u") == data
    assert 86_390 < await valkey.ttl("registry:user:u") <= 86_400


async def test_arguments_by_name(either: Api) -> None:
    data = await either.data("REGISTRY.register_user", kwargs={"session_id": "s", "user_id": "u", "backend_route": "r"})
    assert (data["user_id"], data["session_id"], data["backend_route"]) == ("u", "s", "r")


async def test_unregister_session(either: Api, valkey: Valkey) -> None:
    await either.data("REGISTRY.register_user", "u", "s")
    assert await either.data("REGISTRY.unregister_session", "s") is True
    assert await valkey.exists("registry:user:u") == 0
    assert await either.data("REGISTRY.unregister_session", "s") is False
    assert await either.data("REGISTRY.unregister_session", "never") is False


async def test_unregistering_asks_as_little_among_many_users(either: Api, valkey: Valkey) -> None:
    async def commands_of_one(session_id: str) -> dict[str, int]:
        before: dict[str, Any] = await valkey.info("commandstats")
        assert await either.data("REGISTRY.unregister_session", session_id) is True
        after: dict[str, Any] = await valkey.info("commandstats")
        counts = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
        return {name: count for name, count in counts.items() if count and name != "cmdstat_info"}

    for number in range(2):
        await either.data("REGISTRY.register_user", f"u{number}", f"s{number}")
    among_few = await commands_of_one("s0")
    pipeline = valkey.pipeline(transaction=False)
    for number in range(5_000):
        pipeline.hset(f"registry:user:other{number}", mapping={"user_id": f"other{number}", "session_id": f"t{number}"})
        pipeline.sadd(f"registry:session:t{number}", f"other{number}")
    await pipeline.execute()
    among_many = await commands_of_one("s1")
    assert among_many == among_few
    assert not {"cmdstat_scan", "cmdstat_keys"} & among_many.keys()


async def test_a_user_with_a_newer_session_stays(either: Api, valkey: Valkey) -> None:
    await either.data("REGISTRY.register_user", "u", "old")
    await either.data("REGISTRY.register_user", "u", "new")
    assert await either.data("REGISTRY.unregister_session", "old") is False
    assert (await hash_of(valkey, "registry:user:u"))["session_id"] == "new"
    assert await either.data("REGISTRY.unregister_session", "new") is True


async def test_a_session_of_two_users(either: Api, valkey: Valkey) -> None:
    for user in ("u", "v"):
        await either.data("REGISTRY.register_user", user, "s")
    assert await either.data("REGISTRY.unregister_session", "s") is True
    assert await valkey.exists("registry:user:u") == 0
    assert await valkey.exists("registry:user:v") == 0


async def test_ids_that_look_like_patterns_touch_nobody_else(either: Api, valkey: Valkey) -> None:
    await either.data("REGISTRY.register_user", "u", "s")
    for wild in ("*", "?", "[a-z]", "a b"):
        await either.data("REGISTRY.register_user", wild, wild)
        assert await either.data("REGISTRY.unregister_session", wild) is True
    assert await valkey.exists("registry:user:u") == 1


@pytest.mark.parametrize(
    "args",
    [[], ["u"], ["u", "s", "r", "x"], ["u:v", "s"], ["u", "s\n"], ["", "s"], [1, "s"], [None, "s"], ["u", "s", 5],
     ["u" * 10_000_000, "s"], ["u", "s", "r" * 10_000], [["u"], "s"], [{}, "s"], ["u\x00", "s"]],
)  # fmt: skip
async def test_bad_arguments(make_settings: MakeSettings, args: list[Any], valkey: Valkey) -> None:
    async with in_process(make_settings(RPC_MAX_BODY_BYTES="20000000")) as api:
        answer = await api.call("REGISTRY.register_user", *args)
    assert answer["error"]["code"] == "INVALID_ARGS"
    assert len(answer["error"]["message"]) < 200
    assert await valkey.dbsize() == 0


async def test_a_scan_finds_what_the_old_service_wrote(make_settings: MakeSettings, valkey: Valkey) -> None:
    old: Any = {"user_id": "old-user", "session_id": "s", "backend_route": "", "last_seen_at": "2030-01-01T00:00:00Z"}
    for scan, expected in (("false", False), ("true", True)):
        await valkey.hset("registry:user:old-user", mapping=old)
        await valkey.hset("registry:user:other", mapping=old | {"session_id": "t"})
        async with in_process(make_settings(LEGACY_SESSION_SCAN=scan)) as api:
            assert await api.data("REGISTRY.unregister_session", "s") is expected
        assert await valkey.exists("registry:user:old-user") == (0 if expected else 1)
        assert await valkey.exists("registry:user:other") == 1


async def test_register_takes_two_round_trips(make_settings: MakeSettings, valkey: Valkey) -> None:
    async with in_process(make_settings()) as api:
        await api.data("REGISTRY.register_user", "u", "s")
        services = api.app.state.services  # type: ignore[attr-defined]
        runs: list[int] = []
        run = services.lane.run

        async def counted(*commands: Any) -> Any:
            runs.append(len(commands))
            return await run(*commands)

        services.lane.run = counted
        await api.data("REGISTRY.register_user", "u", "s")
    assert runs == [1, 4]


# Chroma collections


async def test_collections(either: Api, valkey: Valkey) -> None:
    data = await either.data("CHROMA_VECTOR.register_collection_user", "u", "c", "s")
    assert list(data) == ["user_id", "collection_name", "session_id", "registered_at", "last_heartbeat"]
    assert LEGACY_TIME.fullmatch(data["registered_at"])
    assert await hash_of(valkey, "registry:chroma:u:c") == data
    await valkey.expire("registry:chroma:u:c", 5)
    beat = await either.data("CHROMA_VECTOR.heartbeat_collection", "u", "c")
    assert beat == {"user_id": "u", "collection_name": "c", "heartbeat_updated": True}
    assert 85 < await valkey.ttl("registry:chroma:u:c") <= 90
    gone = {"user_id": "u", "collection_name": "c", "unregistered": True}
    assert await either.data("CHROMA_VECTOR.unregister_collection_user", "u", "c") == gone
    assert (await either.data("CHROMA_VECTOR.unregister_collection_user", "u", "c"))["unregistered"] is False
    assert (await either.data("CHROMA_VECTOR.heartbeat_collection", "u", "c"))["heartbeat_updated"] is False
    assert await valkey.exists("registry:chroma:u:c") == 0


async def test_collections_stand_in_the_unified_document(api_on: Api, valkey: Valkey) -> None:
    await api_on.data("REGISTRY.register_user", "u", "s")
    for name in ("b", "a", "b"):
        await api_on.data("CHROMA_VECTOR.register_collection_user", "u", name, "s")
    chroma = (await api_on.data("UNIFIED_REGISTRY.get_user_registry", "u"))["services"]["chroma"]
    assert chroma["collections"] == ["b", "a"]
    assert ISO_TIME.fullmatch(chroma["last_heartbeat"])
    await api_on.data("CHROMA_VECTOR.unregister_collection_user", "u", "b")
    chroma = (await api_on.data("UNIFIED_REGISTRY.get_user_registry", "u"))["services"]["chroma"]
    assert chroma["collections"] == ["a"]


# Dual write


async def test_off_writes_the_legacy_registry_alone(api: Api, valkey: Valkey) -> None:
    await api.data("REGISTRY.register_user", "u", "s")
    await api.data("CHROMA_VECTOR.register_collection_user", "u", "c", "s")
    await api.data("CHROMA_VECTOR.heartbeat_collection", "u", "c")
    assert await api.data("UNIFIED_REGISTRY.get_user_registry", "u") is None
    written = sorted(await valkey.keys("registry:*"))
    assert written == [b"registry:chroma:u:c", b"registry:session:s", b"registry:user:u"]


async def test_on_writes_both(api_on: Api) -> None:
    await api_on.data("REGISTRY.register_user", "u", "s", "r")
    document = await api_on.data("UNIFIED_REGISTRY.get_user_registry", "u")
    assert document["user_info"] | {"last_seen_at": ""} == {
        "user_id": "u", "session_id": "s", "backend_route": "r", "last_seen_at": "", "status": "online",
    }  # fmt: skip
    assert document["companies"]["current_company_id"] == "default"
    assert ISO_TIME.fullmatch(document["heartbeat"]["last_heartbeat"])
    assert await api_on.data("UNIFIED_REGISTRY.get_company_active_users", "default") == ["u"]
    await api_on.data("REGISTRY.unregister_session", "s")
    document = await api_on.data("UNIFIED_REGISTRY.get_user_registry", "u")
    assert document["user_info"]["status"] == "offline"
    assert await api_on.data("UNIFIED_REGISTRY.get_company_active_users", "default") == []


@pytest.mark.parametrize("fault", ["wrong type", "slow"])
async def test_a_unified_failure_is_invisible_logged_and_counted(
    api_on: Api, valkey: Valkey, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "wrong type":
        await valkey.set(keys.unified_user("u"), "no hash")
    else:

        async def never(*_: Any, **__: Any) -> str:
            await asyncio.sleep(30)
            return ""

        monkeypatch.setattr(UnifiedRegistry, "register", never)
    before = await scrape(api_on)
    data = await api_on.data("REGISTRY.register_user", "u", "s")
    assert data["session_id"] == "s"
    assert await hash_of(valkey, "registry:user:u") == data
    after = await scrape(api_on)
    error = "ResponseError" if fault == "wrong type" else "TimeoutError"
    for name, labels in ((REGISTRY_FALLBACKS, {}), (REGISTRY_DUAL_WRITE_ERRORS, {"error": error})):
        its = {"operation": "register_user", **labels}
        assert after.count(name, **its) == before.count(name, **its) + 1
    (record,) = [record for record in caplog.records if "fallback" in str(record.msg)]
    assert record.levelno == logging.ERROR
    assert record.name == "registry_wrapper"
    assert isinstance(record.msg, dict)
    assert record.msg["event"] == "unified_registry_fallback"
    assert record.msg["operation"] == "register_user"


async def test_a_unified_entry_that_cannot_be_read_is_invisible_where_the_flag_depends_on_a_company(
    make_settings: MakeSettings, valkey: Valkey
) -> None:
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True, percent_bp=10_000)))
    await valkey.set(keys.unified_user("u"), "no hash")
    async with in_process(make_settings()) as api:
        data = await api.data("REGISTRY.register_user", "u", "s")
        assert await api.data("REGISTRY.unregister_session", "s") is True
    assert data["session_id"] == "s"


async def test_first_touch_makes_a_document_from_the_legacy_one(make_settings: MakeSettings) -> None:
    async with in_process(make_settings()) as off:
        for user in ("a", "b", "c", "d", "e"):
            await off.data("REGISTRY.register_user", user, f"s-{user}", "route")
    async with in_process(make_settings(**ON)) as on:
        assert await on.data("UNIFIED_REGISTRY.update_user_heartbeat", "a") is True
        assert (
            await on.data("UNIFIED_REGISTRY.update_user_service", "b", "llm", {"active_conversations": ["x"]}) is True
        )
        await on.data("CHROMA_VECTOR.register_collection_user", "c", "col", "s-c")
        await on.data("CHROMA_VECTOR.unregister_collection_user", "d", "col")
        for user in ("a", "b", "c", "d", "e"):
            document = await on.data("UNIFIED_REGISTRY.get_user_registry", user)
            assert document["user_info"]["session_id"] == f"s-{user}"
            assert document["user_info"]["backend_route"] == "route"
        assert await on.data("UNIFIED_REGISTRY.get_user_registry", "nobody") is None
        assert await on.data("UNIFIED_REGISTRY.update_user_heartbeat", "nobody") is False


async def test_registering_is_logged(api_on: Api, caplog: pytest.LogCaptureFixture) -> None:
    await api_on.data("REGISTRY.register_user", "u", "s")
    (record,) = [record for record in caplog.records if "user_registered" in str(record.msg)]
    assert isinstance(record.msg, dict)
    fields = {name: record.msg[name] for name in ("event", "user_id", "company_id", "session_id")}
    assert fields == {"event": "user_registered", "user_id": "u", "company_id": "default", "session_id": "s"}
    assert record.msg["timestamp"]


async def test_debug_tells_each_decision(make_settings: MakeSettings, caplog: pytest.LogCaptureFixture) -> None:
    async with in_process(make_settings(**ON, REGISTRY_DEBUG="true")) as api:
        await api.data("REGISTRY.register_user", "u", "s")
    events = [record.msg["event"] for record in caplog.records if isinstance(record.msg, dict)]
    assert {"registry_wrapper_decision", "registry_wrapper_written"} <= set(events)


async def test_cohorts_are_counted(make_settings: MakeSettings) -> None:
    for cohort, environ in (("on", ON), ("off", {})):
        async with in_process(make_settings(**environ)) as api:
            await api.data("REGISTRY.register_user", "u", "s")
            text = (await api.http.get("/metrics")).text
        assert f'pinnokio_rpc_requests_total{{code="OK",cohort="{cohort}",method="REGISTRY.register_user"}}' in text
