"""What a task's progress looks like: what is reported of it, the events made of that, when it will probably be done.

Pure; `now` is passed in. Writing it down is `service.store.tasks`, telling the user `service.store.events`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from service.domain.events import TASK_PROGRESS

# An event's type and its payload.
Notice = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of a task after a step, and of its end. `step` None: nothing is done yet; `percent` 0-100.

    `data`: what the step says of itself, the result, or `error`.
    """

    task_id: str
    status: str
    step: str | None = None
    percent: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)


# Makes the events of a report; a task type may have its own (`service.tasks.declaring`).
NoticesOf = Callable[[Report], Sequence[Notice]]


def build_progress(report: Report) -> dict[str, Any]:
    """Payload of a `task.progress_update`."""
    return {
        "task_id": report.task_id,
        "status": report.status,
        "progress": report.percent,
        "current_step": report.step,
        "data": dict(report.data),
    }


def build_notices(report: Report) -> list[Notice]:
    """What most types tell: one `task.progress_update`."""
    return [(TASK_PROGRESS, build_progress(report))]


def estimate_completion(started_at: datetime, mean_duration_s: float | None) -> datetime | None:
    """When a run that began at `started_at` will be done, if it takes its type's mean; None: no mean is known yet."""
    return None if mean_duration_s is None else started_at + timedelta(seconds=mean_duration_s)
