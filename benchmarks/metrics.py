"""Measures /metrics, and what counting costs a call: `python -m benchmarks.service metrics`.

A scrape with 10,000 users in 1,000 companies, every method called, the figures counted as maintenance does; the
commands that Valkey got from it are named. Then /rpc with figures and without, in turns of one server that is switched
between them (`benchmarks.switched`); what their work adds done many times tells the same.
"""

import asyncio
import os
import statistics
import time
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import httpx
import redis

from benchmarks.load import CONNECTIONS, load, registering
from benchmarks.serving import API_PORT, VALKEY_PORT, read_run_s, serving
from benchmarks.switched import COUNT, COUNT_NOT, COUNT_OFTEN, TIMES
from benchmarks.turns import Ratio, print_turns, take_turns
from contract import keys
from service.domain.legacy import LegacyUser, legacy_time
from service.domain.unified import Registration
from service.logs import set_up_logs
from service.settings import Settings
from service.store.legacy import LegacyRegistry
from service.tasks.services import Services
from service.worker.chores.figures import count_figures

USERS: Final = 10_000
COMPANIES: Final = 1_000
SCRAPES: Final = 50
CALLS: Final = 1_000
ON: Final = {"UNIFIED_REGISTRY_ENABLED": "true"}
# Commands that go through keys: a scrape may send none of them.
WALKS: Final = {"scan", "keys", "hscan", "zscan", "sscan", "hgetall", "smembers"}


def measure() -> None:
    set_up_logs("ERROR")
    with serving(["service"], ON) as pid:
        asyncio.run(fill())
        asyncio.run(measure_scrapes(pid))
    measure_counting()


async def fill() -> None:
    services = Services.open(Settings.from_env({"LISTENERS_REDIS_PORT": str(VALKEY_PORT), **ON}))
    for start in range(0, USERS, 500):
        await asyncio.gather(*(register(services, number) for number in range(start, start + 500)))
    for number in range(COMPANIES):
        await services.lane.run(("ZADD", keys.request_quota(f"c{number}"), round(time.time() * 1000), "start"))
    started = time.perf_counter()
    await count_figures(services)
    print(f"counting {USERS} users in {COMPANIES} companies, once a minute: {time.perf_counter() - started:.2f} s")
    await services.close()


async def register(services: Services, number: int) -> None:
    now = datetime.now(UTC)
    user_id, session_id, company_id = f"u{number}", f"s{number}", f"c{number % COMPANIES}"
    await LegacyRegistry(services.lane).register_user(LegacyUser(user_id, session_id, "", legacy_time(now)))
    await services.unified.register(Registration(user_id, session_id, "", now, company_id))


async def measure_scrapes(pid: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{API_PORT}", timeout=30) as http:
        await call_every_method(http)
        with redis.Redis(port=VALKEY_PORT) as valkey:
            valkey.config_resetstat()
            cpu_s = read_run_s(pid)
            took_ms = []
            for _ in range(SCRAPES):
                started = time.perf_counter()
                text = (await http.get("/metrics")).text
                took_ms.append((time.perf_counter() - started) * 1000)
            cpu_ms = (read_run_s(pid) - cpu_s) / SCRAPES * 1000
            stats: dict[str, Any] = valkey.info("commandstats")
    asked = {name.removeprefix("cmdstat_").partition("|")[0] for name in stats}
    lines = sum(not line.startswith("#") for line in text.splitlines())
    walks = ", ".join(asked & WALKS) or "none"
    print(f"/metrics, {lines} series: p50 {statistics.median(took_ms):.1f} ms, most {max(took_ms):.1f} ms (under 50)")
    print(f"CPU time of one {cpu_ms:.1f} ms; commands that walk through keys: {walks} (none)")


async def call_every_method(http: httpx.AsyncClient) -> None:
    """Once each, so that each has its series; without arguments most are refused, which counts as well."""
    methods = (await http.get("/openapi.json")).json()["paths"]["/rpc"]["post"]["x-rpc-methods"]
    for method in methods:
        key = uuid.uuid4().hex
        await http.post("/rpc", json={"api_version": "v1", "method": method, "idempotency_key": key})
    await load(registering, CALLS, CONNECTIONS)


def measure_counting() -> None:
    with serving(["benchmarks.switched"], ON) as pid:
        signals = {"without": COUNT_NOT, "with figures": COUNT, f"{TIMES} times": COUNT_OFTEN}
        ways = {name: partial(os.kill, pid, number) for name, number in signals.items()}
        taken = asyncio.run(take_turns(pid, registering, ways))
    off, on, often = taken.values()
    speed = Ratio.of([turn.per_s for turn in on], [turn.per_s for turn in off])
    cpu = Ratio.of([turn.cpu_us for turn in on], [turn.cpu_us for turn in off])
    print_turns(taken)
    print(f"figures cost {1 - speed.median:.1%} ± {speed.error:.1%} of throughput (3 % at most)", end=", ")
    print(f"{cpu.median - 1:.1%} ± {cpu.error:.1%} of CPU time")
    work_us = statistics.median(one.cpu_us - other.cpu_us for one, other in zip(often, on, strict=True)) / (TIMES - 1)
    share = work_us / statistics.median(turn.cpu_us for turn in off)
    print(f"by what {TIMES - 1} times their work adds: {work_us:.1f} us of CPU time a call, {share:.1%}")
