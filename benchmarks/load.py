"""Calls to /rpc over many connections, each one call after the other."""

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.serving import API_PORT

CONNECTIONS: Final = 64


@dataclass(frozen=True)
class Measured:
    """`per_s`: calls a second; times in ms."""

    per_s: float
    p50_ms: float
    p99_ms: float


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
