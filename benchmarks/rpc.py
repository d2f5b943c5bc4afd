"""Measures /rpc on this machine: `python -m benchmarks.service rpc`.

Rows, in one run on one embedded Valkey: a bare Starlette route that makes the same two round trips with redis-py, then
`REGISTRY.register_user` with the unified registry off and on. Printed: calls a second, p50 and p99, the server's own
CPU time a call (the figure to trust where others use the machine too), and the ratio of throughput and of CPU time to
the row before. Then the registry on and off in turns of one server, which a noisy machine disturbs less; and
unregistering a session among 100 and among 100,000 users. Load and server are processes of their own, the server one
as in production.
"""

import asyncio
import itertools
import os
from functools import partial
from typing import Any

import redis
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.load import CONNECTIONS, Measured, load, registering, unregistering
from benchmarks.serving import VALKEY_PORT, read_cpu_s, serving
from benchmarks.turns import Ratio, print_turns, take_turns
from contract import flag, keys
from service.settings import Settings
from service.store.client import connect

CALLS = 20_000


def measure() -> None:
    measure_registering(CALLS, CONNECTIONS)
    measure_flag()
    measure_unregistering()


def measure_registering(calls: int, connections: int) -> None:
    print(f"REGISTRY.register_user, {connections} connections, {calls} calls (ratios: 0.6, then 0.7; p99 25)")
    print(f"{'':34}{'calls/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'CPU us':>8}{'ratio':>8}{'by CPU':>8}")
    before: tuple[Measured, float] | None = None
    for name, command, environ in (
        ("bare Starlette, same round trips", ["benchmarks.rpc"], {}),
        ("unified registry off", ["service"], {"UNIFIED_REGISTRY_ENABLED": "false"}),
        ("unified registry on", ["service"], {"UNIFIED_REGISTRY_ENABLED": "true"}),
    ):
        with serving(command, environ) as pid:
            asyncio.run(load(registering, calls // 10, connections))
            cpu_s = read_cpu_s(pid)
            measured = asyncio.run(load(registering, calls, connections))
            cpu_us = (read_cpu_s(pid) - cpu_s) / calls * 1e6
        ratio = f"{measured.per_s / before[0].per_s:8.2f}{before[1] / cpu_us:8.2f}" if before else ""
        print(f"{name:34}{measured.per_s:10.0f}{measured.p50_ms:10.1f}{measured.p99_ms:10.1f}{cpu_us:8.0f}{ratio}")
        before = (measured, cpu_us)


def measure_flag() -> None:
    """The flag switched by its document, as the operator does it."""
    revisions = itertools.count(1)
    with redis.Redis(port=VALKEY_PORT) as valkey, serving(["service"], {}) as pid:

        def publish(enabled: bool) -> None:
            document = flag.encode(flag.FlagDocument(revision=next(revisions), enabled=enabled))
            valkey.set(keys.FLAG, document)
            valkey.publish(keys.FLAG_CHANNEL, document)

        ways = {"flag on": partial(publish, True), "flag off": partial(publish, False)}
        taken = asyncio.run(take_turns(pid, registering, ways))
        valkey.delete(keys.FLAG)
    on, off = taken["flag on"], taken["flag off"]
    speed = Ratio.of([turn.per_s for turn in on], [turn.per_s for turn in off])
    cpu = Ratio.of([turn.cpu_us for turn in off], [turn.cpu_us for turn in on])
    print()
    print_turns(taken)
    print(f"on to off {speed.median:.2f} ± {speed.error:.2f}, by CPU {cpu.median:.2f} ± {cpu.error:.2f} (at least 0.7)")


def measure_unregistering() -> None:
    """In turns, and the quietest of each: what others do on the machine must not pass for the number of users."""
    medians: dict[int, float] = {}
    for users in (100, 100_000) * 3:
        with redis.Redis(port=VALKEY_PORT) as client, serving(["service"], {}):
            client.flushall()
            fill(client, users)
            measured = asyncio.run(load(unregistering, 100, 1))
        medians[users] = min(measured.p50_ms, medians.get(users, measured.p50_ms))
    print("\nREGISTRY.unregister_session, one connection")
    for users, p50_ms in medians.items():
        print(f"among {users:7} users: p50 {p50_ms:.2f} ms")
    print(f"ratio {medians[100_000] / medians[100]:.2f} (under 1.2)")


def fill(client: "redis.Redis", users: int) -> None:
    pipeline = client.pipeline(transaction=False)
    for number in range(users):
        pipeline.hset(keys.legacy_user(f"u{number}"), mapping={"user_id": f"u{number}", "session_id": f"s{number}"})
        pipeline.sadd(keys.session(f"s{number}"), f"u{number}")
        if number % 5_000 == 0:
            pipeline.execute()
    pipeline.execute()


def serve_bare() -> None:
    """What the route would cost by itself: JSON in, two round trips, JSON out."""
    settings = Settings.from_env(os.environ)
    valkey = connect(settings.valkey)

    async def rpc(request: Request) -> Response:
        body = await request.json()
        user_id, session_id = body["args"]
        await valkey.set(keys.idempotency(body["idempotency_key"]), "1", nx=True, ex=900)
        pipeline = valkey.pipeline(transaction=False)
        fields: Any = {"user_id": user_id, "session_id": session_id, "backend_route": "", "last_seen_at": ""}
        pipeline.hset(keys.legacy_user(user_id), mapping=fields)
        pipeline.expire(keys.legacy_user(user_id), keys.LEGACY_TTL_S)
        pipeline.sadd(keys.session(session_id), user_id)
        pipeline.expire(keys.session(session_id), keys.LEGACY_TTL_S)
        await pipeline.execute()
        return Response(b'{"ok":true}', media_type=JSONResponse.media_type)

    app = Starlette(routes=[Route("/rpc", rpc, methods=["POST"])])
    config = uvicorn.Config(app, port=settings.port, loop="uvloop", http="httptools", access_log=False, log_config=None)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    # The server of the first row; the benchmark itself is `benchmarks.service`.
    serve_bare()
