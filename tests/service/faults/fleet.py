"""A fleet as production has it: workers, maintenance and beat, each a process of its own, and a crowd of tasks on it.

Owns starting them and the one question that each fault ends in: has every task ended, once, truly, and been told of.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from contract import keys
from service.domain import unified
from service.domain.tasks import COMPLETED, ENDED, TaskEntry
from service.store.tasks import parse_fields
from service.tasks.services import Services
from service.worker.chores.recovery import recover
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

# What the issue allows: from the end of a fault, beside the tasks' own time.
MINUTE_S: Final = 60.0
USERS: Final = 10
# Above what any case starts: the quota itself is other tests' matter, that it is given back is these'.
QUOTA: Final = 1_000


@contextmanager
def beating(valkey: RunningValkey, folder: Path) -> Iterator[Worker]:
    """Beat, which has maintenance look for lost tasks each ten seconds."""
    beat = Worker(valkey, folder, "service", {"CONTAINER_TYPE": "beat"})
    try:
        yield beat
    finally:
        beat.stop()


@contextmanager
def running_fleet(valkey: RunningValkey, folder: Path, **environ: str) -> Iterator[list[Worker]]:
    """Workers of queue `default`, one of `maintenance`, and beat; the answer is the former. `environ`: theirs."""
    with ExitStack() as stack:
        for name in ("beat", "maintenance", "worker0", "worker1"):
            (folder / name).mkdir()
        stack.enter_context(running_worker(valkey, folder / "maintenance", CELERY_QUEUES="maintenance", POD_NAME="m"))
        stack.enter_context(beating(valkey, folder / "beat"))
        own = {"CELERY_QUEUES": "default", "CELERY_CONCURRENCY": "2", **environ}
        yield [
            stack.enter_context(running_worker(valkey, folder / f"worker{number}", **own, POD_NAME=f"w{number}"))
            for number in range(2)
        ]


@dataclass
class Crowd:
    """Tasks of `USERS` users, and what became of them."""

    user: User
    task_ids: list[str] = field(default_factory=list)
    celery_task_ids: set[str] = field(default_factory=set)

    async def start(self, task_type: str, count: int, **arguments: Any) -> None:
        """Starts `count` tasks, t0, t1, …; each must be queued, or be so already."""
        for number in range(count):
            answer = await self.user.start(task_type, f"t{number}", user_of(number), number=number, **arguments)
            assert answer["success"], answer
            self.celery_task_ids.add(answer["celery_task_id"])
        self.task_ids = [f"t{number}" for number in range(count)]

    async def entries(self) -> list[TaskEntry]:
        pipeline = self.user.valkey.pipeline(transaction=False)
        for task_id in self.task_ids:
            pipeline.hgetall(keys.task(task_id))
        parsed = [
            parse_fields(task_id, fields)
            for task_id, fields in zip(self.task_ids, await pipeline.execute(), strict=True)
        ]
        return [entry for entry in parsed if entry is not None]

    async def count(self, *statuses: str) -> int:
        """How many tasks are in one of these."""
        return sum(entry.status in statuses for entry in await self.entries())

    async def until_ended(self, within_s: float) -> float:
        """Waits for every task's end; how long that took (s)."""
        started = time.monotonic()
        await eventually(self._have_all_ended, deadline_s=within_s)
        return time.monotonic() - started

    async def assert_well(self, status: str = COMPLETED) -> None:
        """Every task ended with `status`, once, with its own result, was told of, and left nothing behind."""
        entries = await self.entries()
        assert Counter(entry.status for entry in entries) == {status: len(self.task_ids)}
        # The event follows the status at once; a worker that died between them, within maintenance's next looks.
        await eventually(self._are_all_told, deadline_s=MINUTE_S)
        told = await self._told()
        assert {task_id: told[task_id] for task_id in self.task_ids} == {
            task_id: Counter({status: 1}) for task_id in self.task_ids
        }
        for number, entry in enumerate(entries):
            outcome = await self.user.tasks.read_outcome(entry.task_id)
            assert outcome is not None
            assert outcome.result == ({"echo": number} if status == COMPLETED else None)
        await eventually(self._is_tidy, deadline_s=MINUTE_S)

    async def _have_all_ended(self) -> bool:
        return await self.count(*ENDED) == len(self.task_ids)

    async def _are_all_told(self) -> bool:
        return all(entry.is_announced for entry in await self.entries())

    async def _told(self) -> dict[str, Counter[str]]:
        """How often which end of a task was published."""
        told: dict[str, Counter[str]] = {task_id: Counter() for task_id in self.task_ids}
        for number in range(USERS):
            events: Any = await self.user.valkey.xrange(keys.events(user_of(number)))
            for _, fields in events:
                payload = msgspec.json.decode(fields[b"e"])["payload"]
                if payload["status"] in ENDED:
                    told[payload["task_id"]][payload["status"]] += 1
        return told

    async def _is_tidy(self) -> bool:
        """No quota is held, no arguments are kept, nobody is shown as at work."""
        valkey = self.user.valkey
        for number in range(USERS):
            document = await self.user.services.unified.read_user(user_of(number))
            active = document["services"]["tasks"]["active_tasks"] if document else []
            if active or await valkey.hlen(keys.task_quota("default", user_of(number))):
                return False
        return not await valkey.exists(*(keys.task_payload(task_id) for task_id in self.task_ids))


@asynccontextmanager
async def crowd_on(valkey: RunningValkey) -> AsyncIterator[Crowd]:
    async with listening_user("u0", valkey) as user:
        await user.valkey.hset(keys.company("default"), f"{unified.QUOTA}max_tasks_per_user", QUOTA)
        yield Crowd(user)


@asynccontextmanager
async def recovering(user: User) -> AsyncIterator[None]:
    """The chore, over and over, with every task due at once: what beat's ten seconds and a look's thirty would be."""
    services = Services.open(user.settings)
    is_over = asyncio.Event()

    async def look() -> None:
        while not is_over.is_set():
            open_tasks: Any = await user.valkey.zrange(keys.OPEN_TASKS, 0, -1)
            for task_id in open_tasks:
                await user.valkey.zadd(keys.OPEN_TASKS, {task_id: 1}, xx=True)
            await recover(services)
            await asyncio.sleep(0.5)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        is_over.set()
        await looking
        await services.close()


def user_of(number: int) -> str:
    """Whose task a number is."""
    return f"u{number % USERS}"
