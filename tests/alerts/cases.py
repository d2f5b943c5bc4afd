"""What each alert must fire at, as series that promtool plays: `5+1x60` is 5, then one more each minute, 60 times."""

from dataclasses import dataclass, field
from typing import Final

OF: Final = 'namespace="accounting",service="sample"'
OF_QUEUE: Final = f'{OF},queue="computation"'
OF_COMPANY: Final = 'company="acme",quota="max_llm_requests_per_hour"'
SERVICE_LABELS: Final = {"namespace": "accounting", "service": "sample"}
QUEUE_LABELS: Final = {**SERVICE_LABELS, "queue": "computation"}

OF_OPERATOR: Final = 'namespace="accounting"'
OPERATOR_LABELS: Final = {"namespace": "accounting"}
_QUIET_LABELS: Final = {"namespace": "payroll", "service": "quiet"}
_QUIET: Final = 'namespace="payroll",service="quiet",method="REGISTRY.register_user"'

_RECOVERY: Final = 'name="pinnokio.recovery"'
_DOCUMENTS: Final = 'name="pinnokio.document_analysis"'

Series = dict[str, str]

# All is well for two hours; a case changes or adds what it is about.
HEALTHY: Final[Series] = {
    f'pinnokio_rpc_requests_total{{{OF},method="REGISTRY.register_user",code="OK",cohort="on"}}': "0+600x120",
    f'pinnokio_rpc_requests_total{{{OF},method="REGISTRY.register_user",code="INTERNAL",cohort="on"}}': "0x120",
    # A program that has an old token, beside those who have the right one.
    f'pinnokio_rpc_turned_away_total{{{OF},status="403"}}': "0+60x120",
    f'pinnokio_rpc_duration_seconds_bucket{{{OF},method="REGISTRY.register_user",le="0.25"}}': "0+599x120",
    f'pinnokio_rpc_duration_seconds_count{{{OF},method="REGISTRY.register_user"}}': "0+600x120",
    # A service at night, four of whose sixty calls an hour failed.
    f'pinnokio_rpc_requests_total{{{_QUIET},code="OK"}}': "0+1x120",
    f'pinnokio_rpc_requests_total{{{_QUIET},code="TIMEOUT"}}': "0x112 0+1x4 4x3",
    # Slow by nature, and no fault.
    f'pinnokio_rpc_duration_seconds_bucket{{{OF},method="CHROMA_VECTOR.query_documents",le="0.25"}}': "0x120",
    f'pinnokio_rpc_duration_seconds_count{{{OF},method="CHROMA_VECTOR.query_documents"}}': "0+600x120",
    f'celery_task_succeeded_total{{{OF_QUEUE},name="pinnokio.document_analysis",hostname="a"}}': "0+60x120",
    f'celery_task_failed_total{{{OF_QUEUE},name="pinnokio.document_analysis",hostname="a"}}': "0+2x120",
    f'pinnokio_task_ends_total{{{OF},pod="a",{_DOCUMENTS},outcome="completed"}}': "0+60x120",
    f'pinnokio_task_ends_total{{{OF},pod="b",{_DOCUMENTS},outcome="completed"}}': "0+60x120",
    f'pinnokio_task_ends_total{{{OF},pod="a",{_DOCUMENTS},outcome="failed"}}': "0+2x120",
    f'pinnokio_task_losses_total{{{OF},pod="a",{_DOCUMENTS},lost="process"}}': "0x50 1x69",
    # A node went, with all that ran there.
    f'pinnokio_task_losses_total{{{OF},pod="a",{_DOCUMENTS},lost="worker"}}': "0x110 8x9",
    # Chores, of which one fails now and then.
    f'pinnokio_chore_ends_total{{{OF},pod="a",{_RECOVERY},outcome="completed"}}': "0+6x120",
    f'pinnokio_chore_ends_total{{{OF},pod="b",{_RECOVERY},outcome="completed"}}': "0+6x120",
    f'pinnokio_chore_ends_total{{{OF},pod="a",{_RECOVERY},outcome="failed"}}': "0+1x120",
    # Each five minutes.
    f'pinnokio_chore_ends_total{{{OF},pod="a",name="pinnokio.cleanup",outcome="completed"}}': " ".join(
        f"{runs}x4" for runs in range(24)
    ),
    f'pinnokio_chore_ends_total{{{OF},pod="a",name="pinnokio.cleanup",outcome="failed"}}': "0x120",
    f'celery_task_started_total{{{OF_QUEUE},name="pinnokio.document_analysis",hostname="a"}}': "0+62x120",
    f'celery_task_retried_total{{{OF_QUEUE},name="pinnokio.document_analysis",hostname="a"}}': "0x50 1x69",
    f'celery_worker_up{{{OF_QUEUE},hostname="a"}}': "1x120",
    f'celery_worker_up{{{OF_QUEUE},hostname="b"}}': "1x120",
    f'pinnokio_registry_fallbacks_total{{{OF},operation="register_user"}}': "0x50 1x69",
    f'pinnokio_quota_refusals_total{{{OF},quota="max_tasks_per_user"}}': "0x120",
    # Several pods tell the same; the companies that are not named are no alert together.
    f'pinnokio_quota_used{{{OF},pod="a",{OF_COMPANY}}}': "800x120",
    f'pinnokio_quota_used{{{OF},pod="b",{OF_COMPANY}}}': "800x120",
    f'pinnokio_quota_limit{{{OF},pod="a",{OF_COMPANY}}}': "1000x120",
    f'pinnokio_quota_limit{{{OF},pod="b",{OF_COMPANY}}}': "1000x120",
    f'pinnokio_quota_used{{{OF},pod="a",company="other",quota="storage_limit_mb"}}': "6000x120",
    f'pinnokio_quota_limit{{{OF},pod="a",company="other",quota="storage_limit_mb"}}': "5000x120",
    # Found once, and gone an hour ago.
    f'pinnokio_registry_drifted_users{{{OF},pod="a"}}': "0x20 1x5 0x93",
    f'pinnokio_valkey_memory_used_bytes{{{OF},pod="a"}}': "850x120",
    f'pinnokio_valkey_memory_max_bytes{{{OF},pod="a"}}': "1000x120",
    f'pinnokio_queue_oldest_seconds{{{OF_QUEUE},pod="a"}}': "500x120",
    # Missed twice.
    f'pinnokio_figures_age_seconds{{{OF},pod="a"}}': "30x115 190x1 30x2",
    f'pinnokio_tasks_stuck{{{OF},pod="a"}}': "0x100 2x2 0x16",
    f"pinnokio_events_dropped_total{{{OF}}}": "0+1x120",
    # One pod of two had lost Valkey for a while.
    f'pinnokio_dependency_up{{{OF},pod="a",dependency="redis"}}': "1x50 0x20 1x48",
    f'pinnokio_dependency_up{{{OF},pod="b",dependency="redis"}}': "1x120",
    f'pinnokio_dependency_up{{{OF},pod="a",dependency="firestore"}}': "1x120",
    # A queue that always has something waiting, and is worked at.
    f"pinnokio_operator_queue_waiting{{{OF_QUEUE}}}": "40x120",
    f"pinnokio_operator_queue_in_flight{{{OF_QUEUE}}}": "4x120",
    # Another, all of whose slots work at long tasks.
    f'pinnokio_operator_queue_waiting{{{OF},queue="llm"}}': "3x120",
    f'pinnokio_operator_queue_in_flight{{{OF},queue="llm"}}': "4x120",
    f"pinnokio_operator_queue_readable{{{OF_QUEUE}}}": "1x120",
    f"pinnokio_operator_queue_desired_replicas{{{OF_QUEUE}}}": "2x120",
    f'pinnokio_operator_leader{{{OF_OPERATOR},pod="operator"}}': "1x120",
    f'pinnokio_operator_leader{{{OF_OPERATOR},pod="standby"}}': "0x120",
    # Somebody else changed an object meanwhile, twice within a while.
    f'pinnokio_operator_errors_total{{{OF_OPERATOR},error="ApiConflict"}}': "0x99 1x9 2x10",
    f'pinnokio_operator_reconciles_total{{{OF_OPERATOR},result="unchanged"}}': "0+2x120",
    f'pinnokio_operator_services{{{OF_OPERATOR},phase="Ready"}}': "1x120",
    # The operator of another namespace, which is well whatever becomes of the first.
    'pinnokio_operator_leader{namespace="payroll",pod="operator"}': "1x120",
    'pinnokio_operator_errors_total{namespace="payroll",error="ApiConflict"}': "0x120",
    'pinnokio_operator_reconciles_total{namespace="payroll",result="unchanged"}': "0+9x120",
    'pinnokio_operator_services{namespace="payroll",phase="Ready"}': "3x120",
    f'pinnokio_operator_rollout_phase{{{OF},phase="Analysing"}}': "1x120",
    f'pinnokio_operator_service_phase{{{OF},phase="Ready"}}': "1x120",
    # None for a moment; a service that is to have none has none.
    f"pinnokio_operator_api_ready_replicas{{{OF}}}": "2x110 0x1 2x8",
    f"pinnokio_operator_api_desired_replicas{{{OF}}}": "2x120",
    'pinnokio_operator_api_ready_replicas{namespace="payroll",service="asleep"}': "0x120",
    'pinnokio_operator_api_desired_replicas{namespace="payroll",service="asleep"}': "0x120",
}


