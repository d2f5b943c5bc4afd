"""Cancels a task: a queued one at once, its message having no effect later; a running one through its worker.

A worker hears of it when it renews its lease, and ends the run itself, so that no event follows its last one. What
somebody else runs ends in the registry at once; its runner hears of it by the answer to its next report.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from service.domain.tasks import CANCELLED, TaskEntry
from service.tasks.ending import tell_late
from service.tasks.services import Services

log = structlog.get_logger("pinnokio.tasks")

# A worker hears of it within 0.8 s and ends the run; a handler that computes where no signal reaches it takes longer.
CONFIRMATION_S: Final = 3.0
_LOOK_EVERY_S: Final = 0.1


class TaskCanceller:
    """Cancels tasks of any type."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def cancel(self, task_id: str, user_id: str | None) -> dict[str, Any]:
        """`{success: true, task_id, status}`, or `{success: false, error, …}` for an unknown or an ended task.

        `status`: `cancelled`, or `processing` where the worker was told and has not stopped yet. `user_id` None:
        whosever task it is; else another user's is unknown.
        """
        cancelling = await self._services.tasks.cancel(task_id, user_id, datetime.now(UTC).isoformat())
        entry = None if cancelling.outcome == "unknown" else await self._services.tasks.read(task_id)
        if entry is None:
            return _refusal(task_id, f"unknown task {task_id}")
        if cancelling.outcome == "ended":
            return _refusal(task_id, f"the task has ended already: {entry.status}", status=entry.status)
        log.info("task_cancelled", task_id=task_id, user_id=entry.user_id, outcome=cancelling.outcome)
        if cancelling.outcome == "cancelled":
            await tell_late(self._services, entry, cancelling.fence)
            await self._services.quotas.take_back(entry)
            return _success(task_id, CANCELLED)
        return await self._confirm(entry)

    async def _confirm(self, entry: TaskEntry) -> dict[str, Any]:
        """Waits a little for the worker; a run that completed first has not been cancelled."""
        until = asyncio.get_running_loop().time() + CONFIRMATION_S
        now: TaskEntry | None = entry
        while now is not None and not now.is_ended and now.run == entry.run:
            if asyncio.get_running_loop().time() > until:
                return _success(entry.task_id, now.status)
            await asyncio.sleep(_LOOK_EVERY_S)
            now = await self._services.tasks.read(entry.task_id)
        if now is None or now.run != entry.run or now.status == CANCELLED:
            return _success(entry.task_id, CANCELLED)
        return _refusal(entry.task_id, f"the task has ended already: {now.status}", status=now.status)


def _success(task_id: str, status: str) -> dict[str, Any]:
    return {"success": True, "task_id": task_id, "status": status}


def _refusal(task_id: str, error: str, **more: str) -> dict[str, Any]:
    return {"success": False, "error": error, "task_id": task_id, **more}
