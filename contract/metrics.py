"""The metrics: name, kind, labels and meaning of each, in one place. docs/metrics.md is written from it
(`python -m tests.docs.metrics`), alerts and dashboards may name no other.

Task metrics carry celery-exporter's names and labels. Its counters of tasks sent and received there are not: what its
mixin and dashboards read of those stays empty.
"""

from dataclasses import dataclass
from typing import Final, Literal

RPC_REQUESTS: Final = "pinnokio_rpc_requests_total"
RPC_DURATION: Final = "pinnokio_rpc_duration_seconds"
RPC_TURNED_AWAY: Final = "pinnokio_rpc_turned_away_total"
# Its label `status`: no token, a wrong one, a body that broke off, too slow, too large, no envelope.
TURNED_AWAY_STATUSES: Final = ("401", "403", "400", "408", "413", "422")
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
# Companies that a metric names, the largest; the others are one series of this name together.
COMPANIES_NAMED: Final = 20
OTHER: Final = "other"

WS_CONNECTIONS: Final = "pinnokio_ws_connections"
EVENTS_DELIVERED: Final = "pinnokio_events_delivered_total"
EVENTS_DROPPED: Final = "pinnokio_events_dropped_total"
EVENTS_REPLAYED: Final = "pinnokio_events_replayed_total"
EVENT_RESYNCS: Final = "pinnokio_event_resyncs_total"
EVENT_DELIVERY: Final = "pinnokio_event_delivery_seconds"
LISTENERS: Final = "pinnokio_listeners"
REGISTRY_OPERATIONS: Final = "pinnokio_registry_operations_total"
REGISTRY_FALLBACKS: Final = "pinnokio_registry_fallbacks_total"
REGISTRY_DUAL_WRITE_ERRORS: Final = "pinnokio_registry_dual_write_errors_total"
REGISTRY_USERS: Final = "pinnokio_registry_users"
REGISTRY_SESSIONS: Final = "pinnokio_registry_sessions"
REGISTRY_ACTIVE_USERS: Final = "pinnokio_registry_active_users"
REGISTRY_COMPARED: Final = "pinnokio_registry_compared_users"
REGISTRY_DRIFTED: Final = "pinnokio_registry_drifted_users"
REGISTRY_DRIFTS: Final = "pinnokio_registry_drifts"
FLAG_REVISION: Final = "pinnokio_flag_revision"
FLAG_DECISIONS: Final = "pinnokio_flag_decisions_total"
TASKS_STARTED: Final = "pinnokio_tasks_started_total"
TASKS_STUCK: Final = "pinnokio_tasks_stuck"
TASK_ENDS: Final = "pinnokio_task_ends_total"
CHORE_ENDS: Final = "pinnokio_chore_ends_total"
TASK_LOSSES: Final = "pinnokio_task_losses_total"
# Values of the label `lost` of TASK_LOSSES.
LOST_PROCESS: Final = "process"
LOST_WORKER: Final = "worker"
LOSSES: Final = (LOST_PROCESS, LOST_WORKER)
QUEUE_OLDEST: Final = "pinnokio_queue_oldest_seconds"
QUOTA_USED: Final = "pinnokio_quota_used"
QUOTA_LIMIT: Final = "pinnokio_quota_limit"
QUOTA_REFUSALS: Final = "pinnokio_quota_refusals_total"
DEPENDENCY_UP: Final = "pinnokio_dependency_up"
DEPENDENCY_LATENCY: Final = "pinnokio_dependency_latency_seconds"
VALKEY_MEMORY_USED: Final = "pinnokio_valkey_memory_used_bytes"
VALKEY_MEMORY_MAX: Final = "pinnokio_valkey_memory_max_bytes"
VALKEY_CLIENTS: Final = "pinnokio_valkey_connected_clients"
VALKEY_EVICTED: Final = "pinnokio_valkey_evicted_keys_total"
FIGURES_AGE: Final = "pinnokio_figures_age_seconds"

