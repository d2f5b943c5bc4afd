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
from redis.exceptions import OutOfMemoryError

from service.domain.errors import DependencyUnavailable
from service.domain.tasks import QUEUED, NewTask
from service.metrics import QUOTA_REFUSALS, TASKS_STARTED
from service.rpc.dual_write import DualWrite
from service.store.batches import run_batches
from service.store.client import LARGE_BYTES, VALKEY_FAULTS
from service.store.flag import FlagSource
from service.store.patches import parse_patched
from service.store.payloads import encode
from service.store.tasks import Claim
from service.tasks.declaring import limit_of, quotas_of, route_of
from service.tasks.services import Services

log = structlog.get_logger("pinnokio.tasks")

FLAG_OFF = "tasks are not available for this user: the unified registry is off"
TAKEN = "this id is in use"
UNAVAILABLE = "the task could not be queued: a server that it needs does not answer; try again"
FULL = "the task could not be queued: Valkey is full and takes no more writes; try again later"


class NeverRan(dict[str, Any]):
    """An answer of a call that ran nothing: its idempotency key is given back, so that trying again is no duplicate."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A task to start. `company_id` None: the user's current one. `answer` stands in every answer (`job_id`, …).

    `conversation_id`: the conversation that it goes on with; None: it is no part of one.
    """

    task_type: str
    task_id: str
    user_id: str
    arguments: Mapping[str, Any]
    answer: Mapping[str, Any]
    company_id: str | None = None
    conversation_id: str | None = None


class TaskStarter:
    """Starts tasks of any type."""

    def __init__(self, services: Services, flag: FlagSource, dual: DualWrite) -> None:
        self._lane = services.lane
        self._settings = services.settings
        self._tasks = services.tasks
        self._payloads = services.payloads
        self._queue = services.queue
        self._quotas = services.quotas
        self._unified = services.unified
        self._flag = flag
        self._dual = dual

    async def start(self, request: StartRequest) -> dict[str, Any]:
        """The contract's answer to a `start_…`: `{success, task_id, celery_task_id, status, …}`."""
        if not await self._dual.is_on(request.user_id):
            return NeverRan(_refusal(request, FLAG_OFF))
        try:
            return await self._claim_and_queue(request)
        except (DependencyUnavailable, *VALKEY_FAULTS) as fault:
            log.error("task_not_queued", task_id=request.task_id, task_type=request.task_type, error=repr(fault))
            return NeverRan(_refusal(request, FULL if isinstance(fault, OutOfMemoryError) else UNAVAILABLE))

    async def _claim_and_queue(self, request: StartRequest) -> dict[str, Any]:
        company_id = request.company_id or await self._dual.companies.current(request.user_id)
        task = NewTask(
            task_id=request.task_id,
            task_type=request.task_type,
            user_id=request.user_id,
            company_id=company_id,
            celery_task_id=str(uuid.uuid4()),
            created_at=datetime.now(UTC).isoformat(),
            max_duration_s=limit_of(request.task_type),
            queue=route_of(request.task_type, {**self._settings.task_routes, **self._flag.routes}),
            trace_id=structlog.contextvars.get_contextvars().get("trace_id"),
        )
        try:
            over = await self._reserve(request, task)
            if over is not None:
                return over
            claim = await self._tasks.claim(task)
            if claim.outcome == "taken":
                await self._quotas.take_back(task)
                return NeverRan(_refusal(request, TAKEN))
            if claim.outcome == "running":
                await self._quotas.take_back(task)
                return _answer(request, claim.celery_task_id, claim.status)
            await self._queue_claimed(task, claim, request)
        except BaseException:
            # Also when the call is cancelled: a claim without a message would hold the id, and what it counts against.
            await self._give_back(task)
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

    async def _reserve(self, request: StartRequest, task: NewTask) -> dict[str, Any] | None:
        """Counts the task against its quotas; the answer where one is used up, else None."""
        refusal = await self._quotas.reserve_all(task, quotas_of(task.task_type))
        if refusal is None:
            return None
        running = await self._quotas.find_running(task)
        if running is not None:
            # Its own user gets its ids back, whatever is used up: nothing new is started.
            return _answer(request, *running)
        QUOTA_REFUSALS.labels(refusal.quota).inc()
        log.warning(
            "task_over_quota",
            task_id=task.task_id,
            user_id=task.user_id,
            company_id=task.company_id,
            quota=refusal.quota,
            limit=refusal.limit,
        )
        return NeverRan(_refusal(request, str(refusal)), retry_after_ms=refusal.retry_ms)

    async def _queue_claimed(self, task: NewTask, claim: Claim, request: StartRequest) -> None:
        """In one round trip, the message last: whoever takes it finds the rest.

        Large arguments go in one before: nothing is queued whose arguments were refused.
        """
        user, company = self._unified.build_add_active_task(
            task.user_id, task.company_id, task.task_id, request.conversation_id
        )
        message = self._queue.build_push(
            task.task_type,
            task.queue,
            task_id=task.task_id,
            run=claim.run,
            celery_task_id=task.celery_task_id,
            trace_id=task.trace_id,
        )
        body = encode(request.arguments)
        payload = self._payloads.build_write(task.task_id, claim.run, body)
        if len(body) > LARGE_BYTES:
            await run_batches(self._lane, [*payload])
            payload = ()
        confirm = self._quotas.build_confirm(task, quotas_of(task.task_type))
        answers = await run_batches(self._lane, [user, company, *payload, *confirm, message])
        if not parse_patched(answers[0]).is_applied:
            # A user who registered before the flag came on. By now the task may have ended.
            await self._unified.add_active_task(task.user_id, task.company_id, task.task_id, request.conversation_id)
            entry = await self._tasks.read(task.task_id)
            if entry is None or entry.is_ended:
                await self._unified.remove_active_task(task.user_id, task.company_id, task.task_id, has_ended=True)

    async def _give_back(self, task: NewTask) -> None:
        """Undoes a start that broke off wherever it was; nothing of it where its message has been taken up already."""
        try:
            released = await self._tasks.release(task)
            if released.outcome == "begun":
                return
            await self._quotas.take_back(task)
            if released.outcome == "released":
                await self._payloads.delete(task.task_id, released.run)
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
