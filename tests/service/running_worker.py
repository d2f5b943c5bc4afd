"""A real Celery worker in a process of its own, and a user who starts tasks and hears of them on Redis."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from service.rpc.dual_write import DualWrite
from service.rpc.starting import StartRequest, TaskStarter
from service.rpc.task import TaskNamespace
from service.rpc.user_companies import UserCompanies
from service.settings import Settings
from service.store.client import Valkey, connect
from service.store.flag import FlagSource
from service.store.lane import Command, Lane
from service.tasks.declaring import load_task_types
from service.tasks.services import Gateways, Services
from tests.service.valkey_server import RunningValkey, settings_for

READY_S = 60.0
EVENT_S = 30.0
ROOT = Path(__file__).parents[2]


def children_of(pid: int) -> list[int]:
    """The processes that a process has now; none: it is gone."""
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Worker:
    """One worker process; its JSON lines are in `log`."""

    def __init__(self, valkey: RunningValkey, folder: Path, module: str, environ: Mapping[str, str]) -> None:
        self.log = folder / "worker.log"
        self.heartbeat = folder / "heartbeat"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", module],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONFAULTHANDLER": "1",
                    "LISTENERS_REDIS_HOST": "127.0.0.1",
                    "LISTENERS_REDIS_PORT": str(valkey.port),
                    "CELERY_CONCURRENCY": "1",
                    # Several workers on one machine: a test that looks asks for a port of its own.
                    "WORKER_METRICS_PORT": "0",
                    "CELERY_QUEUES": "default,computation,maintenance",
                    "WORKER_HEARTBEAT_FILE": str(self.heartbeat),
                    "BEAT_SCHEDULE_FILE": str(folder / "schedule"),
                    **environ,
                },
            )

    def lines(self) -> list[dict[str, Any]]:
        """What it logged, without what is no JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def logged(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """Its lines whose event holds `event` and whose fields are `fields`."""
        return [line for line in self.lines() if event in line["event"] and fields.items() <= line.items()]

    def wait_for(self, event: str) -> None:
        until = time.monotonic() + READY_S
        while not self.logged(event):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"no {event!r} from the worker:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Lets it end as Kubernetes does; the answer is its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(READY_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker does not end:\n{self._say_where_it_stands()}") from None
        finally:
            self.process.kill()
            self.process.wait()

    def _say_where_it_stands(self) -> str:
        """The stacks of all its threads, its children's first, for it may wait for them; and its last words."""
        for child in children_of(self.process.pid):
            os.kill(child, signal.SIGABRT)
        self.process.send_signal(signal.SIGABRT)
        self.process.wait(READY_S)
        return self.log.read_text(errors="replace")[-8000:]


@contextmanager
def running_worker(valkey: RunningValkey, folder: Path, **environ: str) -> Iterator[Worker]:
    """A worker that is ready, with the test's own task types."""
    worker = Worker(valkey, folder, "tests.service.task_types", environ)
    try:
        worker.wait_for(" ready.")
        yield worker
    finally:
        worker.stop()


@contextmanager
def running_beat(valkey: RunningValkey, folder: Path, **environ: str) -> Iterator[Worker]:
    """Beat, which has begun to look at its schedule."""
    beat = Worker(valkey, folder, "service", {"CONTAINER_TYPE": "beat", **environ})
    try:
        beat.wait_for("beat: Starting")
        yield beat
    finally:
        beat.stop()


class User:
    """Starts tasks, and hears the events on the contract's channel."""

    def __init__(self, user_id: str, valkey: Valkey, settings: Settings) -> None:
        self.user_id = user_id
        self.valkey = valkey
        self.settings = settings
        self.lane = Lane(settings.valkey)
        self.gateways = Gateways.open(settings)
        self.flag = FlagSource(valkey, settings)
        self.services = Services.over(settings, valkey, self.lane, self.gateways)
        self.queue, self.tasks = self.services.queue, self.services.tasks
        load_task_types()
        unified = self.services.unified
        dual = DualWrite(self.flag, unified, UserCompanies(unified))
        self.starter = TaskStarter(self.services, self.flag, dual)
        self.rpc = TaskNamespace(self.services, self.starter)
        self.channel = valkey.pubsub(ignore_subscribe_messages=True)

    async def start(self, task_type: str, task_id: str, user_id: str | None = None, **arguments: Any) -> dict[str, Any]:
        return await self.starter.start(
            StartRequest(task_type, task_id, user_id or self.user_id, arguments, {"job_id": task_id})
        )

    async def next_event(self, timeout_s: float = EVENT_S) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.channel.get_message(timeout=1.0)
                if message is not None:
                    event: dict[str, Any] = json.loads(message["data"])
                    return event

    async def events_until_end(self, task_id: str, timeout_s: float = EVENT_S) -> list[dict[str, Any]]:
        """Events of one task, its last one included."""
        events = []
        while True:
            event = await self.next_event(timeout_s)
            if event["payload"].get("task_id") == task_id:
                events.append(event)
                if event["payload"]["status"] in ("completed", "failed", "cancelled"):
                    return events

    async def close(self) -> None:
        await self.channel.aclose()  # type: ignore[no-untyped-call]
        await self.gateways.close()
        await self.lane.close()


def build_refused_push(*_: Any, **__: Any) -> Command:
    """In place of `TaskQueue.build_push`: Valkey takes all that belongs to a start, and refuses its message."""
    return "EVAL", "return redis.error_reply('OOM no room for a message')", 0


@asynccontextmanager
async def listening_user(user_id: str, server: RunningValkey, **environ: str) -> AsyncIterator[User]:
    """A user for whom the unified registry is on, unless `environ` says otherwise."""
    settings = settings_for(server.settings, **{"UNIFIED_REGISTRY_ENABLED": "true", **environ})
    valkey = connect(settings.valkey)
    user = User(user_id, valkey, settings)
    await user.channel.subscribe(f"{settings.channel_prefix}{user_id}")
    try:
        yield user
    finally:
        await user.close()
        await valkey.aclose()
