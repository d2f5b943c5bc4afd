"""Namespace TASK: starts tasks and tells how they stand. Its public methods are the RPC methods."""

from typing import Any

import structlog

from service.domain.ids import Id
from service.domain.tasks import FAILED
from service.rpc.declared import DeclaredNamespace
from service.rpc.router import current_call
from service.rpc.starting import TaskStarter
from service.store.client import VALKEY_FAULTS
from service.tasks.cancelling import TaskCanceller
from service.tasks.services import Services

log = structlog.get_logger("pinnokio.tasks")

NOT_CANCELLED = "the task could not be cancelled: a server that this needs does not answer; try again"


class TaskNamespace(DeclaredNamespace):
    """The methods `TASK.*` of contract.md; each `start_…` is declared by its task type."""

    def __init__(self, services: Services, starter: TaskStarter) -> None:
        super().__init__("TASK", starter)
        self._tasks = services.tasks
        self._canceller = TaskCanceller(services)

    async def get_task_status(self, task_id: str) -> dict[str, Any]:
        """How a task stands."""
        entry = await self._tasks.read(task_id)
        if entry is None:
            return _unknown(task_id)
        answer = {
            "success": True,
            "task_id": task_id,
            "status": entry.status,
            "progress": entry.progress,
            "created_at": entry.created_at,
            "isolation": entry.isolation,
            "progress_percent": entry.progress_percent,
            "current_step": entry.current_step,
        }
        return answer | ({"error": entry.error} if entry.status == FAILED else {})

    async def get_task_result(self, task_id: str) -> dict[str, Any]:
        """A completed task's result, for 24 h after its end; null before, and for one that failed.

        A user whom the envelope names gets no other user's.
        """
        outcome = await self._tasks.read_outcome(task_id)
        call = current_call.get()
        asker = call.user_id if call else None
        if outcome is None or (asker and asker != outcome.entry.user_id):
            return _unknown(task_id)
        status = outcome.entry.status
        answer = {"success": True, "task_id": task_id, "status": status, "result": outcome.result}
        return answer | ({"error": outcome.entry.error} if status == FAILED else {})

    async def cancel_task(self, task_id: str, user_id: Id | None = None) -> dict[str, Any]:
        """Stops a task. One that runs stops within a second; `status` tells how it stood when this was answered.

        `user_id`, here or in the envelope: whose task it must be; another's is unknown. Without one, as for
        `get_task_status`, the id is enough.
        """
        call = current_call.get()
        asker = user_id or (call.user_id if call else None)
        try:
            return await self._canceller.cancel(task_id, asker)
        except VALKEY_FAULTS as fault:
            log.error("task_not_cancelled", task_id=task_id, error=repr(fault))
            return {"success": False, "error": NOT_CANCELLED, "task_id": task_id}


def _unknown(task_id: str) -> dict[str, Any]:
    return {"success": False, "error": f"unknown task {task_id}"}
