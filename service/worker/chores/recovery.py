"""recovery: finds tasks that nobody works at and nobody will: their worker died, or the broker lost their message.

Each is queued again, or ended where trying again would not help; and an end that was not told is told. All of it holds
when two of these run at once, or one comes late: what was decided is compared again where it is written.
"""

import asyncio
from collections import Counter
from typing import Final

import structlog
from structlog.contextvars import bound_contextvars

from contract.metrics import LOST_WORKER
from service.domain.errors import DependencyUnavailable
from service.domain.recovery import choose_action, next_look_ms
from service.domain.tasks import TaskEntry, log_fields
from service.store.recovery import Look
from service.store.routes import read_routes
from service.store.task_counts import count
from service.store.tasks import Fence
from service.tasks.declaring import TASKS, route_of
from service.tasks.ending import end_run, ending_of_lost, ending_of_stuck, tell_late
from service.tasks.services import Services
from service.worker.chore import chore

log = structlog.get_logger("pinnokio.maintenance")

# A worker that could not renew while Valkey was away does so within a second of its return: it is given three.
SECOND_LOOK_S: Final = 3.0


@chore("recovery", every_s=10)
async def recover(services: Services) -> None:
    now_ms = await services.recovery.read_now_ms()
    done: Counter[str] = Counter()
    recovery = Recovery(services, now_ms)
    async for looks in services.recovery.read_due(now_ms):
        done += await recovery.look_at(looks)
    if done.keys() - {"forget", "wait", "find_message"}:
        log.warning("recovery_done", **done)


class Recovery:
    """One look at all that is due."""

    def __init__(self, services: Services, now_ms: int) -> None:
        self._services = services
        self._now_ms = now_ms
        self._routes: dict[str, str] | None = None
        self._messages: dict[str, frozenset[str] | None] = {}
        self._has_waited = False

    async def look_at(self, looks: list[Look]) -> Counter[str]:
        """How often what was done."""
        done: Counter[str] = Counter()
        forgotten: list[Look] = []
        until_ms: dict[str, int] = {}
        for look in looks:
            action = choose_action(look.entry, self._now_ms)
            done[action] += 1
            if look.entry is None or action == "forget":
                forgotten.append(look)
                continue
            until_ms[look.task_id] = next_look_ms(look.entry, self._now_ms)
            with bound_contextvars(**log_fields(look.entry)):
                try:
                    await self._act(action, look.entry)
                except DependencyUnavailable as fault:
                    # The next round looks at it again.
                    del until_ms[look.task_id]
                    log.error("task_not_recovered", error=repr(fault))
        await self._services.recovery.put_off(until_ms)
        await self._services.quotas.release(*(look.entry for look in forgotten if look.entry is not None))
        await self._services.recovery.drop(forgotten)
        return done

    async def _act(self, action: str, entry: TaskEntry) -> None:
        fence = Fence(entry.task_id, entry.run, entry.attempt)
        match action:
            case "tell":
                # Whoever has just ended it tells of it within a moment.
                await self._wait_for_late_renewals()
                now = await self._services.tasks.read(entry.task_id)
                if now is not None and now.run == entry.run:
                    await tell_late(self._services, now, fence)
            case "find_message":
                await self._find_message(entry)
            case "take_back":
                await self._take_back(entry)
            case "give_up":
                await self._wait_for_late_renewals()
                if await self._is_unchanged(entry):
                    await end_run(self._services, entry, fence, ending_of_stuck(entry))

    async def _take_back(self, entry: TaskEntry) -> None:
        await self._wait_for_late_renewals()
        lost = await self._services.recovery.take_back(entry)
        log.warning("task_worker_lost", attempt=entry.attempt, outcome=lost.outcome)
        if lost.outcome == "queued":
            await self._publish(entry)
        elif lost.outcome != "none" and (now := await self._services.tasks.read(entry.task_id)) is not None:
            ending = ending_of_lost(now, is_cancelled=lost.outcome == "cancelled")
            await end_run(self._services, now, lost.fence, ending)
        if lost.is_new and entry.task_type in TASKS:
            await count(self._services.valkey, entry.task_type, LOST_WORKER)

    async def _wait_for_late_renewals(self) -> None:
        if not self._has_waited:
            self._has_waited = True
            await asyncio.sleep(SECOND_LOOK_S)

    async def _is_unchanged(self, entry: TaskEntry) -> bool:
        now = await self._services.tasks.read(entry.task_id)
        return now is not None and (now.run, now.lease_until_ms) == (entry.run, entry.lease_until_ms)

    async def _find_message(self, entry: TaskEntry) -> None:
        """A message in no queue is lost, or in the hands of a worker that is just taking it up: a second one is
        harmless."""
        for queue in {entry.queue, await self._queue_of(entry)}:
            if queue not in self._messages:
                self._messages[queue] = await self._services.recovery.read_messages(queue)
            messages = self._messages[queue]
            if messages is None or (entry.celery_task_id or "") in messages:
                return
        log.warning("task_message_lost", queue=entry.queue)
        await self._publish(entry)

    async def _publish(self, entry: TaskEntry) -> None:
        """Before all that wait: it has waited its turn already."""
        queue = self._services.queue
        push = queue.build_push(
            entry.task_type,
            await self._queue_of(entry),
            task_id=entry.task_id,
            run=entry.run,
            celery_task_id=entry.celery_task_id or "",
            trace_id=entry.trace_id,
            is_next=True,
        )
        await queue.send(push)

    async def _queue_of(self, entry: TaskEntry) -> str:
        if self._routes is None:
            self._routes = self._services.settings.task_routes | await read_routes(self._services.valkey)
        return route_of(entry.task_type, self._routes)
