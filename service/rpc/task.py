"""Namespace TASK: starts tasks and tells how they stand. Its public methods are the RPC methods."""

from typing import Any

from contract.queues import DOCUMENT_ANALYSIS
from service.domain.ids import Id
from service.domain.tasks import FAILED, check_job_id
from service.rpc.starting import StartRequest, TaskStarter
from service.settings import Settings
from service.store.client import Valkey
from service.store.flag import FlagSource
from service.store.queue import TaskQueue
from service.store.tasks import TaskStore
from service.store.unified import UnifiedRegistry


class TaskNamespace:
    """The methods `TASK.*` of contract.md."""

    def __init__(
        self,
        tasks: TaskStore,
        queue: TaskQueue,
        unified: UnifiedRegistry,
        flag: FlagSource,
        *,
        valkey: Valkey,
        settings: Settings,
    ) -> None:
        self._tasks = tasks
        self._starter = TaskStarter(valkey, settings, tasks, queue, unified, flag)

    async def start_document_analysis(self, user_id: Id, document_data: dict[str, Any], job_id: str) -> dict[str, Any]:
        """Analyses a document: `{"content": text}` or `{"content_base64": …, "mime": …}`."""
        check_job_id(job_id)
        return await self._starter.start(
            StartRequest(
                task_type=DOCUMENT_ANALYSIS,
                task_id=f"doc_analysis_{job_id}",
                user_id=user_id,
                arguments={"document_data": document_data, "job_id": job_id},
                answer={"job_id": job_id},
            )
        )

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
        """A completed task's result, for 24 h after its end; null before, and for one that failed."""
        outcome = await self._tasks.read_outcome(task_id)
        if outcome is None:
            return _unknown(task_id)
        status = outcome.entry.status
        answer = {"success": True, "task_id": task_id, "status": status, "result": outcome.result}
        return answer | ({"error": outcome.entry.error} if status == FAILED else {})


def _unknown(task_id: str) -> dict[str, Any]:
    return {"success": False, "error": f"unknown task {task_id}"}