@dataclass(frozen=True)
class Case:
    """`alert` fires, with `labels`, two hours on, when `changes` are made to what is healthy (None: taken away)."""

    alert: str
    severity: str
    changes: dict[str, str | None]
    labels: dict[str, str] = field(default_factory=lambda: SERVICE_LABELS)
    # What it fires beside it, for the same reason.
    along: tuple[str, ...] = ()


def _key(start: str) -> str:
    (found,) = [series for series in HEALTHY if series.startswith(start)]
    return found


_OF_USER: Final = 'company="acme",quota="max_tasks_per_user"'
_FAILED_CALLS: Final = next(series for series in HEALTHY if 'code="INTERNAL"' in series)
_ANSWERED_CALLS: Final = next(series for series in HEALTHY if 'code="OK"' in series)
_FAST_CALLS: Final = next(series for series in HEALTHY if 'REGISTRY.register_user",le=' in series)
_LEADER: Final = _key(f'pinnokio_operator_leader{{{OF_OPERATOR},pod="operator"')
_FIRESTORE: Final = next(series for series in HEALTHY if "firestore" in series)

CASES: Final = (
    Case("PinnokioRpcFailing", "critical", {_FAILED_CALLS: "0x90 0+30x29"}, along=("PinnokioRpcFailingSlowly",)),
    # Eight at night.
    Case(
        "PinnokioRpcFailing",
        "critical",
        {f'pinnokio_rpc_requests_total{{{_QUIET},code="TIMEOUT"}}': "0x111 0+1x8"},
        _QUIET_LABELS,
    ),
    # Five at night; four are in what is healthy.
    Case(
        "PinnokioRpcFailing",
        "critical",
        {f'pinnokio_rpc_requests_total{{{_QUIET},code="TIMEOUT"}}': "0x112 0+1x5 5x2"},
        _QUIET_LABELS,
    ),
    # 0.7 % for hours: too little to wake anybody.
    Case("PinnokioRpcFailingSlowly", "warning", {_FAILED_CALLS: "0+4.5x120"}),
    Case("PinnokioRpcSlow", "warning", {_FAST_CALLS: "0+450x120"}),
    Case(
        "PinnokioTasksFailing",
        "warning",
        {_key(f'pinnokio_task_ends_total{{{OF},pod="a",{_DOCUMENTS},outcome="failed"'): "0+40x120"},
    ),
    Case(
        "PinnokioChoresFailing",
        "warning",
        {
            _key(f'pinnokio_chore_ends_total{{{OF},pod="a",{_RECOVERY},outcome="failed"'): "0x90 0+6x29",
            _key(f'pinnokio_chore_ends_total{{{OF},pod="a",{_RECOVERY},outcome="completed"'): "0+6x90 540x29",
            _key(f'pinnokio_chore_ends_total{{{OF},pod="b",{_RECOVERY},outcome="completed"'): "0+6x90 540x29",
        },
        {**SERVICE_LABELS, "name": "pinnokio.recovery"},
    ),
    # Beat is gone: of the other chore, too, nothing is heard.
    Case(
        "PinnokioChoresNotRunning",
        "warning",
        {
            series: None if _RECOVERY in series else "12x120"
            for series in HEALTHY
            if series.startswith("pinnokio_chore_ends_total")
        },
        {**SERVICE_LABELS, "name": "pinnokio.cleanup"},
    ),
    Case(
        "PinnokioTasksKillWorkers",
        "warning",
        {_key("celery_task_retried_total"): "0+1x120"},
        {**SERVICE_LABELS, "name": "pinnokio.document_analysis"},
    ),
    # The kernel kills whole containers: no worker lives to count it.
    Case(
        "PinnokioTasksKillWorkers",
        "warning",
        {_key(f'pinnokio_task_losses_total{{{OF},pod="a",{_DOCUMENTS},lost="worker"'): "0+1x120"},
        {**SERVICE_LABELS, "name": "pinnokio.document_analysis"},
    ),
    Case("PinnokioRegistryFallback", "warning", {_key("pinnokio_registry_fallbacks_total"): "0+1x120"}),
    # One of some minutes' samples had a user who drifted.
    Case("PinnokioRegistryDrift", "warning", {_key("pinnokio_registry_drifted_users"): "0x80 1x1 0x37"}),
    Case(
        "PinnokioQuotaNearlyUsed",
        "info",
        {series: "950x120" for series in HEALTHY if series.startswith("pinnokio_quota_used") and "acme" in series},
        {**SERVICE_LABELS, "company": "acme", "quota": "max_llm_requests_per_hour"},
    ),
    Case(
        "PinnokioCallersTurnedAway",
        "critical",
        {
            _ANSWERED_CALLS: "0+600x100 60000x19",
            _key("pinnokio_rpc_turned_away_total"): "0+60x100 6000+600x19",
        },
    ),
    # Nine of the ten tasks that a user may have.
    Case(
        "PinnokioQuotaNearlyUsed",
        "info",
        {
            f'pinnokio_quota_used{{{OF},pod="a",{_OF_USER}}}': "9x120",
            f'pinnokio_quota_limit{{{OF},pod="a",{_OF_USER}}}': "10x120",
        },
        {**SERVICE_LABELS, "company": "acme", "quota": "max_tasks_per_user"},
    ),
    Case(
        "PinnokioQuotaUsedUp",
        "info",
        {_key("pinnokio_quota_refusals_total"): "0+1x120"},
        {**SERVICE_LABELS, "quota": "max_tasks_per_user"},
    ),
    Case("PinnokioEventsDropped", "warning", {_key("pinnokio_events_dropped_total"): "0+500x120"}),
    Case(
        "PinnokioValkeyDown",
        "critical",
        {series: "1x110 0x9" for series in HEALTHY if 'dependency="redis"' in series},
    ),
    Case(
        "PinnokioDependencyDown",
        "warning",
        {_FIRESTORE: "1x110 0x9"},
        {**SERVICE_LABELS, "dependency": "firestore"},
    ),
    Case("PinnokioValkeyMemoryNearlyFull", "critical", {_key("pinnokio_valkey_memory_used_bytes"): "950x120"}),
    Case("PinnokioQueueWaitsLong", "warning", {_key("pinnokio_queue_oldest_seconds"): "0+20x120"}, QUEUE_LABELS),
    Case("PinnokioFiguresOld", "warning", {_key("pinnokio_figures_age_seconds"): "30x100 90+60x18"}),
    Case("PinnokioFiguresOld", "warning", {_key("pinnokio_figures_age_seconds"): "30x100 _x18"}),
    Case("PinnokioTasksStuck", "warning", {_key("pinnokio_tasks_stuck"): "0x100 3x19"}),
    Case(
        "PinnokioQueueNotDraining",
        "critical",
        {
            _key("celery_task_started_total"): "0+62x90 5580x29",
            _key(f"pinnokio_operator_queue_in_flight{{{OF_QUEUE}}}"): "4x90 0x29",
        },
        QUEUE_LABELS,
    ),
    Case("PinnokioQueueUnreadable", "warning", {_key("pinnokio_operator_queue_readable"): "0x120"}, QUEUE_LABELS),
    Case(
        "PinnokioWorkersMissing",
        "warning",
        {series: None for series in HEALTHY if series.startswith("celery_worker_up")},
        QUEUE_LABELS,
    ),
    Case("PinnokioOperatorMissing", "critical", {_LEADER: "0x120"}, OPERATOR_LABELS),
    Case(
        "PinnokioOperatorMissing",
        "critical",
        {series: "1x100 _x19" for series in HEALTHY if series.startswith(f"pinnokio_operator_leader{{{OF_OPERATOR}")},
        OPERATOR_LABELS,
    ),
    Case(
        "PinnokioOperatorMissing",
        "critical",
        {series: None for series in HEALTHY if series.startswith("pinnokio_operator_leader")},
        {},
    ),
    Case(
        "PinnokioOperatorNotReconciling",
        "warning",
        {_key(f"pinnokio_operator_errors_total{{{OF_OPERATOR}"): "0+1x120"},
        OPERATOR_LABELS,
    ),
    Case(
        "PinnokioOperatorNotReconciling",
        "warning",
        {_key(f"pinnokio_operator_reconciles_total{{{OF_OPERATOR}"): "7x120"},
        OPERATOR_LABELS,
    ),
    Case("PinnokioApiDown", "critical", {_key(f"pinnokio_operator_api_ready_replicas{{{OF}"): "2x110 0x9"}),
    Case(
        "PinnokioServiceDegraded",
        "warning",
        {
            f'pinnokio_operator_service_phase{{{OF},phase="Degraded"}}': "1x120",
            _key("pinnokio_operator_service_phase"): None,
        },
    ),
    Case(
        "PinnokioFlagRolledBack",
        "warning",
        {f'pinnokio_operator_rollout_phase{{{OF},phase="RolledBack"}}': "1x120"},
    ),
)
