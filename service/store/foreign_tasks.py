"""Tasks that somebody else runs and only registers here (`UNIFIED_REGISTRY.register_task`, `.update_task_progress`).

Their entries are of the same kind as our own tasks' (`service.store.tasks`) but name no message of Celery. What a
worker of ours runs is its worker's to write, fenced by run and attempt, and is not touched from here; maintenance
leaves these alone.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contract import keys
from service.domain.errors import TaskConflict
from service.domain.tasks import ENDED, PROCESSING, NewTask
from service.store.lane import Lane
from service.store.patches import Patch, parse_patched
from service.store.tasks import TaskStore
from service.store.unified import UnifiedRegistry

# Field of an entry: no message of ours belongs to it.
_FOREIGN = {"celery_task_id": ""}


@dataclass(frozen=True, slots=True)
class Report:
    """How a task stands, as its runner says. None: as it was."""

    status: str
    progress_percent: int | None = None
    current_step: str | None = None
    worker_id: str | None = None


class ForeignTasks:
    """Writes the entries. Every method raises redis-py's errors."""

    def __init__(self, lane: Lane, tasks: TaskStore, unified: UnifiedRegistry) -> None:
        self._lane = lane
        self._tasks = tasks
        self._unified = unified

    async def register(self, task: NewTask) -> dict[str, Any] | None:
        """The task document; of the running one where the same user has that id. Raises TaskConflict for another's."""
        claim = await self._tasks.claim(task)
        if claim.outcome == "taken":
            raise TaskConflict("this id is in use")
        if claim.outcome == "claimed":
            await self._unified.add_active_task(task.user_id, task.company_id, task.task_id)
        return await self._tasks.read_document(task.task_id)

    async def report(self, task_id: str, report: Report) -> bool:
        """Whether there was such a task, running and somebody else's."""
        entry = await self._tasks.read(task_id)
        if entry is None or entry.is_ended or not entry.is_foreign:
            return False
        values = {
            "status": report.status,
            "progress_percent": None if report.progress_percent is None else str(report.progress_percent),
            "current_step": report.current_step,
            "worker_id": report.worker_id,
        }
        started = {"started_at": datetime.now(UTC).isoformat()} if report.status == PROCESSING else {}
        patch = Patch(
            guard=_FOREIGN | {"run": str(entry.run)},
            refuse={"status": tuple(ENDED)},
            set={name: value for name, value in values.items() if value is not None},
            default=started,
            ttl_s=keys.TASK_ENDED_TTL_S if report.status in ENDED else entry.max_duration_s + keys.TASK_GRACE_S,
        )
        patched = parse_patched(await self._lane.ask(*patch.command(keys.task(task_id))))
        if patched.is_applied and report.status in ENDED:
            await self._unified.remove_active_task(entry.user_id, entry.company_id, task_id, has_ended=True)
        return patched.is_applied
