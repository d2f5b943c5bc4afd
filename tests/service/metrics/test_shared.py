"""What the API tells of the whole service: counted by maintenance, read at the scrape, after real calls."""

import json
import time
from collections.abc import AsyncIterator, Iterable

import pytest

from contract import keys
from contract import metrics as names
from contract.flag import FlagDocument, encode
from contract.metrics import COMPANIES_NAMED, OTHER
from service.domain.figures import OLD_S, DriftFigures, Figures
from service.domain.quotas import MAX_LLM_REQUESTS_PER_HOUR, MAX_TASKS_PER_USER, STORAGE_LIMIT_MB
from service.domain.storage import MB
from service.settings import Settings
from service.store.batches import run_batches
from service.store.client import Valkey
from service.store.figures import STUCK_AFTER_S, FiguresStore
from service.store.lane import Command, Lane
from service.tasks.services import Services
from service.worker.chores.figures import count_figures
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings
from tests.service.metrics.samples import scrape
from tests.service.running_worker import User
from tests.service.valkey_server import RunningValkey, settings_for

COMPANIES = 10_000
QUOTAS = (MAX_TASKS_PER_USER, MAX_LLM_REQUESTS_PER_HOUR, STORAGE_LIMIT_MB)


@pytest.fixture
async def services(make_settings: MakeSettings) -> AsyncIterator[Services]:
    """As a worker has them."""
    opened = Services.open(make_settings(UNIFIED_REGISTRY_ENABLED="true"))
    yield opened
    await opened.close()


def company_commands(number: int) -> list[Command]:
    """Company `c{n}`: n % 7 + 1 users; 2 requests of n + 10."""
    company, now_ms = f"c{number}", round(time.time() * 1000)
    users = [word for each in range(number % 7 + 1) for word in (f"user:u{each}", "{}")]
    limit = (f"quota:{MAX_LLM_REQUESTS_PER_HOUR}", str(number + 10))
    return [
        ("HSET", keys.company(company), *users, *limit),
        ("ZADD", keys.request_quota(company), now_ms, "a", now_ms, "b"),
    ]


async def register(api: Api, user_id: str, company_id: str) -> None:
    await api.data("UNIFIED_REGISTRY.register_user_session", user_id, f"s-{user_id}", company_id, [company_id])


async def test_users_sessions_and_companies(api_on: Api, services: Services) -> None:
    for number in range(3):
        await register(api_on, f"u{number}", "acme")
    await register(api_on, "u3", "other-than-acme")
    await api_on.data("REGISTRY.unregister_session", "s-u2")
    await count_figures(services)
    samples = await scrape(api_on)
    assert samples.read(names.REGISTRY_ACTIVE_USERS, company="acme") == 2
    assert samples.read(names.REGISTRY_ACTIVE_USERS, company="other-than-acme") == 1
    assert samples.read(names.REGISTRY_ACTIVE_USERS, company=OTHER) is None
    assert samples.read(names.REGISTRY_SESSIONS) == 3
    assert samples.read(names.REGISTRY_USERS, registry="unified") == 4
    assert samples.read(names.REGISTRY_USERS, registry="legacy") == 3
    assert (samples.read(names.FIGURES_AGE) or 0) < 60


async def test_drift_is_what_verify_finds(api_on: Api, services: Services, valkey: Valkey) -> None:
    for number in range(4):
        await api_on.data("REGISTRY.register_user", f"u{number}", f"s{number}")
    await count_figures(services)
    samples = await scrape(api_on)
    assert (samples.read(names.REGISTRY_COMPARED), samples.read(names.REGISTRY_DRIFTED)) == (4, 0)
    await valkey.hset(keys.legacy_user("u1"), "session_id", "another")
    await count_figures(services)
    samples = await scrape(api_on)
    assert samples.read(names.REGISTRY_DRIFTED) == 1
    assert samples.read(names.REGISTRY_DRIFTS, kind="session") == 1


async def test_who_is_off_does_not_drift(api_on: Api, services: Services, valkey: Valkey) -> None:
    """Also where the flag goes by company."""
    for company in ("in", "out"):
        await register(api_on, f"of-{company}", company)
        await valkey.delete(keys.legacy_user(f"of-{company}"))
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True, companies=("in",))))
    await count_figures(services)
    samples = await scrape(api_on)
    assert (samples.read(names.REGISTRY_COMPARED), samples.read(names.REGISTRY_DRIFTED)) == (1, 1)


async def test_quotas_by_company(api_on: Api, services: Services, user: User) -> None:
    for number in range(3):
        await user.start("test_request", f"t{number}")
    await user.start("test_request", "t3", user_id="u2")
    storage = await user.services.storage.reserve("default", "texts", 100 * MB, holder="me")
    await storage.spend(50 * MB)
    await user.valkey.hset(keys.company("default"), f"quota:{STORAGE_LIMIT_MB}", "200")
    await count_figures(services)
    samples = await scrape(api_on)
    used = {quota: samples.read(names.QUOTA_USED, company="default", quota=quota) for quota in QUOTAS}
    assert used == {MAX_TASKS_PER_USER: 3, MAX_LLM_REQUESTS_PER_HOUR: 4, STORAGE_LIMIT_MB: 100}
    limits = {quota: samples.read(names.QUOTA_LIMIT, company="default", quota=quota) for quota in QUOTAS}
    assert limits == {MAX_TASKS_PER_USER: 10, MAX_LLM_REQUESTS_PER_HOUR: 1000, STORAGE_LIMIT_MB: 200}


