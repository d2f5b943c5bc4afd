"""Publishes what the listeners found: in order per user, again while Valkey is away, never while the lease is in doubt.

What tells a whole state is built when it is sent, and stands in the queue once: the newest state is what counts.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import structlog
from redis.exceptions import RedisError

from service.domain.events import Event
from service.store.client import VALKEY_FAULTS, end_tasks

log = structlog.get_logger("listeners")

SHARDS: Final = 8
PAUSE_S: Final = 0.2
# Changes that wait while Valkey is away; beyond it the oldest are dropped, and states are sent anyway.
MAX_WAITING: Final = 20_000

Build = Callable[[], list[Event]]


class Publisher(Protocol):
    """What publishes one event."""

    async def publish(self, event: Event) -> str: ...


class Outbox:
    """`is_confirmed`: whether this process surely holds what it listens for."""

    def __init__(self, publisher: Publisher, is_confirmed: Callable[[], bool], *, is_debug: bool = False) -> None:
        self._publisher = publisher
        self._is_confirmed = is_confirmed
        self._is_debug = is_debug
        self._shards = [_Shard() for _ in range(SHARDS)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._run(shard), name="listeners-outbox") for shard in self._shards]

    async def stop(self) -> None:
        await end_tasks(*self._tasks)

    def put(self, uid: str, build: Build, *, state: str | None = None) -> None:
        """Queues events. `state`: the name of the state that `build` tells; it waits in the queue once a user."""
        self._shards[hash(uid) % SHARDS].put(build, None if state is None else (uid, state))

    async def publish(self, event: Event) -> None:
        """Returns once the event is published, however long Valkey is away."""
        while True:
            if self._is_confirmed():
                try:
                    await self._publisher.publish(event)
                except (*VALKEY_FAULTS, RedisError) as fault:
                    log.warning("listener_event_waits", type=event.type, error=repr(fault))
                else:
                    if self._is_debug:
                        log.info("listener_event", type=event.type, user_id=event.uid, job_id=event.job_id)
                    return
            await asyncio.sleep(PAUSE_S)

    async def _run(self, shard: "_Shard") -> None:
        while True:
            build = await shard.take()
            try:
                for event in build():
                    await self.publish(event)
            except Exception:
                # The edge of the loop: the next user's events must not wait for ever behind this one.
                log.exception("listener_event_failed")


class _Shard:
    """Some users' events, in order."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Build, tuple[str, str] | None]] = deque()
        self._states: set[tuple[str, str]] = set()
        self._is_filled = asyncio.Event()

    def put(self, build: Build, state: tuple[str, str] | None) -> None:
        if state is not None:
            if state in self._states:
                return
            self._states.add(state)
        self._waiting.append((build, state))
        self._is_filled.set()
        if len(self._waiting) > MAX_WAITING:
            _, dropped = self._waiting.popleft()
            log.error("listener_event_dropped", waiting=MAX_WAITING)
            if dropped is not None:
                self._states.discard(dropped)

    async def take(self) -> Build:
        while not self._waiting:
            self._is_filled.clear()
            await self._is_filled.wait()
        build, state = self._waiting.popleft()
        if state is not None:
            self._states.discard(state)
        return build
