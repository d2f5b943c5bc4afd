"""Namespace UNIFIED_REGISTRY: a document a user and a company; sessions in the legacy registry too where it is on."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
import structlog

from service import metrics
from service.domain.ids import MAX_ELEMENTS, Id, TaskId
from service.domain.legacy import LegacyUser, legacy_time
from service.domain.tasks import NewTask
from service.domain.unified import Registration, plan_service_change
from service.rpc.dual_write import DualWrite
from service.rpc.registry import Route
from service.store.cleanup import RegistryCleanup
from service.store.foreign_tasks import ForeignTasks, Report
from service.store.lane import Lane
from service.store.legacy import LegacyRegistry
from service.store.sessions import read_users
from service.store.tasks import TaskStore
from service.store.unified import UnifiedRegistry

log = structlog.get_logger("unified_registry")


Companies = Annotated[list[Id], msgspec.Meta(max_length=MAX_ELEMENTS)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=7 * 86_400)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Status = Literal["queued", "processing", "completed", "failed", "cancelled"]


class UnifiedRegistryNamespace:
    """The methods `UNIFIED_REGISTRY.*` of contract.md."""

    def __init__(
        self,
        lane: Lane,
        legacy: LegacyRegistry,
        unified: UnifiedRegistry,
        tasks: TaskStore,
        dual: DualWrite,
        *,
        scan: bool,
    ) -> None:
        self._lane = lane
        self._legacy = legacy
        self._unified = unified
        self._tasks = tasks
        self._foreign = ForeignTasks(lane, tasks, unified)
        self._dual = dual
        self._cleanup = RegistryCleanup(lane)
        self._scan = scan

    async def register_user_session(
        self,
        user_id: Id,
        session_id: Id,
        company_id: Id,
        authorized_companies: Companies,
        backend_route: Route | None = None,
    ) -> dict[str, Any] | None:
        """Registers a user's session in a company; the user document."""
        now = datetime.now(UTC)
        route = backend_route or ""
        legacy_at = ""
        if await self._dual.is_on(user_id) and self._dual.writes_legacy:
            legacy_at = legacy_time(now)
            await self._legacy.register_user(LegacyUser(user_id, session_id, route, legacy_at))
        registration = Registration(user_id, session_id, route, now, company_id, tuple(authorized_companies), legacy_at)
        await self._unified.register(registration)
        self._dual.companies.merge(user_id, authorized_companies)
        metrics.REGISTRY_OPERATIONS.count("unified", "register_user_session")
        log.info("user_registered", user_id=user_id, company_id=company_id, session_id=session_id)
        return await self._unified.read_user(user_id)

    async def unregister_user_session(self, session_id: Id) -> bool:
        """Marks the session's users offline; whether one was online with it."""
        user_ids = await read_users(self._lane, session_id, scan=self._scan)
        on = [user_id for user_id in user_ids if await self._dual.is_on(user_id)]
        deleted = await self._legacy.unregister_session(session_id, on, forget=[])
        believed = deleted if self._dual.writes_legacy else []
        ended = [
            await self._unified.unregister(user_id, session_id, had_legacy=user_id in believed, forgets=user_id in on)
            for user_id in user_ids
        ]
        metrics.REGISTRY_OPERATIONS.count("unified", "unregister_user_session")
        return any(ended) or bool(believed)

    async def update_user_heartbeat(self, user_id: Id) -> bool:
        """Renews a user's entry; whether there is one."""
        is_on = await self._dual.is_on(user_id)
        follows = is_on and self._dual.writes_legacy
        beat = partial(self._unified.heartbeat, user_id, datetime.now(UTC), follows=follows)
        is_renewed = await (self._dual.adopting(user_id, beat) if is_on else beat())
        if is_renewed:
            metrics.REGISTRY_OPERATIONS.count("unified", "update_user_heartbeat")
        return is_renewed

    async def update_user_service(self, user_id: Id, service_name: str, service_data: dict[str, Any]) -> bool:
        """Replaces the lists that are given of one service; whether the user has an entry."""
        change = plan_service_change(service_name, service_data)
        update = partial(self._unified.update_service, user_id, change)
        return await (self._dual.adopting(user_id, update) if await self._dual.is_on(user_id) else update())

    async def get_user_registry(self, user_id: Id) -> dict[str, Any] | None:
        """The user document, or null."""
        if not await self._dual.is_on(user_id):
            return await self._unified.read_user(user_id)
        if self._dual.writes_legacy:
            document = await self._unified.read_following(user_id, datetime.now(UTC))
        else:
            document = await self._unified.read_user(user_id)
        if document is None and await self._dual.adopt(user_id):
            document = await self._unified.read_user(user_id)
        return document

    async def register_task(
        self,
        task_id: TaskId,
        task_type: Id,
        user_id: Id,
        company_id: Id,
        priority: Id = "normal",
        max_duration: Seconds = 3600,
    ) -> dict[str, Any] | None:
        """Registers a task that the caller runs itself; the task document."""
        at = datetime.now(UTC).isoformat()
        task = NewTask(task_id, task_type, user_id, company_id, "", at, max_duration, priority)
        return await self._foreign.register(task)

    async def update_task_progress(
        self,
        task_id: TaskId,
        status: Status,
        progress_percent: Percent | None = None,
        current_step: Route | None = None,
        worker_id: Id | None = None,
    ) -> bool:
        """Says how such a task stands; whether there was one. What our workers run, they alone write."""
        percent = None if progress_percent is None else round(progress_percent)
        return await self._foreign.report(task_id, Report(status, percent, current_step, worker_id))

    async def get_task_registry(self, task_id: TaskId) -> dict[str, Any] | None:
        """The task document, or null."""
        return await self._tasks.read_document(task_id)

    async def get_company_active_users(self, company_id: Id) -> list[str]:
        """Ids of the users that are registered in a company."""
        document = await self._unified.read_company(company_id)
        return list(document["active_users"]) if document else []

    async def cleanup_expired_entries(self) -> dict[str, int]:
        """Removes what points to entries that have ended; how many, by kind."""
        return await self._cleanup.run()
