"""What a task's progress looks like: its steps, its events' payload, when it will probably be done.

Pure; `now` is passed in. Writing it down is `service.store.tasks`, telling the user `service.store.events`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done, and how far the task is then (0-100)."""

    name: str
    percent: int


def build_progress(
    task_id: str, status: str, step: Step | None, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Payload of a `task.progress_update`. `step` None: nothing is done yet."""
    return {
        "task_id": task_id,
        "status": status,
        "progress": step.percent if step else 0,
        "current_step": step.name if step else None,
        "data": dict(data or {}),
    }


def estimate_completion(started_at: datetime, mean_duration_s: float | None) -> datetime | None:
    """When a run that began at `started_at` will be done, if it takes its type's mean; None: no mean is known yet."""
    return None if mean_duration_s is None else started_at + timedelta(seconds=mean_duration_s)