async def test_ten_thousand_companies_are_a_bounded_number_of_series(
    api_on: Api, services: Services, lane: Lane
) -> None:
    """The nearest to a limit are named; the rest of each is in `other`, so that sums are true."""
    for start in range(0, COMPANIES, 500):
        batch = range(start, start + 500)
        await run_batches(lane, [command for number in batch for command in company_commands(number)])
    await count_figures(services)
    samples = await scrape(api_on)
    active = dict(_by_company(samples.all(names.REGISTRY_ACTIVE_USERS)))
    assert len(active) == COMPANIES_NAMED + 1
    assert sum(active.values()) == sum(number % 7 + 1 for number in range(COMPANIES))
    used = dict(_by_company(samples.all(names.QUOTA_USED, quota=MAX_LLM_REQUESTS_PER_HOUR)))
    limits = dict(_by_company(samples.all(names.QUOTA_LIMIT, quota=MAX_LLM_REQUESTS_PER_HOUR)))
    assert used.keys() == limits.keys() == {*(f"c{number}" for number in range(COMPANIES_NAMED)), OTHER}
    assert sum(used.values()) == 2 * COMPANIES
    assert sum(limits.values()) == sum(number + 10 for number in range(COMPANIES))


def _by_company(samples: Iterable[tuple[dict[str, str], float]]) -> Iterable[tuple[str, float]]:
    return ((labels["company"], value) for labels, value in samples)


async def test_old_figures_tell_nothing(api_on: Api, lane: Lane) -> None:
    drift = DriftFigures(compared=1, drifted=0, kinds={})
    old = Figures(time.time() - OLD_S - 1, {"legacy": 1, "unified": 1}, 1, {"acme": 1}, {}, drift)
    await FiguresStore(lane).write(old)
    samples = await scrape(api_on)
    assert samples.read(names.REGISTRY_SESSIONS) is None
    assert (samples.read(names.FIGURES_AGE) or 0) > OLD_S


@pytest.mark.parametrize("raw", ["", "{}", '{"counted_at":"now"}', "[1]"], ids=["nothing", "empty", "text", "list"])
async def test_figures_of_another_version_tell_nothing(api_on: Api, valkey: Valkey, raw: str) -> None:
    await valkey.set(keys.FIGURES, raw)
    samples = await scrape(api_on)
    assert samples.read(names.FIGURES_AGE) is None
    assert samples.read(names.DEPENDENCY_UP, dependency="redis") == 1


async def test_how_long_the_oldest_message_waits(api_on: Api, user: User, settings: Settings) -> None:
    key = f"{settings.celery_key_prefix}default"
    await user.start("test_wait", "first")
    (message,) = await user.valkey.lrange(key, 0, -1)
    sent = json.loads(message)
    sent["headers"]["sent_at"] -= 90
    await user.valkey.delete(key)
    await user.valkey.rpush(key, json.dumps(sent))
    await user.start("test_wait", "second")
    await user.valkey.rpush(f"{settings.celery_key_prefix}computation", "no message of ours")
    await user.valkey.set(f"{settings.celery_key_prefix}llm", "no list")
    samples = await scrape(api_on)
    assert 90 <= (samples.read(names.QUEUE_OLDEST, queue="default") or 0) < 120
    assert samples.read(names.QUEUE_OLDEST, queue="maintenance") == 0
    assert samples.read(names.QUEUE_OLDEST, queue="computation") is None
    assert samples.read(names.QUEUE_OLDEST, queue="llm") is None


async def test_tasks_that_nobody_looks_at_are_stuck(api_on: Api, user: User) -> None:
    await user.start("test_wait", "waiting")
    assert (await scrape(api_on)).read(names.TASKS_STUCK) == 0
    due_ms = (time.time() - STUCK_AFTER_S - 5) * 1000
    await user.valkey.zadd(keys.OPEN_TASKS, {"waiting": due_ms})
    assert (await scrape(api_on)).read(names.TASKS_STUCK) == 1


async def test_valkeys_own_figures(api_on: Api, valkey: Valkey) -> None:
    samples = await scrape(api_on)
    assert (samples.read(names.VALKEY_MEMORY_USED) or 0) > 100_000
    assert (samples.read(names.VALKEY_CLIENTS) or 0) >= 2
    assert samples.read(names.VALKEY_EVICTED) is not None
    assert samples.read(names.VALKEY_MEMORY_MAX) is None
    await valkey.config_set("maxmemory", "1gb")
    try:
        assert (await scrape(api_on)).read(names.VALKEY_MEMORY_MAX) == 1024**3
    finally:
        await valkey.config_set("maxmemory", "0")


async def test_a_scrape_asks_for_no_list_of_keys(api_on: Api, services: Services, valkey: Valkey) -> None:
    await count_figures(services)
    # The first one opens the connection.
    await scrape(api_on)
    before = await _calls(valkey)
    for _ in range(3):
        await scrape(api_on)
    after = await _calls(valkey)
    asked = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    # What the test itself asks, and what the API does on its own meanwhile, is not the scrape's.
    assert asked.keys() - {"get", "ping", "hset", "subscribe"} == {"zcount", "info", "lindex", "hgetall"}, asked
    assert asked["zcount"] == 3


async def _calls(valkey: Valkey) -> dict[str, int]:
    stats = await valkey.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}


async def test_without_valkey_a_scrape_tells_that_it_is_away(own_valkey: RunningValkey) -> None:
    async with in_process(settings_for(own_valkey.settings)) as api:
        own_valkey.stop()
        samples = await scrape(api)
    assert samples.read(names.DEPENDENCY_UP, dependency="redis") == 0
    assert samples.read(names.VALKEY_MEMORY_USED) is None
    assert samples.read(names.TASKS_STUCK) is None
    assert samples.read(names.QUEUE_OLDEST) is None
