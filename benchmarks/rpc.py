"""Measures /rpc on this machine: `python -m benchmarks.service rpc`.

Rows, in one run on one embedded Valkey: a bare Starlette route that makes the same two round trips with redis-py, then
`REGISTRY.register_user` with the unified registry off and on. Printed: calls a second, p50 and p99, the server's own
CPU time a call (the figure to trust where others use the machine too), and the ratio of throughput and of CPU time to
the row before; and unregistering a session among 100 and among 100,000 users. Load and server are processes of their
own, the server one as in production.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.serving import API_PORT, VALKEY_PORT, read_cpu_s, serving
from contract import keys
from service.settings import Settings
from service.store.client import connect

CALLS = 20_000
CONNECTIONS = 64


@dataclass(frozen=True)
class Measured:
    """`per_s`: calls a second; times in ms."""

    per_s: float
    p50_ms: float
    p99_ms: float


def measure() -> None:
    measure_registering(CALLS, CONNECTIONS)
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


def registering(number: int) -> dict[str, object]:
    return {"method": "REGISTRY.register_user", "args": [f"u{number % 5000}", f"s{number % 5000}"]}


def unregistering(number: int) -> dict[str, object]:
    return {"method": "REGISTRY.unregister_session", "args": [f"s{number}"]}


async def load(call: Callable[[int], dict[str, object]], calls: int, connections: int) -> Measured:
    """Sends `calls` calls over that many connections, each one after the other; every answer must be `ok`."""
    numbers = iter(range(calls))
    took_ms: list[float] = []
    run = f"{time.time_ns()}"

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", API_PORT)
        for number in numbers:
            body = json.dumps({"api_version": "v1", "idempotency_key": f"{run}-{number}", **call(number)}).encode()
            head = f"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            started = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            text = await reader.readexactly(length)
            took_ms.append((time.perf_counter() - started) * 1000)
            assert b'"ok":true' in text, text
        writer.close()
        await writer.wait_closed()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    seconds = time.perf_counter() - started
    points = statistics.quantiles(took_ms, n=100)
    return Measured(calls / seconds, points[49], points[98])


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
