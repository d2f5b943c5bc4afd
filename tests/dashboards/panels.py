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


def _of_all(metric: str, by: str = "", more: str = "") -> str:
    """What each pod tells alike of the whole service: of one pod each, then summed over services, or by labels."""
    told_once = _of_each(metric, by, more)
    return f"sum by ({by}) ({told_once})" if by else f"sum({told_once})"


def _of_each(metric: str, by: str = "", more: str = "") -> str:
    """The same by service: what adds up to nothing over services."""
    own = f", {by}" if by else ""
    selector = f"{{$selector{',' + more if more else ''}}}"
    return f"max by (namespace, service{own}) ({metric}{selector})"


def _ends(outcomes: str) -> str:
    """Ends of users' tasks a second, as the alert counts them."""
    rate = _rate(names.TASK_ENDS, f'outcome=~"{outcomes}"')
    return f"max by (namespace, service, name, outcome) ({rate})"


def _by_cohort(more: str) -> str:
    return f"sum by (cohort) ({_rate(names.RPC_REQUESTS, more)})"


def _share(part: str, whole: str) -> str:
    """0 where there is a whole and no part of it: what never failed has no series of its failures."""
    return f"({part} or 0 * {whole}) / {whole}"


_DELIVERY: Final = names.EVENT_DELIVERY
_RECONCILE: Final = names.OPERATOR_RECONCILE_DURATION
_SERVICE: Final = "{{namespace}}/{{service}}"
_USED: Final = _of_each(names.QUOTA_USED, "company, quota")
_LIMIT: Final = _of_each(names.QUOTA_LIMIT, "company, quota")
_UNIFIED_OPERATIONS: Final = _rate(names.REGISTRY_OPERATIONS, 'registry="unified"')
_FALLBACKS: Final = (
    f"sum by (operation) ({_rate(names.REGISTRY_FALLBACKS)}) or 0 * sum by (operation) ({_UNIFIED_OPERATIONS})"
)
_COHORTS: Final = f'cohort=~"{names.COHORT_ON}|{names.COHORT_OFF}"'

OVERVIEW: Final = Dashboard(
    "pinnokio-overview",
    "Pinnokio / Overview",
    (
        _panel("Calls per second", f"sum({_rate(names.RPC_REQUESTS)})", unit="reqps", kind="stat"),
        _panel(
            "Failed calls",
            _share(f"sum({_rate(names.RPC_REQUESTS, FAILED)})", f"sum({_rate(names.RPC_REQUESTS)})"),
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
            "Sockets that came back",
            (f"sum({_rate(names.EVENTS_REPLAYED)})", "events sent again"),
            (f"sum({_rate(names.EVENT_RESYNCS)})", "too late: told to resync"),
            unit="cps",
        ),
        _panel("Listeners of Firebase", (f"sum by (kind) ({names.LISTENERS}{{$selector}})", "{{kind}}")),
        _panel(
            "Dependencies that answer",
            (f"min by (dependency) ({_of_each(names.DEPENDENCY_UP, 'dependency')})", "{{dependency}}"),
        ),
        _panel(
            "How soon they answer",
            (f"max by (dependency) ({names.DEPENDENCY_LATENCY}{{$selector}})", "{{dependency}}"),
            unit="s",
        ),
        _panel(
            "Valkey's memory",
            (_of_all(names.VALKEY_MEMORY_USED), "used"),
            (_of_all(names.VALKEY_MEMORY_MAX), "limit"),
            unit="bytes",
        ),
        _panel(
            "Valkey's connections, and keys that it dropped",
            (_of_all(names.VALKEY_CLIENTS), "connections"),
            (f"sum(max by (namespace, service) (increase({names.VALKEY_EVICTED}{{$selector}}[$window])))", "dropped"),
        ),
    ),
)

REGISTRY: Final = Dashboard(
    "pinnokio-registry",
    "Pinnokio / Registry and rollout",
    (
        _panel("Flag is on for", (_of_each(names.OPERATOR_FLAG_PERCENT), _SERVICE), unit="percent", kind="stat"),
        _panel("Step of the rollout", (_of_each(names.OPERATOR_ROLLOUT_STEP), _SERVICE), kind="stat"),
        _panel("Pods that serve by it", (_of_each(names.OPERATOR_FLAG_ACKNOWLEDGED), _SERVICE), kind="stat"),
        _panel("Revision in the pods", (f"{names.FLAG_REVISION}{{$selector}}", "{{pod}}"), kind="stat"),
        _panel("Sessions", _of_all(names.REGISTRY_SESSIONS), kind="stat"),
        _panel("Users", (_of_all(names.REGISTRY_USERS, "registry"), "{{registry}}"), kind="stat"),
        _panel("Users who drifted, of a sample", _of_all(names.REGISTRY_DRIFTED), kind="stat"),
        _panel("Users who were compared", _of_all(names.REGISTRY_COMPARED), kind="stat"),
        _panel("Phase", (_of_each(names.OPERATOR_ROLLOUT_PHASE, "phase"), f"{_SERVICE} {{{{phase}}}}")),
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
            (_FALLBACKS, "{{operation}}"),
            unit="cps",
        ),
        _panel(
            "What they failed at",
            (f"sum by (error) ({_rate(names.REGISTRY_DUAL_WRITE_ERRORS)})", "{{error}}"),
            unit="cps",
        ),
        _panel("Drift by kind", (_of_all(names.REGISTRY_DRIFTS, "kind"), "{{kind}}")),
        _panel("Active users by company", (_of_all(names.REGISTRY_ACTIVE_USERS, "company"), "{{company}}")),
        _panel("Age of these figures", f"max({names.FIGURES_AGE}{{$selector}})", unit="s"),
    ),
)

