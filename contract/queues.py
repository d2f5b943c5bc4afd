"""Queues, task types and the default route between them (contract.md, the table of task types)."""

from dataclasses import dataclass
from typing import Final

DEFAULT: Final = "default"
COMPUTATION: Final = "computation"
LLM: Final = "llm"
MAINTENANCE: Final = "maintenance"
QUEUES: Final = (DEFAULT, COMPUTATION, LLM, MAINTENANCE)


@dataclass(frozen=True, slots=True)
class TaskType:
    """`max_duration_s`: soft limit of one run, in seconds."""

    name: str
    queue: str
    max_duration_s: int


DOCUMENT_ANALYSIS: Final = "document_analysis"
VECTOR_EMBEDDINGS: Final = "vector_embeddings"
LLM_CONVERSATION: Final = "llm_conversation"
REPORT_GENERATION: Final = "report_generation"
DATA_TRANSFORMATION: Final = "data_transformation"
ML_ANALYSIS: Final = "ml_analysis"
CLEANUP: Final = "cleanup"
HEALTH_CHECK: Final = "health_check"
RECOVERY: Final = "recovery"
QUOTA_REPAIR: Final = "quota_repair"
FIGURES: Final = "figures"
# What beat starts every so often.
CHORES: Final = (CLEANUP, HEALTH_CHECK, RECOVERY, QUOTA_REPAIR, FIGURES)

TASK_TYPES: Final[dict[str, TaskType]] = {
    kind.name: kind
    for kind in (
        TaskType(DOCUMENT_ANALYSIS, COMPUTATION, 1800),
        TaskType(VECTOR_EMBEDDINGS, COMPUTATION, 900),
        TaskType(REPORT_GENERATION, COMPUTATION, 900),
        TaskType(DATA_TRANSFORMATION, COMPUTATION, 900),
        TaskType(ML_ANALYSIS, COMPUTATION, 900),
        TaskType(LLM_CONVERSATION, LLM, 300),
        TaskType(CLEANUP, MAINTENANCE, 300),
        TaskType(HEALTH_CHECK, MAINTENANCE, 300),
    )
}
# Of beat's alone: a spec need not route them, they run where `cleanup` does.
_BEATS_OWN: Final = {name: TaskType(name, MAINTENANCE, 300) for name in (RECOVERY, QUOTA_REPAIR, FIGURES)}
OTHER_MAX_DURATION_S: Final = 3600
# Any worker gives messages back that were unacknowledged for this long, whichever queue they are of: it must be above
# the longest hard limit of any task, or a long one is started a second time while it runs.
VISIBILITY_TIMEOUT_S: Final = 2 * OTHER_MAX_DURATION_S
_CELERY_PREFIX: Final = "pinnokio."


def celery_name(task_type: str) -> str:
    """Celery's name of a task type."""
    return f"{_CELERY_PREFIX}{task_type}"


def task_type_named(celery_name: str) -> str:
    """The task type of Celery's name."""
    return celery_name.removeprefix(_CELERY_PREFIX)


def task_type_of(task_type: str) -> TaskType:
    """The declared type, or the contract's "anything else": queue `default`, 3600 s."""
    return TASK_TYPES.get(task_type) or _BEATS_OWN.get(task_type) or TaskType(task_type, DEFAULT, OTHER_MAX_DURATION_S)


def queue_of(task_type: str, routes: dict[str, str]) -> str:
    """The queue of a task type; `routes` (type → queue) wins over the default route."""
    if task_type in _BEATS_OWN and task_type not in routes:
        return queue_of(CLEANUP, routes)
    return routes.get(task_type) or task_type_of(task_type).queue