CELERY_TASK_STARTED: Final = "celery_task_started_total"
CELERY_TASK_SUCCEEDED: Final = "celery_task_succeeded_total"
CELERY_TASK_FAILED: Final = "celery_task_failed_total"
CELERY_TASK_REVOKED: Final = "celery_task_revoked_total"
CELERY_TASK_REJECTED: Final = "celery_task_rejected_total"
CELERY_TASK_RETRIED: Final = "celery_task_retried_total"
CELERY_TASK_RUNTIME: Final = "celery_task_runtime"
CELERY_WORKER_UP: Final = "celery_worker_up"
CELERY_WORKER_TASKS_ACTIVE: Final = "celery_worker_tasks_active"
CELERY_QUEUE_LENGTH: Final = "celery_queue_length"
TASKS_RUNNING: Final = "pinnokio_tasks_running"
TASK_WAITING: Final = "pinnokio_task_waiting_seconds"
TASK_REDELIVERIES: Final = "pinnokio_task_redeliveries_total"
# Values of the label `effect` of TASK_REDELIVERIES.
RUN_AGAIN: Final = "run_again"
WITHOUT_EFFECT: Final = "none"
LLM_TOKENS: Final = "pinnokio_llm_tokens_total"
LLM_COST: Final = "pinnokio_llm_cost_total"
LLM_FIRST_TOKEN: Final = "pinnokio_llm_first_token_seconds"
# Values of the label `kind` of LLM_TOKENS.
PROMPT: Final = "prompt"
COMPLETION: Final = "completion"
# Models are named by callers: so many are told apart in a process, the others are OTHER.
MODELS_NAMED: Final = 20

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
OPERATOR_SERVICE_PHASE: Final = "pinnokio_operator_service_phase"
OPERATOR_API_READY: Final = "pinnokio_operator_api_ready_replicas"
OPERATOR_API_DESIRED: Final = "pinnokio_operator_api_desired_replicas"
OPERATOR_FLAG_PERCENT: Final = "pinnokio_operator_flag_percent"
OPERATOR_FLAG_ACKNOWLEDGED: Final = "pinnokio_operator_flag_acknowledged_pods"
OPERATOR_ROLLOUT_PHASE: Final = "pinnokio_operator_rollout_phase"
OPERATOR_ROLLOUT_STEP: Final = "pinnokio_operator_rollout_step"

