"""A user who registers again: few commands and no script, and right all the same when something changed meanwhile."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contract import keys
from service.domain.legacy import legacy_time
from service.domain.unified import Registration
from service.store.client import Valkey
from service.store.lane import Lane
from service.store.unified import UnifiedRegistry


def session(session_id: str, company_id: str | None = None) -> Registration:
    companies = None if company_id is None else (company_id,)
    now = datetime.now(UTC)
    return Registration("u", session_id, "", now, company_id, companies, legacy_time(now))


@pytest.fixture
async def registry(lane: Lane) -> UnifiedRegistry:
    """It knows the user, who has registered."""
    unified = UnifiedRegistry(lane)
    await unified.register(session("s1"))
    assert await again(unified, "s2") == "default"
    return unified


async def again(unified: UnifiedRegistry, session_id: str) -> str:
    return await unified.register(session(session_id))


async def active(unified: UnifiedRegistry, company_id: str) -> dict[str, Any]:
    document = await unified.read_company(company_id)
    users: dict[str, Any] = document["active_users"] if document else {}
    return users


async def test_it_takes_no_script(registry: UnifiedRegistry, valkey: Valkey) -> None:
    async def scripts() -> int:
        stats: dict[str, Any] = await valkey.info("commandstats")
        return sum(int(stats[name]["calls"]) for name in ("cmdstat_eval", "cmdstat_evalsha") if name in stats)

    before = await scripts()
    for number in range(10):
        await again(registry, f"s{number}")
    assert await scripts() == before
    document = await registry.read_user("u")
    assert document is not None
    assert document["user_info"]["session_id"] == "s9"
    assert (await active(registry, "default"))["u"]["session_id"] == "s9"
    assert await valkey.ttl(keys.unified_user("u")) > keys.UNIFIED_TTL_S - 60


async def test_an_entry_that_is_gone_is_made_in_full(registry: UnifiedRegistry, valkey: Valkey) -> None:
    await valkey.delete(keys.unified_user("u"))
    assert await again(registry, "s3") == "default"
    document = await registry.read_user("u")
    assert document is not None
    assert document["companies"]["current_company_id"] == "default"
    assert await valkey.hget(keys.unified_user("u"), "current_company_id") == b"default"
    assert await valkey.ttl(keys.unified_user("u")) > 0


async def test_a_company_that_another_process_moved_the_user_to_holds(registry: UnifiedRegistry, lane: Lane) -> None:
    await UnifiedRegistry(lane).register(session("s3", "acme"))
    assert await again(registry, "s4") == "acme"
    assert (await active(registry, "acme"))["u"]["session_id"] == "s4"
    assert await active(registry, "default") == {}
    assert await again(registry, "s5") == "acme"


async def test_a_companys_entry_that_is_gone_is_made_in_full(registry: UnifiedRegistry, valkey: Valkey) -> None:
    before: Any = await valkey.hget(keys.company("default"), "created_at")
    await valkey.delete(keys.company("default"))
    await again(registry, "s3")
    document = await registry.read_company("default")
    assert document is not None
    assert document["company_info"]["created_at"] > before.decode()
    assert await valkey.ttl(keys.company("default")) > 0


async def test_a_user_who_left_comes_back(registry: UnifiedRegistry) -> None:
    assert await registry.unregister("u", "s2")
    assert await active(registry, "default") == {}
    await again(registry, "s3")
    assert list(await active(registry, "default")) == ["u"]
    document = await registry.read_user("u")
    assert document is not None
    assert document["user_info"]["status"] == "online"


async def test_what_is_no_hash_is_an_error(registry: UnifiedRegistry, valkey: Valkey) -> None:
    await valkey.set(keys.unified_user("u"), "x")
    with pytest.raises(Exception, match="WRONGTYPE"):
        await again(registry, "s3")
