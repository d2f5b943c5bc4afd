"""Measures tasks against bare Celery on the same Valkey: `python -m benchmarks.service tasks`.

What bare means: `benchmarks.bare_celery`. Both sides take turns, so that a noisy machine is noisy for both, and each
figure is the median of its turns. CPU time a task is printed beside: it says what a machine with free cores would do.
Also: a document of twenty pages, and the memory of an idle worker.
"""

import asyncio
import io
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final, Protocol

import redis
from pypdf import PdfReader, PdfWriter

from benchmarks.bare_celery import QUEUE, make_bare_app
from benchmarks.serving import VALKEY_PORT, read_cpu_s
from contract import keys
from service.domain.documents import analysis_steps
from service.domain.unified import Registration
from service.logs import set_up_logs
from service.rpc.dual_write import DualWrite
from service.rpc.starting import StartRequest, TaskStarter
from service.rpc.user_companies import UserCompanies
from service.settings import Settings
from service.store.flag import FlagSource
from service.tasks.services import Services
from tests.documents.invoice import make_invoice
from tests.documents.pdf import build_pdf

TURNS: Final = 3
TASKS: Final = 1_000
STARTS: Final = 200
USERS: Final = 50
PAGES: Final = 20
COUNTED: Final = "ours, counted against the default quota"
ENVIRON: Final = {
    "LISTENERS_REDIS_PORT": str(VALKEY_PORT),
    "FLAG_FILE": "/nonexistent",
    "UNIFIED_REGISTRY_ENABLED": "true",
    "WORKER_METRICS_PORT": "0",
    "WORKER_HEARTBEAT_FILE": "/tmp/pinnokio-bench-heartbeat",
    "CELERY_QUEUES": "default",
    # As bare Celery's worker by itself: a line a task on both sides or on none.
    "LOG_LEVEL": "WARNING",
}


class Side(Protocol):
    """One of the two that are compared. `queue`, `unacked`: keys of what waits, of what was handed out."""

    name: str
    module: str
    queue: str
    unacked: str

    async def start(self, key: str | None = None) -> None:
        """Starts one no-op task, which tells its start under `key`."""


class Bare:
    name, module, queue, unacked = "bare", "benchmarks.bare_celery", QUEUE, keys.UNACKED

    def __init__(self) -> None:
        self._task: Any = make_bare_app().tasks["bare.noop"]

    async def start(self, key: str | None = None) -> None:
        self._task.apply_async((key,))


class Ours:
    module = "benchmarks.task_worker"
    queue, unacked = f"{keys.CELERY_PREFIX}default", f"{keys.CELERY_PREFIX}{keys.UNACKED}"

    def __init__(self, starter: TaskStarter, name: str, task_type: str) -> None:
        self.name = name
        self._starter = starter
        self._task_type = task_type
        self._count = 0

    async def start(self, key: str | None = None) -> None:
        self._count += 1
        request = StartRequest(self._task_type, uuid.uuid4().hex, f"u{self._count % USERS}", {"key": key}, {})
        answer = await self._starter.start(request)
        assert answer["success"], answer


def measure() -> None:
    set_up_logs("WARNING")
    asyncio.run(compare())
    measure_document()
    measure_memory()


async def compare() -> None:
    async with our_starter() as starter:
        ours = Ours(starter, "ours", "bench_noop")
        sides: tuple[Side, ...] = (Bare(), ours)
        turns: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
        for _ in range(TURNS):
            for side in sides:
                turns[side.name].append(await measure_throughput(side))
        start_ms = await measure_starts((*sides, Ours(starter, COUNTED, "bench_counted")))
    middle = {
        name: {figure: statistics.median(turn[figure] for turn in each) for figure in each[0]}
        for name, each in turns.items()
    }
    for name, figures in middle.items():
        print(name + ": " + ", ".join(f"{figure} {value:.2f}" for figure, value in figures.items()))
    bare, own = middle["bare"], middle["ours"]
    for name, each in start_ms.items():
        print(f"{name}: {statistics.median(each):.2f} ms from the call to the task's start")
    for name in ("ours", COUNTED):
        ratio = statistics.median(start_ms[name]) / statistics.median(start_ms["bare"])
        print(f"from the call to the task's start, {name} to bare: {ratio:.2f} (at most 1.1)")
    print(f"throughput of no-op tasks, ours to bare: {own['tasks_per_s'] / bare['tasks_per_s']:.2f} (at least 0.9)")


@asynccontextmanager
async def our_starter() -> AsyncIterator[TaskStarter]:
    from benchmarks import task_worker  # noqa: F401 - declares its types

    settings = Settings.from_env(ENVIRON)
    services = Services.open(settings)
    for number in range(USERS):
        await services.unified.register(Registration(f"u{number}", f"s{number}", "", datetime.now(UTC), "acme"))
    flag = FlagSource(services.valkey, settings)
    dual = DualWrite(flag, services.unified, UserCompanies(services.unified))
    try:
        yield TaskStarter(services, flag, dual)
    finally:
        await services.close()


