"""The metrics: name, kind, labels and meaning of each, in one place. docs/metrics.md is written from it
(`python -m tests.docs.metrics`), alerts and dashboards may name no other.

Task metrics carry celery-exporter's names, so that its mixin and dashboards work.
"""

from dataclasses import dataclass
from typing import Final, Literal

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
EVENTS_DELIVERED: Final = "pinnokio_events_delivered_total"
EVENTS_DROPPED: Final = "pinnokio_events_dropped_total"
EVENT_DELIVERY: Final = "pinnokio_event_delivery_seconds"
REGISTRY_OPERATIONS: Final = "pinnokio_registry_operations_total"
REGISTRY_FALLBACKS: Final = "pinnokio_registry_fallbacks_total"
FLAG_REVISION: Final = "pinnokio_flag_revision"
FLAG_DECISIONS: Final = "pinnokio_flag_decisions_total"
TASKS_STARTED: Final = "pinnokio_tasks_started_total"
QUOTA_REFUSALS: Final = "pinnokio_quota_refusals_total"
DEPENDENCY_UP: Final = "pinnokio_dependency_up"
DEPENDENCY_LATENCY: Final = "pinnokio_dependency_latency_seconds"

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

Kind = Literal["counter", "gauge", "histogram"]
Part = Literal["api", "worker", "operator"]
_CELERY: Final = ("name", "hostname", "queue_name")
_SERVICE: Final = ("namespace", "service")
_QUEUE: Final = (*_SERVICE, "queue")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `part`: whose /metrics has it."""

    name: str
    kind: Kind
    part: Part
    help: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """Names that its series have in Prometheus, as alerts and dashboards write them."""
        if self.kind == "histogram":
            return tuple(f"{self.name}_{suffix}" for suffix in ("bucket", "count", "sum"))
        return (self.name,)


METRICS: Final = (
    Metric(RPC_REQUESTS, "counter", "api", "Calls of /rpc by outcome.", ("method", "code", "cohort")),
    Metric(RPC_DURATION, "histogram", "api", "Seconds from the parsed request to its answer.", ("method", "cohort")),
    Metric(
        REGISTRY_OPERATIONS,
        "counter",
        "api",
        "Registry operations that were carried out: registrations, ended sessions, heartbeats.",
        ("registry", "operation"),
    ),
    Metric(
        REGISTRY_FALLBACKS,
        "counter",
        "api",
        "Unified registry operations that failed or ran too long, while the legacy one answered.",
        ("operation",),
    ),
    Metric(FLAG_REVISION, "gauge", "api", "Revision of the flag document in force in this process."),
    Metric(
        FLAG_DECISIONS,
        "counter",
        "api",
        "Calls for whose user the flag was decided, by the answer and the newest revision.",
        ("cohort", "revision"),
    ),
    Metric(WS_CONNECTIONS, "gauge", "api", "Open WebSockets of this process."),
    Metric(EVENTS_DELIVERED, "counter", "api", "Events that were sent to a WebSocket."),
    Metric(EVENTS_DROPPED, "counter", "api", "Events that were not sent because their socket read too slowly."),
    Metric(
        EVENT_DELIVERY,
        "histogram",
        "api",
        "Seconds from an event's publication (Valkey's clock) until it is handed to a live WebSocket (this pod's).",
    ),
    Metric(TASKS_STARTED, "counter", "api", "Tasks that were queued.", ("task_type",)),
    Metric(QUOTA_REFUSALS, "counter", "api", "Starts that were refused because a quota is used up.", ("quota",)),
    Metric(
        DEPENDENCY_UP,
        "gauge",
        "api",
        "1: it answers; 0: it does not. Valkey (`redis`) is asked at the scrape, the others by a worker each minute;"
        " what is not configured, or was not asked lately, has no sample.",
        ("dependency",),
    ),
    Metric(DEPENDENCY_LATENCY, "gauge", "api", "Seconds that its last answer took; none: no sample.", ("dependency",)),
    Metric(CELERY_TASK_STARTED, "counter", "worker", "Tasks taken up.", _CELERY),
    Metric(CELERY_TASK_SUCCEEDED, "counter", "worker", "Tasks completed.", _CELERY),
    Metric(CELERY_TASK_FAILED, "counter", "worker", "Tasks failed.", _CELERY),
    Metric(CELERY_TASK_RETRIED, "counter", "worker", "Tasks whose process died.", _CELERY),
    Metric(CELERY_TASK_RUNTIME, "histogram", "worker", "Seconds of a task.", _CELERY),
    Metric(CELERY_WORKER_UP, "gauge", "worker", "This worker lives.", ("hostname",)),
    Metric(CELERY_QUEUE_LENGTH, "gauge", "worker", "Messages that wait.", ("queue_name",)),
    Metric(OPERATOR_RECONCILES, "counter", "operator", "Reconciles by result.", ("result",)),
    Metric(OPERATOR_RECONCILE_DURATION, "histogram", "operator", "Duration of a reconcile, in seconds."),
    Metric(
        OPERATOR_DECISIONS,
        "counter",
        "operator",
        "Changes of the number of workers, by reason.",
        (*_QUEUE, "reason"),
    ),
    Metric(OPERATOR_ERRORS, "counter", "operator", "Reconciles that failed, by what went wrong.", ("error",)),
    Metric(
        OPERATOR_API_REQUESTS,
        "counter",
        "operator",
        "Requests to the API server, by HTTP status; 0: no answer.",
        ("verb", "resource", "status"),
    ),
    Metric(OPERATOR_LEADER, "gauge", "operator", "1: this operator acts; 0: it stands by."),
    Metric(OPERATOR_SERVICES, "gauge", "operator", "PinnokioServices by phase.", ("phase",)),
    Metric(OPERATOR_QUEUE_WAITING, "gauge", "operator", "Tasks that wait.", _QUEUE),
    Metric(OPERATOR_QUEUE_IN_FLIGHT, "gauge", "operator", "Tasks that run, by heartbeats.", _QUEUE),
    Metric(OPERATOR_QUEUE_UNACKED, "gauge", "operator", "Tasks handed out and not done.", _QUEUE),
    Metric(OPERATOR_QUEUE_DESIRED, "gauge", "operator", "Worker pods wanted.", _QUEUE),
    Metric(
        OPERATOR_QUEUE_READABLE, "gauge", "operator", "1: the queue could be read; 0: its workers are held.", _QUEUE
    ),
    Metric(OPERATOR_FLAG_PERCENT, "gauge", "operator", "Percentage that the flag is on for.", _SERVICE),
    Metric(
        OPERATOR_FLAG_ACKNOWLEDGED, "gauge", "operator", "Ready API pods that serve by the flag's revision.", _SERVICE
    ),
    Metric(OPERATOR_ROLLOUT_STEP, "gauge", "operator", "Step of the rollout, from 1; 0: none.", _SERVICE),
    Metric(
        OPERATOR_ROLLOUT_PHASE, "gauge", "operator", "1 for the phase that the rollout is in.", (*_SERVICE, "phase")
    ),
)
_BY_NAME: Final = {metric.name: metric for metric in METRICS}


def declare(name: str) -> tuple[str, str, tuple[str, ...]]:
    """A metric's name, help and labels, in the order in which prometheus_client's classes take them."""
    metric = _BY_NAME[name]
    return metric.name, metric.help, metric.labels
