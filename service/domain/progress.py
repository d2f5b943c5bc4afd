"""What a task's progress looks like: what is reported of it, the events made of that, when it will probably be done.

Pure; `now` is passed in. Writing it down is `service.store.tasks`, telling the user `service.store.events`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from service.domain.events import TASK_PROGRESS

# Who has a result as a whole, whatever its size.
WHOLE_RESULT: Final = "TASK.get_task_result"
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


def leaving_out(*names: str) -> NoticesOf:
    """As `build_notices`, without those fields of a result that are too large for an event, and with who has them.

    Example: a page of 2 MB in `html` → data `{…, "left_out": ["html"], "get_from": "TASK.get_task_result"}`.
    """

    def build(report: Report) -> list[Notice]:
        left_out = [name for name in names if name in report.data]
        if not left_out:
            return build_notices(report)
        kept = {name: value for name, value in report.data.items() if name not in left_out}
        return build_notices(replace(report, data=kept | {"left_out": left_out, "get_from": WHOLE_RESULT}))

    return build


def estimate_completion(started_at: datetime, mean_duration_s: float | None) -> datetime | None:
    """When a run that began at `started_at` will be done, if it takes its type's mean; None: no mean is known yet."""
    return None if mean_duration_s is None else started_at + timedelta(seconds=mean_duration_s)
