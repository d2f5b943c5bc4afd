"""`python -m service verify` on a real Valkey: silent where the registries agree, exit code 3 where they do not."""

import asyncio
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from service.commands.verify import Report, verify
from service.settings import Settings
from service.store.client import Valkey
from tests.service.application import Api
from tests.service.commands.running import run
from tests.service.conftest import MakeSettings
from tests.service.valkey_server import RunningValkey, free_port

ON = {"UNIFIED_REGISTRY_ENABLED": "true"}


@pytest.fixture
def on(make_settings: MakeSettings) -> Settings:
    return make_settings(**ON)


async def look(settings: Settings, size: int | None = None) -> Report:
    return await verify(settings, size, second_look_s=0)


def kinds(report: Report) -> list[tuple[str, str]]:
    return sorted((drift.user_id, drift.kind) for drift in report.drifts)


async def use(api: Api, users: int = 20) -> None:
    """Everything that dual writes: sessions, heartbeats, collections, goodbyes, a session taken over."""
    for number in range(users):
        user, session = f"u{number}", f"s{number}"
        await api.data("REGISTRY.register_user", user, session, "r")
        await api.data("CHROMA_VECTOR.register_collection_user", user, "c", session)
        await api.data("UNIFIED_REGISTRY.update_user_heartbeat", user)
    await api.data("REGISTRY.register_user", "u0", "newer")
    await api.data("REGISTRY.unregister_session", "s1")
    await api.data("UNIFIED_REGISTRY.register_user_session", "u2", "s2", "acme", ["acme"])
    await api.data("UNIFIED_REGISTRY.unregister_user_session", "s3")


async def test_what_the_service_writes_does_not_drift(api_on: Api, on: Settings) -> None:
    await use(api_on)
    report = await look(on)
    assert report.drifts == ()
    assert report.exit_code == 0
    assert report.outcomes["agrees"] == 20
    assert (report.sample.legacy, report.sample.unified) == (18, 20)


async def test_keys_of_another_type_are_no_entries(api_on: Api, on: Settings, valkey: Valkey) -> None:
    await use(api_on)
    for key in (keys.legacy_user("u5"), keys.unified_user("u6"), keys.unified_user("foreign"), keys.company("default")):
        await valkey.delete(key)
        await valkey.set(key, "no hash")
    found = kinds(await look(on))
    assert [drift for drift in found if drift[1] != "missing_in_company"] == [("u5", "missing_in_legacy")]
    assert ("u7", "missing_in_company") in found


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (("HSET", "registry:user:u5", "session_id", "other"), "session"),
        (("HSET", "registry:unified:u5", "backend_route", "other"), "backend_route"),
        (("HSET", "registry:unified:u5", "status", "offline"), "status"),
        (("HSET", "registry:unified:u5", "last_seen_at", "2020-01-01T00:00:00+00:00"), "last_seen_at"),
        (("DEL", "registry:user:u5"), "missing_in_legacy"),
        (("HDEL", "registry:company:default", "user:u5"), "missing_in_company"),
        (("HDEL", "registry:unified:u5", "collection:c"), "collection"),
    ],
)
async def test_each_kind_of_drift_is_found(
    api_on: Api, on: Settings, shared_valkey: RunningValkey, damage: tuple[str, ...], kind: str
) -> None:
    await use(api_on, 8)
    with shared_valkey.client() as client:
        client.execute_command(*damage)
    report = await look(on)
    assert kinds(report) == [("u5", kind)]
    assert report.exit_code == 3


async def test_who_is_off_is_not_compared(api_on: Api, make_settings: MakeSettings, valkey: Valkey) -> None:
    await use(api_on, 4)
    await valkey.delete("registry:user:u0")
    report = await look(make_settings())
    assert (report.drifts, report.off) == ((), 4)
    audience = FlagDocument(revision=1, enabled=True, users=("u2",))
    await valkey.set(keys.FLAG, encode(audience))
    report = await look(make_settings())
    assert (report.outcomes.total(), report.off) == (1, 3)


async def test_who_waits_for_the_first_touch_has_not_drifted(api: Api, on: Settings) -> None:
    await api.data("REGISTRY.register_user", "u", "s")
    report = await look(on)
    assert report.drifts == ()
    assert report.outcomes["waits_for_first_touch"] == 1


async def test_a_user_being_written_has_not_drifted(api_on: Api, on: Settings, valkey: Valkey) -> None:
    """Between the two writes of a registration they differ; a moment later they do not."""
    await api_on.data("REGISTRY.register_user", "u", "s")
    await valkey.hset("registry:user:u", "session_id", "next")
    looking = asyncio.create_task(verify(on, None, second_look_s=0.5))
    await asyncio.sleep(0.2)
    await api_on.data("REGISTRY.register_user", "u", "next")
    assert (await looking).drifts == ()


async def test_a_sample_is_as_large_as_asked_for(api_on: Api, on: Settings) -> None:
    await use(api_on, 30)
    report = await look(on, 5)
    assert 5 <= len(report.sample.users) <= 10
    assert report.outcomes["agrees"] == len(report.sample.users)
    assert report.sample.unified == 30


async def test_on_the_command_line(api_on: Api, shared_valkey: RunningValkey, valkey: Valkey) -> None:
    await use(api_on, 5)
    clean = await asyncio.to_thread(run, shared_valkey, "verify")
    assert (clean.returncode, clean.stderr) == (0, "")
    assert "no drift" in clean.stdout
    for user in ("u2", "u4"):
        await valkey.hset(f"registry:unified:{user}", "backend_route", "far\naway")
    drifted = await asyncio.to_thread(run, shared_valkey, "verify", "--all", "--list", "1")
    assert drifted.returncode == 3
    lines = drifted.stdout.splitlines()
    assert "  DRIFT" + " " * 48 + "2" in lines
    assert lines[-1] == "… and 1 more (--list)"
    assert lines[-2].split() == ["u2", "backend_route", "-", "far?away"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "--sample", "0"], "invalid _count value"),
        (["verify", "--sample", "5", "--all"], "not allowed with"),
        (["restore-legacy", "--rate", "0"], "invalid _rate value"),
        (["tidy"], "invalid choice"),
    ],
)
def test_a_command_line_that_cannot_be_read(shared_valkey: RunningValkey, arguments: list[str], says: str) -> None:
    done = run(shared_valkey, *arguments)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("name", ["verify", "restore-legacy"])
def test_no_valkey(shared_valkey: RunningValkey, name: str) -> None:
    port = str(free_port())
    done: Any = run(shared_valkey, name, LISTENERS_REDIS_PORT=port)
    assert done.returncode == 2
    assert f"{name}: Valkey at redis://127.0.0.1:{port}/0" in done.stderr
    assert "Traceback" not in done.stderr