async def measure_throughput(side: Side) -> dict[str, float]:
    """A full queue, which a worker then empties."""
    with redis.Redis(port=VALKEY_PORT) as valkey:
        for _ in range(TASKS):
            await side.start()
        with running(side.module) as parent:
            return await asyncio.to_thread(drain, valkey, side, parent)


async def measure_starts(sides: tuple[Side, ...]) -> dict[str, list[float]]:
    """Single tasks, one of each side after the other, while the workers are idle: all meet the same noise."""
    took: dict[str, list[float]] = {side.name: [] for side in sides}
    with ExitStack() as open_until, redis.Redis(port=VALKEY_PORT) as valkey:
        for module in sorted({side.module for side in sides}):
            open_until.enter_context(running(module))
        for number in range(STARTS + 1):
            for side in sides:
                ms = await time_start(valkey, side)
                # The first waits for its worker.
                if number:
                    took[side.name].append(ms)
    return took


def drain(valkey: redis.Redis, side: Side, parent: int) -> dict[str, float]:
    """Measured from the moment that the worker is warm."""
    while waiting(valkey, side) > TASKS * 0.9:
        time.sleep(0.002)
    first, began, pids = waiting(valkey, side), time.perf_counter(), [parent, *children_of(parent)]
    cpu_s = [read_cpu_s(pid) for pid in pids]
    while waiting(valkey, side) or valkey.hlen(side.unacked):
        time.sleep(0.002)
    seconds = time.perf_counter() - began
    spent_ms = [(read_cpu_s(pid) - before) * 1000 / first for pid, before in zip(pids, cpu_s, strict=True)]
    return {
        "tasks_per_s": first / seconds,
        "parent's CPU ms a task": spent_ms[0],
        "children's CPU ms a task": sum(spent_ms[1:]),
    }


def waiting(valkey: redis.Redis, side: Side) -> int:
    length: Any = valkey.llen(side.queue)
    return int(length)


async def time_start(valkey: redis.Redis, side: Side) -> float:
    """ms from before the call until the task's first line."""
    key = f"bench:{uuid.uuid4().hex}"
    called_at = time.time()
    await side.start(key)
    answer: Any = await asyncio.to_thread(valkey.blpop, [key], 60)
    await asyncio.sleep(0.01)
    return (float(answer[1]) - called_at) * 1000


def measure_document() -> None:
    """Each page is an invoice of its own: nothing of it was read before."""
    writer = PdfWriter()
    for number in range(PAGES):
        invoice = make_invoice("de", number)
        writer.add_page(PdfReader(io.BytesIO(build_pdf(invoice, "window"))).pages[0])
    file = io.BytesIO()
    writer.write(file)
    document = {"content_base64": b64encode(file.getvalue()).decode(), "mime": "application/pdf"}
    took = []
    for _ in range(TURNS):
        began = time.perf_counter()
        for _step in analysis_steps(document, "bench"):
            pass
        took.append(time.perf_counter() - began)
    print(f"a PDF of {PAGES} different pages analysed: {statistics.median(took):.2f} s (2)")


def measure_memory() -> None:
    """Pages that several processes share count once (PSS), as they do for a pod's limit.

    Packages that the image has not are hidden: libraries load some of them where they find them (openpyxl numpy).
    """
    every = {**ENVIRON, "CELERY_QUEUES": "default,computation,llm,maintenance"}
    # As the image sets it (Dockerfile).
    image = {"MALLOC_ARENA_MAX": "2"}
    for name, environ in (("of one queue, computation", ENVIRON | {"CELERY_QUEUES": "computation"}), ("of all", every)):
        environ |= {**image, "CONTAINER_TYPE": "worker"}
        with running("service", environ, hidden=find_packages_beside_image()) as parent:
            until = time.monotonic() + 60
            while len(children_of(parent)) < 4 and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(5)
            megabytes = sum(read_pss_mb(pid) for pid in (parent, *children_of(parent)))
        print(f"an idle worker {name}, 4 slots: {megabytes:.0f} MB (150)")


def find_packages_beside_image() -> list[str]:
    """Names to import of what is installed here and not in the image."""
    locked = set(re.findall(r"^([\w.-]+)==", Path("requirements.lock").read_text(), re.MULTILINE))
    return [
        name
        for name, distributions in packages_distributions().items()
        if locked.isdisjoint(re.sub(r"[-_.]+", "-", each).lower() for each in distributions)
        and name not in ("contract", "service")
    ]


@contextmanager
def running(module: str, environ: dict[str, str] = ENVIRON, hidden: Sequence[str] = ()) -> Iterator[int]:
    hide = f"import runpy, sys; sys.modules.update(dict.fromkeys({list(hidden)!r}))"
    run = f"sys.argv = [{module!r}]; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *(["-c", f"{hide}; {run}"] if hidden else ["-m", module])],
        env=os.environ | {"CELERY_CONCURRENCY": "4"} | environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def read_pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise KeyError("Pss")
