"""Names of Prometheus metrics. Task metrics carry celery-exporter's names, so that its mixin and dashboards work."""

from typing import Final

RPC_REQUESTS: Final = "pinnokio_rpc_requests_total"
RPC_DURATION: Final = "pinnokio_rpc_duration_seconds"
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
