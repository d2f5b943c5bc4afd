"""A task's registry entry: its states, its document, and the rules for its id.

The document's shape is contract.md's ("Documents", task); how it lies in Valkey is `service.store.tasks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contract.queues import DEFAULT
from service.domain.errors import InvalidArguments

QUEUED: Final = "queued"
PROCESSING: Final = "processing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"
ENDED: Final = frozenset({COMPLETED, FAILED, CANCELLED})
# The status of a run's first event; its registry entry says `processing` (contract.md, "Events").
STARTED: Final = "started"

MAX_ID_CHARS: Final = 200


def check_job_id(job_id: str) -> str:
    """Raises InvalidArguments for an id that is empty, too long or holds a control character."""
    if not job_id or len(job_id) > MAX_ID_CHARS or not job_id.isprintable():
        raise InvalidArguments(f"job_id takes 1 to {MAX_ID_CHARS} printable characters")
    return job_id


def namespace_of(user_id: str, company_id: str) -> str:
    """The isolation namespace of a user in a company."""
    return f"{user_id}_{company_id}"


@dataclass(frozen=True, slots=True)
class NewTask:
    """What is known of a task when it is started. `max_duration_s`: limit of one run."""

    task_id: str
    task_type: str
    user_id: str
    company_id: str
    celery_task_id: str
    created_at: str
    max_duration_s: int
    priority: str = "normal"
    queue: str = DEFAULT
    trace_id: str | None = None

    @property
    def namespace(self) -> str:
        return namespace_of(self.user_id, self.company_id)


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """A task as its registry entry has it. Times are ISO 8601, or ms since 1970; None: not known (yet).

    `run` and `attempt` fence: `run` grows with every start, `attempt` each time a worker takes that run up. `losses`:
    how many attempts their process died at; `worker_losses`: how many went with their whole worker; `queue`: where its
    message was put; `logged`: what is said to others than its user in place of `error`, which then may quote what was
    sent.
    """

    task_id: str
    task_type: str
    user_id: str
    company_id: str
    status: str
    created_at: str
    max_duration_s: int
    priority: str
    run: int
    attempt: int
    celery_task_id: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    current_step: str | None = None
    progress_percent: int = 0
    estimated_completion: str | None = None
    worker_id: str | None = None
    memory_usage: str | None = None
    cpu_usage: str | None = None
    error: str | None = None
    logged: str | None = None
    is_announced: bool = False
    lease_until_ms: int = 0
    losses: int = 0
    worker_losses: int = 0
    is_cancelling: bool = False
    queue: str = DEFAULT
    trace_id: str | None = None

    @property
    def is_ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_foreign(self) -> bool:
        """Somebody else runs it and only registered it here: no message of ours belongs to it."""
        return self.celery_task_id == ""

    @property
    def progress(self) -> dict[str, Any]:
        return {
            "current_step": self.current_step,
            "progress_percent": self.progress_percent,
            "estimated_completion": self.estimated_completion,
        }

    @property
    def namespace(self) -> str:
        return namespace_of(self.user_id, self.company_id)

    @property
    def isolation(self) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "priority": self.priority,
            "max_duration": self.max_duration_s,
        }

    def document(self) -> dict[str, Any]:
        """The contract's task document."""
        return {
            "task_info": {
                "task_id": self.task_id,
                "task_type": self.task_type,
                "user_id": self.user_id,
                "company_id": self.company_id,
                "created_at": self.created_at,
                "status": self.status,
            },
            "isolation": self.isolation,
            "progress": self.progress,
            "resources": {
                "worker_id": self.worker_id,
                "memory_usage": self.memory_usage,
                "cpu_usage": self.cpu_usage,
            },
        }


def log_fields(entry: TaskEntry) -> dict[str, Any]:
    """What names a task in a line of whoever is not its run: maintenance, the parent of a killed process."""
    fields = {"task_type": entry.task_type, "task_id": entry.task_id, "run": entry.run}
    return fields | ({"trace_id": entry.trace_id} if entry.trace_id else {})


def parse_entry(task_id: str, fields: Mapping[str, str]) -> TaskEntry | None:
    """The entry whose hash fields are `fields`; None where there is none, or a stranger's hash lies under its key."""
    if "user_id" not in fields or "status" not in fields:
        return None
    return TaskEntry(
        task_id=task_id,
        task_type=fields.get("task_type", ""),
        user_id=fields["user_id"],
        company_id=fields.get("company_id", ""),
        status=fields["status"],
        created_at=fields.get("created_at", ""),
        max_duration_s=int(fields.get("max_duration", "0")),
        priority=fields.get("priority", "normal"),
        run=int(fields.get("run", "0")),
        attempt=int(fields.get("attempt", "0")),
        celery_task_id=fields.get("celery_task_id"),
        started_at=fields.get("started_at"),
        ended_at=fields.get("ended_at"),
        current_step=fields.get("current_step"),
        progress_percent=int(fields.get("progress_percent", "0")),
        estimated_completion=fields.get("estimated_completion"),
        worker_id=fields.get("worker_id"),
        memory_usage=fields.get("memory_usage"),
        cpu_usage=fields.get("cpu_usage"),
        error=fields.get("error"),
        logged=fields.get("logged"),
        is_announced=fields.get("announced") == "1",
        lease_until_ms=int(fields.get("lease_until", "0")),
        losses=int(fields.get("losses", "0")),
        worker_losses=int(fields.get("worker_losses", "0")),
        is_cancelling=fields.get("cancel") == "1",
        queue=fields.get("queue", DEFAULT),
        trace_id=fields.get("trace_id"),
    )
