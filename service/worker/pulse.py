"""The parent process's signs of life: a file for the kubelet's probes, and a heartbeat in Valkey for scaling.

A thread of its own, so that a stuck event loop is seen: the loop ticks a clock, the thread looks at it. Broker outages
do not age the file, for a worker that reconnects is well; a loop that stopped turning does.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import redis
import structlog

from contract import keys
from contract.queues import task_type_named
from service.settings import Settings
from service.tasks.services import worker_name
from service.worker.forking import no_fork_meanwhile
from service.worker.plain_client import connect_plainly

log = structlog.get_logger("pinnokio.worker")

BEAT_S: Final = 2.0
# Of more tasks at a time the heartbeat names the oldest.
RUNNING_TOLD: Final = 16
# The loop ticks each BEAT_S; a message that is decoded or a child that is forked takes far less than this.
STUCK_AFTER_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class RunningTask:
    """`name`: Celery's; `task_id` None: a chore's; `since`: seconds since 1970."""

    name: str
    queue: str
    task_id: str | None
    since: float


@dataclass(frozen=True, slots=True)
class Load:
    """How busy a worker is: tasks that run, how many could at once, and how many did since the last beat, at most."""

    active: int
    slots: int
    peak: int = 0
    running: Sequence[RunningTask] = ()


class Peak:
    """The most tasks that ran at once since it was asked last: short ones come and go between two beats."""

    def __init__(self) -> None:
        self._most = 0

    def note(self, active: int) -> None:
        self._most = max(self._most, active)

    def take(self, active: int) -> int:
        """`active`: tasks that run now; they count for the time that begins as well."""
        most, self._most = max(self._most, active), active
        return most


def is_alive(now: float, last_tick: float, *, is_connecting: bool, is_stopping: bool) -> bool:
    """Whether the worker is well. Cases in order: it waits for the broker → yes; it lets its tasks end → yes; else its
    loop must have turned lately. Example: last tick 25 s ago while connected → no.
    """
    return is_connecting or is_stopping or now - last_tick < STUCK_AFTER_S


def touch(file: str) -> None:
    """Renews the file whose age the probes look at."""
    Path(file).touch()


class Pulse:
    """Runs until `stop`. `tick` belongs into the event loop's timer."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Load],
        is_connecting: Callable[[], bool],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._name = worker_name(settings)
        self._load = load
        self._is_connecting = is_connecting
        self._is_stopping = is_stopping
        self._last_tick = time.monotonic()
        self._since = round(time.time(), 3)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._is_heard = True

    def start(self) -> None:
        self._thread.start()

    def tick(self) -> None:
        """The event loop turns."""
        self._last_tick = time.monotonic()

    def stop(self) -> None:
        """Ends the thread and takes this worker out of the heartbeats."""
        if self._thread.is_alive():
            self._stopped.set()
            self._thread.join()

    def _run(self) -> None:
        with connect_plainly(self._settings) as valkey:
            while not self._stopped.is_set():
                try:
                    self._beat(valkey)
                except Exception:
                    # The edge of the thread: a pool that is just being closed must not end the signs of life.
                    log.exception("worker_pulse_failed")
                self._stopped.wait(BEAT_S)
            with contextlib.suppress(redis.RedisError, OSError), no_fork_meanwhile():
                for queue in self._settings.celery_queues:
                    valkey.hdel(keys.worker_heartbeats(queue), self._name)

    def _beat(self, valkey: redis.Redis) -> None:
        is_connecting = self._is_connecting()
        if is_connecting:
            # Whoever gets its connection back has STUCK_AFTER_S to turn its loop again.
            self.tick()
        if is_alive(time.monotonic(), self._last_tick, is_connecting=is_connecting, is_stopping=self._is_stopping()):
            touch(self._settings.heartbeat_file)
        try:
            load = self._load()
            with no_fork_meanwhile():
                self._tell(valkey, load)
        except (redis.RedisError, OSError) as fault:
            if self._is_heard:
                log.warning("worker_heartbeat_not_written", error=repr(fault))
            self._is_heard = False
        else:
            self._is_heard = True
            log.debug("worker_heartbeat", active=load.active, slots=load.slots)

    def _tell(self, valkey: redis.Redis, load: Load) -> None:
        # The oldest first: those are the ones that somebody looks for.
        running = sorted(load.running, key=lambda task: task.since)[:RUNNING_TOLD]
        said = {
            "active": load.active,
            "peak": load.peak,
            "slots": load.slots,
            "seen_at": round(time.time(), 3),
            "since": self._since,
            "running": [[task_type_named(task.name), task.task_id, round(task.since, 3)] for task in running],
        }
        beat = msgspec.json.encode(said)
        pipeline = valkey.pipeline(transaction=False)
        for queue in self._settings.celery_queues:
            pipeline.hset(keys.worker_heartbeats(queue), self._name, beat)
            pipeline.expire(keys.worker_heartbeats(queue), keys.DAY_S)
        pipeline.execute()