Kind = Literal["counter", "gauge", "histogram"]
Part = Literal["api", "worker", "operator"]
_CELERY: Final = ("name", "hostname", "queue_name")
_TASK: Final = ("name", "queue_name")
# Told of the whole service by each API pod, as Valkey knows it: `max by (…)` takes one of them.
_OF_ALL: Final = " Of the whole service."
_OTHERS: Final = f" The {COMPANIES_NAMED} with most are named"
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
        RPC_TURNED_AWAY,
        "counter",
        "api",
        "Requests to /rpc that were no call, by HTTP status: 401 and 403 of a missing or wrong token, 422 of what is no"
        " envelope, 400, 408 and 413 of bodies that broke off, came too slowly or are too large.",
        ("status",),
    ),
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
    Metric(
        REGISTRY_DUAL_WRITE_ERRORS,
        "counter",
        "api",
        "The same by what went wrong: the error's class.",
        ("operation", "error"),
    ),
    Metric(REGISTRY_USERS, "gauge", "api", f"Users with an entry in a registry.{_OF_ALL}", ("registry",)),
    Metric(REGISTRY_SESSIONS, "gauge", "api", f"Registered sessions.{_OF_ALL}"),
    Metric(
        REGISTRY_ACTIVE_USERS,
        "gauge",
        "api",
        f"Active users of a company.{_OF_ALL}{_OTHERS}, `other` is the sum of the rest.",
        ("company",),
    ),
    Metric(
        REGISTRY_COMPARED,
        "gauge",
        "api",
        f"Users whose two entries maintenance compared within the minute, a sample.{_OF_ALL}",
    ),
    Metric(REGISTRY_DRIFTED, "gauge", "api", f"Those of them whose entries differ.{_OF_ALL}"),
    Metric(REGISTRY_DRIFTS, "gauge", "api", f"Their differences, by kind.{_OF_ALL}", ("kind",)),
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
    Metric(EVENTS_REPLAYED, "counter", "api", "Events that were sent again to sockets that came back with `since`."),
    Metric(
        EVENT_RESYNCS,
        "counter",
        "api",
        "Sockets that were told `resync_required`, for what they missed is not all kept.",
    ),
    Metric(
        LISTENERS,
        "gauge",
        "api",
        "Listeners that this process holds: of users (notifications and messages), of their workflow, of chats.",
        ("kind",),
    ),
    Metric(TASKS_STARTED, "counter", "api", "Tasks that were queued.", ("task_type",)),
    Metric(
        TASKS_STUCK,
        "gauge",
        "api",
        f"Tasks that maintenance was to look at a minute ago, and has not: nobody may be at them.{_OF_ALL}",
    ),
    Metric(
        TASK_ENDS,
        "counter",
        "api",
        "Tasks that ended, whoever wrote it down, also for a worker that is gone: `completed`, `failed`, `cancelled`."
        f"{_OF_ALL}",
        ("name", "outcome"),
    ),
    Metric(
        CHORE_ENDS,
        "counter",
        "api",
        "Runs of maintenance's chores that ended, by workers or beat: `completed`, `failed`; none that Valkey did not"
        f" answer.{_OF_ALL}",
        ("name", "outcome"),
    ),
    Metric(
        TASK_LOSSES,
        "counter",
        "api",
        "Runs that were taken back, to be tried again or set aside: their `process` died at them, or their whole"
        f" `worker` was lost.{_OF_ALL}",
        ("name", "lost"),
    ),
    Metric(
        QUEUE_OLDEST,
        "gauge",
        "api",
        f"Seconds since the message was sent that waits longest in a queue; 0: none waits.{_OF_ALL}",
        ("queue",),
    ),
    Metric(
        QUOTA_USED,
        "gauge",
        "api",
        "What counts against a quota: tasks of the company's user who has most, LLM requests within the hour, MB."
        f"{_OF_ALL} The {COMPANIES_NAMED} companies nearest to each limit are named, `other` is the sum of the rest.",
        ("company", "quota"),
    ),
    Metric(
        QUOTA_LIMIT,
        "gauge",
        "api",
        f"The limit that holds.{_OF_ALL} Of the same companies; `other` is the sum of the limits of the rest.",
        ("company", "quota"),
    ),
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
    Metric(VALKEY_MEMORY_USED, "gauge", "api", f"Bytes that Valkey holds.{_OF_ALL}"),
    Metric(VALKEY_MEMORY_MAX, "gauge", "api", f"Bytes that it may hold; no sample: no limit is set.{_OF_ALL}"),
    Metric(VALKEY_CLIENTS, "gauge", "api", f"Connections to Valkey.{_OF_ALL}"),
    Metric(VALKEY_EVICTED, "counter", "api", f"Keys that it dropped for want of memory.{_OF_ALL}"),
    Metric(
        FIGURES_AGE,
        "gauge",
        "api",
        "Seconds since maintenance counted users, sessions, companies, quotas and drift, each minute; after 200 they"
        " have no sample.",
    ),
    Metric(CELERY_TASK_STARTED, "counter", "worker", "Tasks taken up.", _CELERY),
    Metric(CELERY_TASK_SUCCEEDED, "counter", "worker", "Tasks completed.", _CELERY),
    Metric(
        CELERY_TASK_FAILED,
        "counter",
        "worker",
        "Tasks failed, by the class of what ended them (`TaskFailure`: the handler's own word to its user).",
        (*_CELERY, "exception"),
    ),
    Metric(CELERY_TASK_REVOKED, "counter", "worker", "Tasks cancelled while they ran.", _CELERY),
    Metric(
        CELERY_TASK_REJECTED, "counter", "worker", "Tasks given back to their queue, for Valkey stayed away.", _CELERY
    ),
    Metric(CELERY_TASK_RETRIED, "counter", "worker", "Tasks whose process died.", _CELERY),
    Metric(CELERY_TASK_RUNTIME, "histogram", "worker", "Seconds of a task.", _CELERY),
    Metric(TASKS_RUNNING, "gauge", "worker", "Tasks that run now.", _TASK),
    Metric(
        TASK_WAITING,
        "histogram",
        "worker",
        "Seconds from a message's sending until its task is taken up the first time.",
        _TASK,
    ),
    Metric(
        TASK_REDELIVERIES,
        "counter",
        "worker",
        f"Messages of runs that were taken up before. `{RUN_AGAIN}`: the attempt before had not ended, whoever noticed;"
        f" `{WITHOUT_EFFECT}`: the run had ended, or another attempt is at it.",
        (*_TASK, "effect"),
    ),
    Metric(
        LLM_TOKENS,
        "counter",
        "worker",
        "Tokens of completed turns, `prompt` and `completion`, as the endpoint counts them, else estimated."
        f" {MODELS_NAMED} models are told apart in a worker.",
        ("model", "kind"),
    ),
    Metric(LLM_COST, "counter", "worker", "What they cost by `LLM_PRICES`, of models that it names.", ("model",)),
    Metric(LLM_FIRST_TOKEN, "histogram", "worker", "Seconds from asking a model to its first text.", ("model",)),
    Metric(CELERY_WORKER_UP, "gauge", "worker", "This worker lives.", ("hostname",)),
    Metric(CELERY_WORKER_TASKS_ACTIVE, "gauge", "worker", "Tasks that run now.", ("hostname",)),
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
    Metric(
        OPERATOR_SERVICE_PHASE,
        "gauge",
        "operator",
        "1 for the phase that the PinnokioService is in.",
        (*_SERVICE, "phase"),
    ),
    Metric(OPERATOR_API_READY, "gauge", "operator", "API pods that are ready.", _SERVICE),
    Metric(OPERATOR_API_DESIRED, "gauge", "operator", "API pods wanted.", _SERVICE),
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
