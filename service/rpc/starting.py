"""Starts a task: claims its id, keeps its arguments, enqueues its message; what fails on the way is undone.

The rules for a task id (contract.md, "Methods"): taken while its task is queued or running; the same user gets the
running one's ids back, another user a refusal that says nothing; an ended id runs anew.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from contract.queues import queue_of, task_type_of
from service.domain.errors import DependencyUnavailable
from service.domain.tasks import QUEUED, NewTask
from service.metrics import TASKS_STARTED
from service.rpc.dual_write import DualWrite
from service.settings import Settings
from service.store.client import VALKEY_FAULTS, Valkey
from service.store.flag import FlagSource
from service.store.payloads import PayloadStore
from service.store.queue import TaskQueue
from service.store.tasks import Claim, TaskStore
from service.store.unified import UnifiedRegistry

log = structlog.get_logger("pinnokio.tasks")

FLAG_OFF = "tasks are not available for this user: the unified registry is off"
TAKEN = "this id is in use"
UNAVAILABLE = "the task could not be queued: a server that it needs does not answer; try again"


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A task to start. `company_id` None: the user's current one. `answer` stands in every answer (`job_id`, …)."""

    task_type: str
    task_id: str
    user_id: str
    arguments: Mapping[str, Any]
    answer: Mapping[str, Any]
    company_id: str | None = None


class TaskStarter:
    """Starts tasks of any type."""

    def __init__(
        self,
        valkey: Valkey,
        settings: Settings,
        tasks: TaskStore,
        queue: TaskQueue,
        unified: UnifiedRegistry,
        flag: FlagSource,
    ) -> None:
        self._valkey = valkey
        self._settings = settings
        self._tasks = tasks
        self._payloads = PayloadStore(valkey)
        self._queue = queue
        self._unified = unified
        self._flag = flag
        self._dual = DualWrite(flag, unified)

    async def start(self, request: StartRequest) -> dict[str, Any]:
        """The contract's answer to a `start_…`: `{success, task_id, celery_task_id, status, …}`."""
        if not await self._dual.is_on(request.user_id):
            return _refusal(request, FLAG_OFF)
        try:
            return await self._claim_and_queue(request)
        except (DependencyUnavailable, *VALKEY_FAULTS) as fault:
            log.error("task_not_queued", task_id=request.task_id, task_type=request.task_type, error=repr(fault))
            return _refusal(request, UNAVAILABLE)

    async def _claim_and_queue(self, request: StartRequest) -> dict[str, Any]:
        company_id = request.company_id or await self._unified.current_company(request.user_id)
        task = NewTask(
            task_id=request.task_id,
            task_type=request.task_type,
            user_id=request.user_id,
            company_id=company_id,
            celery_task_id=str(uuid.uuid4()),
            created_at=datetime.now(UTC).isoformat(),
            max_duration_s=task_type_of(request.task_type).max_duration_s,
        )
        claim = await self._tasks.claim(task)
        if claim.outcome == "taken":
            return _refusal(request, TAKEN)
        if claim.outcome == "running":
            return _answer(request, claim.celery_task_id, claim.status)
        try:
            await self._queue_claimed(task, claim, request.arguments)
        except BaseException:
            # Also when the call is cancelled: a claim without a message would hold the id for a week.
            await self._give_back(task, claim)
            raise
        TASKS_STARTED.labels(task.task_type).inc()
        log.info(
            "task_started",
            task_id=task.task_id,
            task_type=task.task_type,
            user_id=task.user_id,
            company_id=task.company_id,
            isolation_namespace=task.namespace,
        )
        return _answer(request, task.celery_task_id, QUEUED)

    async def _queue_claimed(self, task: NewTask, claim: Claim, arguments: Mapping[str, Any]) -> None:
        pipeline = self._valkey.pipeline(transaction=False)
        self._payloads.add_write(pipeline, task.task_id, claim.run, arguments)
        await pipeline.execute()
        await self._unified.add_active_task(task.user_id, task.company_id, task.task_id)
        routes = {**self._settings.task_routes, **self._flag.routes}
        trace_id = structlog.contextvars.get_contextvars().get("trace_id")
        await self._queue.enqueue(
            task.task_type,
            queue_of(task.task_type, routes),
            task_id=task.task_id,
            run=claim.run,
            celery_task_id=task.celery_task_id,
            headers={"trace_id": trace_id} if trace_id else {},
        )

    async def _give_back(self, task: NewTask, claim: Claim) -> None:
        try:
            await self._tasks.release(task.task_id, claim.run)
            await self._payloads.delete(task.task_id, claim.run)
            await self._unified.remove_active_task(task.user_id, task.company_id, task.task_id)
        except VALKEY_FAULTS as fault:
            log.error("task_claim_not_given_back", task_id=task.task_id, error=repr(fault))


def _answer(request: StartRequest, celery_task_id: str, status: str) -> dict[str, Any]:
    return {
        "success": True,
        "task_id": request.task_id,
        "celery_task_id": celery_task_id,
        "status": status,
        **request.answer,
    }


def _refusal(request: StartRequest, error: str) -> dict[str, Any]:
    return {"success": False, "error": error, **request.answer}
