"""Measures how much later than by a bare OpenAI client an answer begins: `python -m benchmarks.service llm`.

Rows, in one run on one embedded Valkey and one server that speaks OpenAI's protocol: the bare client, asked and read in
this process; then `LLM.start_conversation`, from the call to the first piece of text on the user's Redis channel, by
way of API, broker, worker and event. Each ask waits for the one before. The server answers at once, so that what is
measured is ours alone; a model takes hundreds of milliseconds to its first word. CPU time is that of a whole turn, in
API and worker: the figure to trust where others use the machine too.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from openai import AsyncOpenAI

from benchmarks.serving import API_PORT, VALKEY_PORT, read_cpu_s, serving
from service.settings import ValkeySettings
from service.store.client import Valkey, connect
from tests.openai_server.server import API_KEY, openai_beside

TURNS: Final = 200
FIRST: Final = 20
WORKER_S: Final = 60.0
PROMPT: Final = "How much is due, and when?"


def measure() -> None:
    with openai_beside() as server:
        environ = {
            "UNIFIED_REGISTRY_ENABLED": "true",
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": API_KEY,
        }
        with serving(["service"], environ) as api_pid, _worker(environ) as worker_pid:
            bare, ours, cpu_s = asyncio.run(_measure(server.base_url, (api_pid, worker_pid)))
    print(f"first text of an answer, one ask at a time, {TURNS} asks")
    print(f"{'':34}{'p50 ms':>10}{'p99 ms':>10}")
    for name, took_ms in (("bare OpenAI client", bare), ("LLM.start_conversation to event", ours)):
        points = statistics.quantiles(took_ms, n=100)
        print(f"{name:34}{points[49]:10.1f}{points[98]:10.1f}")
    added_ms = statistics.median(ours) - statistics.median(bare)
    print(f"added at the median: {added_ms:.1f} ms")
    print(f"CPU time of a turn: API {cpu_s[0] / TURNS * 1000:.1f} ms, worker {cpu_s[1] / TURNS * 1000:.1f} ms")


@contextmanager
def _worker(environ: dict[str, str]) -> Iterator[int]:
    own = {
        "CONTAINER_TYPE": "worker",
        "CELERY_QUEUES": "llm",
        "CELERY_CONCURRENCY": "1",
        "LISTENERS_REDIS_PORT": str(VALKEY_PORT),
        "FLAG_FILE": "/nonexistent",
        "WORKER_METRICS_PORT": "0",
        "WORKER_HEARTBEAT_FILE": os.devnull,
        **environ,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "service"], env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


async def _measure(base_url: str, pids: tuple[int, ...]) -> tuple[list[float], list[float], list[float]]:
    """Times to the first text in ms, by the bare client and by us, and the CPU time that each of `pids` took.

    In turns: what others do here hits both.
    """
    settings = ValkeySettings("127.0.0.1", VALKEY_PORT, 0, tls=False, tls_verify=False, password=None)
    valkey = connect(settings)
    bare: list[float] = []
    ours: list[float] = []
    async with (
        AsyncOpenAI(api_key=API_KEY, base_url=base_url) as openai,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{API_PORT}", timeout=WORKER_S) as http,
    ):
        user = _User(valkey, http)
        await user.subscribe()
        # The first waits for the worker's start.
        await user.ask()
        before: list[float] = []
        for turn in range(TURNS + FIRST):
            if turn == FIRST:
                before = [_read_cpu_s(pid) for pid in pids]
            bare.append(await _ask_bare(openai))
            ours.append(await user.ask())
        cpu_s = [_read_cpu_s(pid) - start_s for pid, start_s in zip(pids, before, strict=True)]
        await user.close()
    await valkey.aclose()
    return bare[FIRST:], ours[FIRST:], cpu_s


def _read_cpu_s(pid: int) -> float:
    """Of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return read_cpu_s(pid) + sum(read_cpu_s(int(child)) for child in children)


async def _ask_bare(openai: AsyncOpenAI) -> float:
    started = time.perf_counter()
    messages: Any = [{"role": "user", "content": PROMPT}]
    first_ms = 0.0
    async with await openai.chat.completions.create(model="gpt-4", messages=messages, stream=True) as stream:
        async for chunk in stream:
            if not first_ms and chunk.choices and chunk.choices[0].delta.content:
                first_ms = (time.perf_counter() - started) * 1000
    return first_ms


class _User:
    """Starts conversations by RPC, and hears of them on Redis."""

    def __init__(self, valkey: Valkey, http: httpx.AsyncClient) -> None:
        self._channel = valkey.pubsub(ignore_subscribe_messages=True)
        self._http = http
        self._asked = 0

    async def subscribe(self) -> None:
        await self._channel.subscribe("user:u1")

    async def ask(self) -> float:
        """Time to the first text, in ms; returns once the answer is whole."""
        self._asked += 1
        call = {
            "api_version": "v1",
            "method": "LLM.start_conversation",
            "args": ["u1", "acme", PROMPT],
            "idempotency_key": f"ask-{self._asked}",
        }
        first_ms = 0.0
        started = time.perf_counter()
        answer = (await self._http.post("/rpc", json=call)).json()
        assert answer["data"]["success"], answer
        async with asyncio.timeout(WORKER_S), aclosing(self._events()) as events:
            async for event in events:
                if not first_ms and "delta" in event["payload"].get("data", {}):
                    first_ms = (time.perf_counter() - started) * 1000
                if event["type"] == "llm.conversation_complete":
                    break
        return first_ms

    async def _events(self) -> Any:
        while True:
            message = await self._channel.get_message(timeout=1.0)
            if message is not None:
                yield json.loads(message["data"])

    async def close(self) -> None:
        await self._channel.aclose()  # type: ignore[no-untyped-call]
