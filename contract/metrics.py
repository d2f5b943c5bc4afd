"""Names of Prometheus metrics. Task metrics carry celery-exporter's names, so that its mixin and dashboards work."""

from typing import Final

RPC_REQUESTS: Final = "pinnokio_rpc_requests_total"
RPC_DURATION: Final = "pinnokio_rpc_duration_seconds"
# Values of the label `cohort`: for whom the unified registry was on when the call ran; any other: no flag was asked.
COHORT_ON: Final = "on"
COHORT_OFF: Final = "off"
# Upper bounds of the classes of RPC_DURATION, in seconds.
RPC_DURATION_BOUNDS_S: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0
)  # fmt: skip
# Codes of RPC_REQUESTS that say that the service failed; the others are the caller's, or refusals on purpose.
FAILURE_CODES: Final = ("INTERNAL", "TIMEOUT", "UNAVAILABLE")
# Namespaces whose methods do other work with the flag on than off (a start is refused), so that their times say
# nothing about the flag.
UNEQUAL_NAMESPACES: Final = ("TASK", "LLM")
WS_CONNECTIONS: Final = "pinnokio_ws_connections"
EVENTS_PUBLISHED: Final = "pinnokio_events_published_total"
EVENTS_DROPPED: Final = "pinnokio_events_dropped_total"
REGISTRY_OPERATIONS: Final = "pinnokio_registry_operations_total"
REGISTRY_FALLBACKS: Final = "pinnokio_registry_fallbacks_total"
FLAG_REVISION: Final = "pinnokio_flag_revision"
TASKS_STARTED: Final = "pinnokio_tasks_started_total"

CELERY_TASK_STARTED: Final = "celery_task_started_total"
CELERY_TASK_SUCCEEDED: Final = "celery_task_succeeded_total"
CELERY_TASK_FAILED: Final = "celery_task_failed_total"
CELERY_TASK_RETRIED: Final = "celery_task_retried_total"
CELERY_TASK_RUNTIME: Final = "celery_task_runtime"
CELERY_WORKER_UP: Final = "celery_worker_up"
CELERY_QUEUE_LENGTH: Final = "celery_queue_length"

OPERATOR_RECONCILES: Final = "pinnokio_operator_reconciles_total"
OPERATOR_RECONCILE_DURATION: Final = "pinnokio_operator_reconcile_duration_seconds"
OPERATOR_QUEUE_WAITING: Final = "pinnokio_operator_queue_waiting"
OPERATOR_QUEUE_IN_FLIGHT: Final = "pinnokio_operator_queue_in_flight"
OPERATOR_QUEUE_UNACKED: Final = "pinnokio_operator_queue_unacked"
OPERATOR_QUEUE_DESIRED: Final = "pinnokio_operator_queue_desired_replicas"
OPERATOR_QUEUE_READABLE: Final = "pinnokio_operator_queue_readable"
OPERATOR_DECISIONS: Final = "pinnokio_operator_scaling_decisions_total"
OPERATOR_LEADER: Final = "pinnokio_operator_leader"
OPERATOR_ERRORS: Final = "pinnokio_operator_errors_total"
OPERATOR_API_REQUESTS: Final = "pinnokio_operator_api_requests_total"
OPERATOR_SERVICES: Final = "pinnokio_operator_services"
OPERATOR_FLAG_PERCENT: Final = "pinnokio_operator_flag_percent"
OPERATOR_FLAG_ACKNOWLEDGED: Final = "pinnokio_operator_flag_acknowledged_pods"
OPERATOR_ROLLOUT_PHASE: Final = "pinnokio_operator_rollout_phase"
OPERATOR_ROLLOUT_STEP: Final = "pinnokio_operator_rollout_step"
