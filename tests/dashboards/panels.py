"""Which dashboards there are, with which panels and queries. How Grafana wants them is `tests.dashboards.build`'s.

`$selector` in a query is the choice of namespace and service, `$window` Grafana's own interval of a rate.
"""

from dataclasses import dataclass
from typing import Final

from contract import metrics as names

FAILED: Final = f'code=~"{"|".join(names.FAILURE_CODES)}"'


@dataclass(frozen=True)
class Query:
    """One line, or one of many by a label that `legend` names as `{{label}}`."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """`kind`: `stat` shows the newest value large, `timeseries` a graph. `unit`: one of Grafana's."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    description: str = ""


@dataclass(frozen=True)
class Dashboard:
    """`uid` never changes: links and bookmarks hold it."""

    uid: str
    title: str
    panels: tuple[Panel, ...]


def _panel(title: str, *queries: tuple[str, str] | str, unit: str = "short", kind: str = "timeseries") -> Panel:
    lines = tuple(Query(each) if isinstance(each, str) else Query(*each) for each in queries)
    return Panel(title, lines, unit, kind)


def _rate(metric: str, more: str = "") -> str:
    return f"rate({metric}{{$selector{',' + more if more else ''}}}[$window])"


def _quantile(quantile: float, metric: str, by: str = "", more: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({quantile}, sum by ({labels}) ({_rate(f'{metric}_bucket', more)}))"


def _by_cohort(more: str) -> str:
    return f"sum by (cohort) ({_rate(names.RPC_REQUESTS, more)})"


def _share(part: str, whole: str) -> str:
    return f"{part} / {whole}"


_DELIVERY: Final = names.EVENT_DELIVERY
_RECONCILE: Final = names.OPERATOR_RECONCILE_DURATION
_COHORTS: Final = f'cohort=~"{names.COHORT_ON}|{names.COHORT_OFF}"'

OVERVIEW: Final = Dashboard(
    "pinnokio-overview",
    "Pinnokio / Overview",
    (
        _panel("Calls per second", f"sum({_rate(names.RPC_REQUESTS)})", unit="reqps", kind="stat"),
        _panel(
            "Failed calls",
            f"sum({_rate(names.RPC_REQUESTS, FAILED)}) / sum({_rate(names.RPC_REQUESTS)})",
            unit="percentunit",
            kind="stat",
        ),
        _panel("Call, 99 of 100 within", _quantile(0.99, names.RPC_DURATION), unit="s", kind="stat"),
        _panel("Open WebSockets", f"sum({names.WS_CONNECTIONS}{{$selector}})", kind="stat"),
        _panel("Calls by outcome", (f"sum by (code) ({_rate(names.RPC_REQUESTS)})", "{{code}}"), unit="reqps"),
        _panel(
            "Calls by method", (f"topk(10, sum by (method) ({_rate(names.RPC_REQUESTS)}))", "{{method}}"), unit="reqps"
        ),
        _panel(
            "Duration of calls",
            *((_quantile(each, names.RPC_DURATION), f"p{each * 100:g}") for each in (0.5, 0.95, 0.99)),
            unit="s",
        ),
        _panel(
            "Slowest methods, p99",
            (f"topk(10, {_quantile(0.99, names.RPC_DURATION, 'method')})", "{{method}}"),
            unit="s",
        ),
        _panel(
            "Events to WebSockets",
            (f"sum({_rate(names.EVENTS_DELIVERED)})", "delivered"),
            (f"sum({_rate(names.EVENTS_DROPPED)})", "dropped"),
            unit="cps",
        ),
        _panel(
            "From an event's publication to its socket",
            *((_quantile(each, _DELIVERY), f"p{each * 100:g}") for each in (0.5, 0.99)),
            unit="s",
        ),
        _panel(
            "Dependencies that answer",
            (f"max by (dependency) ({names.DEPENDENCY_UP}{{$selector}})", "{{dependency}}"),
        ),
        _panel(
            "How soon they answer",
            (f"max by (dependency) ({names.DEPENDENCY_LATENCY}{{$selector}})", "{{dependency}}"),
            unit="s",
        ),
    ),
)

REGISTRY: Final = Dashboard(
    "pinnokio-registry",
    "Pinnokio / Registry and rollout",
    (
        _panel("Flag is on for", f"max({names.OPERATOR_FLAG_PERCENT}{{$selector}})", unit="percent", kind="stat"),
        _panel("Step of the rollout", f"max({names.OPERATOR_ROLLOUT_STEP}{{$selector}})", kind="stat"),
        _panel("Pods that serve by it", f"max({names.OPERATOR_FLAG_ACKNOWLEDGED}{{$selector}})", kind="stat"),
        _panel("Revision in the pods", (f"{names.FLAG_REVISION}{{$selector}}", "{{pod}}"), kind="stat"),
        _panel("Phase", (f"max by (phase) ({names.OPERATOR_ROLLOUT_PHASE}{{$selector}})", "{{phase}}")),
        _panel("Decisions", (f"sum by (cohort) ({_rate(names.FLAG_DECISIONS)})", "{{cohort}}"), unit="cps"),
        _panel(
            "Failed calls by cohort",
            (
                _share(_by_cohort(f"{FAILED},{_COHORTS}"), _by_cohort(_COHORTS)),
                "{{cohort}}",
            ),
            unit="percentunit",
        ),
        _panel(
            "Call by cohort, p99",
            (_quantile(0.99, names.RPC_DURATION, "cohort", _COHORTS), "{{cohort}}"),
            unit="s",
        ),
        _panel(
            "Registry operations",
            (f"sum by (registry, operation) ({_rate(names.REGISTRY_OPERATIONS)})", "{{registry}} {{operation}}"),
            unit="cps",
        ),
        _panel(
            "Unified writes that failed",
            (f"sum by (operation) ({_rate(names.REGISTRY_FALLBACKS)})", "{{operation}}"),
            unit="cps",
        ),
    ),
)

TASKS: Final = Dashboard(
    "pinnokio-tasks",
    "Pinnokio / Tasks, queues and quotas",
    (
        _panel("Workers", f"count({names.CELERY_WORKER_UP}{{$selector}} == 1)", kind="stat"),
        _panel("Tasks that wait", f"sum({names.OPERATOR_QUEUE_WAITING}{{$selector}})", kind="stat"),
        _panel("Tasks that run", f"sum({names.OPERATOR_QUEUE_IN_FLIGHT}{{$selector}})", kind="stat"),
        _panel(
            "Failed tasks",
            f"sum({_rate(names.CELERY_TASK_FAILED)})"
            f" / (sum({_rate(names.CELERY_TASK_FAILED)}) + sum({_rate(names.CELERY_TASK_SUCCEEDED)}))",
            unit="percentunit",
            kind="stat",
        ),
        _panel("Started, by type", (f"sum by (task_type) ({_rate(names.TASKS_STARTED)})", "{{task_type}}"), unit="cps"),
        _panel("Completed, by type", (f"sum by (name) ({_rate(names.CELERY_TASK_SUCCEEDED)})", "{{name}}"), unit="cps"),
        _panel("Failed, by type", (f"sum by (name) ({_rate(names.CELERY_TASK_FAILED)})", "{{name}}"), unit="cps"),
        _panel(
            "Processes that died, by type",
            (f"sum by (name) ({_rate(names.CELERY_TASK_RETRIED)})", "{{name}}"),
            unit="cps",
        ),
        _panel("Duration by type, p95", (_quantile(0.95, names.CELERY_TASK_RUNTIME, "name"), "{{name}}"), unit="s"),
        _panel(
            "Waiting, by queue",
            (f"max by (queue_name) ({names.CELERY_QUEUE_LENGTH}{{$selector}})", "{{queue_name}}"),
        ),
        _panel("Workers wanted", (f"max by (queue) ({names.OPERATOR_QUEUE_DESIRED}{{$selector}})", "{{queue}}")),
        _panel(
            "Handed out and not done", (f"max by (queue) ({names.OPERATOR_QUEUE_UNACKED}{{$selector}})", "{{queue}}")
        ),
        _panel(
            "Starts refused by a quota", (f"sum by (quota) ({_rate(names.QUOTA_REFUSALS)})", "{{quota}}"), unit="cps"
        ),
    ),
)

# The operator's own: of no one service.
OPERATOR: Final = Dashboard(
    "pinnokio-operator",
    "Pinnokio / Operator",
    (
        _panel("Operators that act", f"sum({names.OPERATOR_LEADER})", kind="stat"),
        _panel("Services", (f"max by (phase) ({names.OPERATOR_SERVICES})", "{{phase}}"), kind="stat"),
        _panel(
            "Reconciles", (f"sum by (result) (rate({names.OPERATOR_RECONCILES}[$window]))", "{{result}}"), unit="cps"
        ),
        _panel(
            "Duration of a reconcile",
            *(
                (
                    f"histogram_quantile({each}, sum by (le) (rate({_RECONCILE}_bucket[$window])))",
                    f"p{each * 100:g}",
                )
                for each in (0.5, 0.99)
            ),
            unit="s",
        ),
        _panel("Errors", (f"sum by (error) (rate({names.OPERATOR_ERRORS}[$window]))", "{{error}}"), unit="cps"),
        _panel(
            "Requests to the API server",
            (f"sum by (verb, status) (rate({names.OPERATOR_API_REQUESTS}[$window]))", "{{verb}} {{status}}"),
            unit="reqps",
        ),
        _panel(
            "Changes of the number of workers",
            (f"sum by (queue, reason) ({_rate(names.OPERATOR_DECISIONS)})", "{{queue}} {{reason}}"),
            unit="cps",
        ),
        _panel(
            "Queues that cannot be read",
            (f"{names.OPERATOR_QUEUE_READABLE}{{$selector}} == 0", "{{service}} {{queue}}"),
        ),
    ),
)

DASHBOARDS: Final = (OVERVIEW, REGISTRY, TASKS, OPERATOR)
