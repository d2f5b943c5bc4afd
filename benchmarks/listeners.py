"""Measures users who connect while Firestore listens for each: `python -m benchmarks.service listeners`.

Against the Firestore emulator, a Java process beside the server, the load and Valkey: on few cores its time is in the
figures. /healthz is asked from a process of its own.
"""

import asyncio
import json
import multiprocessing
import os
import time
from contextlib import AsyncExitStack
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import Final

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.serving import API_PORT, read_cpu_s, read_status, serving
from tests.firestore.emulator import PROJECT, missing, running_emulator
from tests.service.waiting import eventually

USERS: Final = 500
URL: Final = f"127.0.0.1:{API_PORT}"
# The emulator, not the service, decides how long a notification of each takes.
SYNC_LIMIT_S: Final = 120.0
PAUSE_S: Final = 0.02


def measure() -> None:
    reason = missing()
    if reason is not None:
        print(f"not measured: {reason}")
        return
    with running_emulator() as emulator:
        environ = {"FIRESTORE_EMULATOR_HOST": emulator.host, "GOOGLE_PROJECT_ID": PROJECT}
        with serving(["service"], environ) as pid:
            asyncio.run(measure_crowd(pid))


async def measure_crowd(pid: int) -> None:
    await until_listening()
    idle = read_status(pid, "Threads")
    async with AsyncExitStack() as stack:
        health = stack.enter_context(Probing())
        cpu_s, started = read_cpu_s(pid), time.perf_counter()
        sockets = list(await asyncio.gather(*(connect(f"ws://{URL}/ws?uid=u{number}") for number in range(USERS))))
        connected_s, connected_cpu_s = time.perf_counter() - started, read_cpu_s(pid) - cpu_s
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"{USERS} users connect: {connected_s:.2f} s (3), {connected_cpu_s:.2f} s of the server's CPU")
        for socket in sockets:
            stack.push_async_callback(socket.close)
        try:
            async with asyncio.timeout(SYNC_LIMIT_S):
                await asyncio.gather(*(until_synced(socket) for socket in sockets))
                print(f"each has its notif.sync after {time.perf_counter() - started:.2f} s")
                await until_all_are_listened_for()
        except TimeoutError:
            print(f"after {SYNC_LIMIT_S:.0f} s not all are listened for: is the machine busy with something else?")
        else:
            print(f"listeners of all {USERS}: after {time.perf_counter() - started:.2f} s")
        slowest_ms, p99_ms = health.stop()
        threads, memory_kb = read_status(pid, "Threads"), read_status(pid, "VmRSS")
    print(f"{threads} threads (20; {idle} before), memory {memory_kb / 1024:.0f} MB")
    print(f"/healthz meanwhile: p99 {p99_ms:.0f} ms, at most {slowest_ms:.0f} ms")


async def until_listening() -> None:
    """Firestore's side is imported beside the start-up."""
    async with httpx.AsyncClient(base_url=f"http://{URL}", timeout=60) as client:

        async def is_connected() -> bool:
            return bool((await client.get("/debug")).json()["firestore"]["status"] == "ok")

        await eventually(is_connected, deadline_s=SYNC_LIMIT_S)


async def until_synced(socket: ClientConnection) -> None:
    while json.loads(await socket.recv())["type"] != "notif.sync":
        pass


async def until_all_are_listened_for() -> None:
    async with httpx.AsyncClient(base_url=f"http://{URL}", timeout=60) as client:

        async def are_all() -> bool:
            return bool((await client.get("/healthz")).json()["listeners_count"] == USERS)

        await eventually(are_all, deadline_s=SYNC_LIMIT_S)


class Probing:
    """Asks /healthz over and over in another process, for the time of the block or until `stop`."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._is_over = context.Event()
        self._took: SimpleQueue[list[float]] = context.SimpleQueue()
        self._process = context.Process(target=_probe, args=(self._is_over, self._took), daemon=True)

    def __enter__(self) -> "Probing":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._process.join()

    def stop(self) -> tuple[float, float]:
        """The slowest answer and the 99th percentile, in ms."""
        self._is_over.set()
        took = sorted(self._took.get())
        return took[-1], took[int(len(took) * 0.99)]


def _probe(is_over: Event, answer: "SimpleQueue[list[float]]") -> None:
    took: list[float] = []
    with httpx.Client(base_url=f"http://{URL}", timeout=60) as client:
        while not took or not is_over.is_set():
            started = time.perf_counter()
            client.get("/healthz")
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(PAUSE_S)
    answer.put(took)
