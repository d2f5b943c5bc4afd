"""Measures /ws and the process itself: `python -m benchmarks.service sockets`.

Users who connect at once, events from another process to each of them, one socket that reads nothing, idle sockets,
start-up. The client is this process: where cores are few, its own time is in what it measures.
"""

import asyncio
import json
import statistics
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.serving import API_PORT, VALKEY_PORT, read_status, serving
from service.domain.events import Event
from service.settings import Settings
from service.store import client
from service.store.events import EventStore

USERS: Final = 500
EVENTS: Final = 2_000
# Below what the machine can carry: latency, not throughput.
EVENTS_PER_S: Final = 400
IDLE: Final = 5_000
URL: Final = f"127.0.0.1:{API_PORT}"


def measure() -> None:
    measure_start()
    with serving(["service"], {}) as pid:
        asyncio.run(measure_users(pid))
    with serving(["service"], {}) as pid:
        asyncio.run(measure_idle(pid))


def measure_start() -> None:
    took = []
    for _ in range(5):
        started = time.perf_counter()
        with serving(["service"], {}):
            took.append(time.perf_counter() - started)
    print(f"start-up: {statistics.median(took):.2f} s (target: under 1.5)")


async def measure_users(pid: int) -> None:
    async with AsyncExitStack() as stack:
        is_over = threading.Event()
        # In a thread: the loop here is busy with opening, and would measure itself.
        probing = asyncio.create_task(asyncio.to_thread(probe, is_over))
        started = time.perf_counter()
        opened = await asyncio.gather(*(connect(f"ws://{URL}/ws?uid=u{number}") for number in range(USERS)))
        seconds = time.perf_counter() - started
        sockets = list(opened)
        for socket in sockets:
            stack.push_async_callback(socket.close)
        is_over.set()
        slowest_ms = max(await probing)
        threads = read_status(pid, "Threads")
        print(
            f"{USERS} users connect: {seconds:.2f} s (3), /healthz at most {slowest_ms:.0f} ms, {threads} threads (20)"
        )
        await measure_events("event to socket", sockets)
        async with stuck_socket():
            await measure_events("the same beside a stuck socket", sockets)


def probe(is_over: threading.Event) -> list[float]:
    """Milliseconds of /healthz, over and over."""
    took: list[float] = []
    with httpx.Client(base_url=f"http://{URL}", timeout=60) as health:
        while not took or not is_over.is_set():
            started = time.perf_counter()
            health.get("/healthz")
            took.append((time.perf_counter() - started) * 1000)
    return took


async def measure_events(name: str, sockets: list[ClientConnection]) -> None:
    """Each event goes to one of the users; the time from before its publication until its socket has it."""
    valkey, events = make_store()
    took: list[float] = []

    async def listen(socket: ClientConnection, expected: int) -> None:
        while expected:
            event = json.loads(await socket.recv())
            if event["type"] == "task.progress_update":
                took.append((time.time() - event["payload"]["data"]["at"]) * 1000)
                expected -= 1

    share = EVENTS // USERS
    listening = [asyncio.create_task(listen(socket, share)) for socket in sockets]
    began = time.perf_counter()
    for number in range(share * USERS):
        await asyncio.sleep(max(0.0, began + number / EVENTS_PER_S - time.perf_counter()))
        await events.publish(build_event(f"u{number % USERS}", ""))
    async with asyncio.timeout(60):
        await asyncio.gather(*listening)
    await valkey.aclose()
    points = statistics.quantiles(took, n=100)
    print(f"{name}, {USERS} sockets: p50 {points[49]:.1f} ms, p99 {points[98]:.1f} ms (10)")


@asynccontextmanager
async def stuck_socket() -> AsyncIterator[None]:
    """A user whose client stops reading while events are sent to it as fast as they can be."""
    valkey, events = make_store()
    reader, writer = await asyncio.open_connection("127.0.0.1", API_PORT, limit=1024)
    writer.write(
        b"GET /ws?uid=stuck HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")

    async def flood() -> None:
        while True:
            await events.publish(build_event("stuck", "x" * 20_000))
            await asyncio.sleep(0.005)

    flooding = asyncio.create_task(flood())
    try:
        yield
    finally:
        await client.end_tasks(flooding)
        writer.close()
        await valkey.aclose()


async def measure_idle(pid: int) -> None:
    before = read_status(pid, "VmRSS")
    async with AsyncExitStack() as stack:
        for start in range(0, IDLE, 100):
            opening = (
                connect(f"ws://{URL}/ws?uid=i{start + number}", ping_interval=None, open_timeout=60)
                for number in range(100)
            )
            for socket in await asyncio.gather(*opening):
                stack.push_async_callback(socket.close)
        after = read_status(pid, "VmRSS")
    print(f"{IDLE} idle sockets of {IDLE} users: {after / 1024:.0f} MB (250), {before / 1024:.0f} MB without")


def make_store() -> tuple[client.Valkey, EventStore]:
    settings = Settings.from_env({"LISTENERS_REDIS_PORT": str(VALKEY_PORT)})
    valkey = client.connect(settings.valkey)
    return valkey, EventStore(valkey, settings)


def build_event(user_id: str, filling: str) -> Event:
    data = {"at": time.time(), "filling": filling}
    payload = {"task_id": "t", "status": "processing", "progress": 1, "current_step": "s", "data": data}
    return Event(type="task.progress_update", uid=user_id, timestamp=datetime.now(UTC), payload=payload)