TASKS: Final = Dashboard(
    "pinnokio-tasks",
    "Pinnokio / Tasks, queues, LLM and quotas",
    (
        _panel("Workers", f"count({names.CELERY_WORKER_UP}{{$selector}} == 1)", kind="stat"),
        _panel("Tasks that wait", f"sum({names.OPERATOR_QUEUE_WAITING}{{$selector}})", kind="stat"),
        _panel("Tasks that run", f"sum({names.OPERATOR_QUEUE_IN_FLIGHT}{{$selector}})", kind="stat"),
        _panel(
            "Failed tasks",
            f"sum({_ends('failed')}) / sum({_ends('completed|failed')})",
            unit="percentunit",
            kind="stat",
        ),
        _panel("Tasks that nobody looks after", _of_all(names.TASKS_STUCK), kind="stat"),
        _panel("Oldest message that waits", f"max({names.QUEUE_OLDEST}{{$selector}})", unit="s", kind="stat"),
        _panel("Tokens a minute", f"60 * sum({_rate(names.LLM_TOKENS)})", kind="stat"),
        _panel("Cost a day at this rate", f"86400 * sum({_rate(names.LLM_COST)})", kind="stat"),
        _panel("Started, by type", (f"sum by (task_type) ({_rate(names.TASKS_STARTED)})", "{{task_type}}"), unit="cps"),
        _panel("Completed, by type", (f"sum by (name) ({_rate(names.CELERY_TASK_SUCCEEDED)})", "{{name}}"), unit="cps"),
        _panel("Running, by type", (f"sum by (name) ({names.TASKS_RUNNING}{{$selector}})", "{{name}}")),
        _panel(
            "Failed, by type and what ended them",
            (f"sum by (name, exception) ({_rate(names.CELERY_TASK_FAILED)})", "{{name}} {{exception}}"),
            unit="cps",
        ),
        _panel(
            "Maintenance's chores, by how they ended",
            (
                f"sum by (name, outcome) (max by (namespace, service, name, outcome) ({_rate(names.CHORE_ENDS)}))",
                "{{name}} {{outcome}}",
            ),
            unit="cps",
        ),
        _panel(
            "Processes that died, by type",
            (f"sum by (name) ({_rate(names.CELERY_TASK_RETRIED)})", "{{name}}"),
            unit="cps",
        ),
        _panel(
            "Taken up again, without effect, given back, cancelled",
            (f"sum by (effect) ({_rate(names.TASK_REDELIVERIES)})", "redelivered: {{effect}}"),
            (f"sum({_rate(names.CELERY_TASK_REJECTED)})", "given back"),
            (f"sum({_rate(names.CELERY_TASK_REVOKED)})", "cancelled"),
            unit="cps",
        ),
        _panel(
            "Waiting by queue, p95", (_quantile(0.95, names.TASK_WAITING, "queue_name"), "{{queue_name}}"), unit="s"
        ),
        _panel(
            "Oldest message by queue", (f"max by (queue) ({names.QUEUE_OLDEST}{{$selector}})", "{{queue}}"), unit="s"
        ),
        _panel("Duration by type, p95", (_quantile(0.95, names.CELERY_TASK_RUNTIME, "name"), "{{name}}"), unit="s"),
        _panel("Waiting, by queue", (_of_all(names.CELERY_QUEUE_LENGTH, "queue_name"), "{{queue_name}}")),
        _panel("Workers wanted", (_of_all(names.OPERATOR_QUEUE_DESIRED, "queue"), "{{queue}}")),
        _panel("Handed out and not done", (_of_all(names.OPERATOR_QUEUE_UNACKED, "queue"), "{{queue}}")),
        _panel(
            "Starts refused by a quota", (f"sum by (quota) ({_rate(names.QUOTA_REFUSALS)})", "{{quota}}"), unit="cps"
        ),
        _panel(
            "Quotas nearest to their limits",
            (f"topk(10, {_USED} / {_LIMIT})", f"{_SERVICE} {{{{company}}}} {{{{quota}}}}"),
            unit="percentunit",
        ),
        _panel(
            "Tokens by model",
            (f"sum by (model, kind) ({_rate(names.LLM_TOKENS)})", "{{model}} {{kind}}"),
            unit="cps",
        ),
        _panel("Cost by model", (f"sum by (model) (3600 * {_rate(names.LLM_COST)})", "{{model}} an hour")),
        _panel(
            "From asking a model to its first text, p95",
            (_quantile(0.95, names.LLM_FIRST_TOKEN, "model"), "{{model}}"),
            unit="s",
        ),
    ),
)

# The operator's own: of no one service.
OPERATOR: Final = Dashboard(
    "pinnokio-operator",
    "Pinnokio / Operator",
    (
        _panel("Operators that act", f"sum({names.OPERATOR_LEADER})", kind="stat"),
        _panel(
            "Services",
            (f"sum by (phase) (max by (namespace, phase) ({names.OPERATOR_SERVICES}))", "{{phase}}"),
            kind="stat",
        ),
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
            (f"1 - {names.OPERATOR_QUEUE_READABLE}{{$selector}}", "{{service}} {{queue}}"),
        ),
    ),
)

DASHBOARDS: Final = (OVERVIEW, REGISTRY, TASKS, OPERATOR)
