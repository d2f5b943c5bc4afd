"""The Celery application `pinnokio`: its settings, each with its reason, and the Celery task of every task type.

`celery -A service.worker.app inspect active` finds it as `app`, made when it is first asked for.
"""

import os
from datetime import timedelta
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import Reject, TimeLimitExceeded

from contract.queues import DEFAULT, VISIBILITY_TIMEOUT_S, celery_name, queue_of
from service.settings import Settings, SettingsError
from service.store.broker import broker_configuration
from service.store.client import VALKEY_FAULTS
from service.tasks.declaring import TASKS, TaskKind, load_task_types, route_of
from service.worker.bridge import Bridge
from service.worker.chore import CHORES, MaintenanceKind, load_chores, run_chore
from service.worker.execution import execute
from service.worker.hard_limit import fail_killed_in_background
from service.worker.metrics import WorkerMetrics
from service.worker.pulse import Peak

log = structlog.get_logger("pinnokio.worker")


class _Process:
    """This process's bridge; Celery hands a task no place of ours to keep it in."""

    bridge: Bridge | None = None


def open_bridge(settings: Settings) -> None:
    _Process.bridge = Bridge(settings)


def close_bridge() -> None:
    if _Process.bridge is not None:
        _Process.bridge.close()
        _Process.bridge = None


def make_app(settings: Settings) -> Celery:
    """The application with all task types. Opens no connection. Raises SettingsError for limits that cannot hold."""
    if settings.hard_time_limit_s >= VISIBILITY_TIMEOUT_S:
        raise SettingsError(
            f"CELERY_HARD_TIME_LIMIT_S takes less than {VISIBILITY_TIMEOUT_S} s, after which a message is given again"
        )
    if settings.hard_time_limit_s <= settings.soft_time_limit_s:
        raise SettingsError("CELERY_HARD_TIME_LIMIT_S takes more than CELERY_SOFT_TIME_LIMIT_S")
    load_task_types()
    load_chores()
    app = Celery("pinnokio")
    app.conf.update(configuration(settings))
    for kind in TASKS.values():
        _register_task(app, kind, settings)
    for chore in CHORES.values():
        _register_chore(app, chore, settings)
    return app


def configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings."""
    return broker_configuration(settings) | {
        # Only what we write ourselves is read; pickle would run what a stranger sends.
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_default_queue": DEFAULT,
        # A message is done when its task is: a killed worker's goes to another one …
        "task_acks_late": True,
        # … at once where the parent sees its child die, instead of after the visibility timeout.
        "task_reject_on_worker_lost": True,
        # Results and their times to live are ours (service.store.tasks).
        "task_ignore_result": True,
        # A child that died may have left its answer in the pipe; longer than this no answer takes.
        "worker_lost_wait": 2.0,
        # One message a slot and none in advance: a waiting message is any worker's, and scaling counts it.
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_concurrency": settings.celery_concurrency,
        # A child is replaced after so many tasks, or once it holds so much (KiB): what a library leaks ends there.
        "worker_max_tasks_per_child": settings.tasks_per_child,
        "worker_max_memory_per_child": settings.memory_per_child_mb * 1024,
        "task_soft_time_limit": settings.soft_time_limit_s,
        "task_time_limit": settings.hard_time_limit_s,
        # A pod that starts before Valkey waits for it, for ever; the operator says what is wrong.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A Valkey that answers with a refusal (full, a replica now, loading) is waited for like one that is away; else
        # a worker dies of it, and with it what runs there.
        "broker_channel_error_retry": True,
        # A running task outlives a broken connection: its registry entry is fenced, so a second delivery is harmless.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # After a restart of the broker all slots are free again; nothing was prefetched.
        "worker_enable_prefetch_count_reduction": False,
        # TERM waits for running tasks to end, each within its limit. QUIT gives them this long and puts the rest back.
        "worker_soft_shutdown_timeout": float(settings.soft_shutdown_s),
        # An idle worker has nothing to wait for: no task of ours is fetched ahead of its time (ETA).
        "worker_enable_soft_shutdown_on_idle": False,
        # Our own JSON lines; Celery's formats stay out.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "beat_schedule": _schedule(settings),
        "beat_schedule_filename": settings.beat_schedule_file,
        # Beat touches its heartbeat file each time it looks at its schedule.
        "beat_max_loop_interval": 5,
    }


def _schedule(settings: Settings) -> dict[str, Any]:
    return {
        chore.name: {
            "task": chore.celery_name,
            "schedule": timedelta(seconds=chore.every_s),
            # One that waited for its whole interval is outdone by the next: nothing piles up without workers.
            "options": {"queue": queue_of(chore.name, settings.task_routes), "expires": chore.every_s},
        }
        for chore in CHORES.values()
    }


def watch_in_parent(app: Celery, settings: Settings, metrics: WorkerMetrics, peak: Peak) -> None:
    """Has the parent count what its children do, and take back what a child died at."""
    # Not at the top: it brings Celery's whole worker, which neither beat nor Flower needs.
    from service.worker.requests import make_request_class

    request: Any = make_request_class(settings, metrics, peak)
    for name in (*TASKS, *CHORES):
        app.tasks[celery_name(name)].Request = request
        queue = route_of(name, settings.task_routes) if name in TASKS else queue_of(name, settings.task_routes)
        if queue in settings.celery_queues:
            metrics.expect(celery_name(name), queue)


def _limits(max_duration_s: int, settings: Settings) -> dict[str, Any]:
    """A type's own limit, where it is below the container's; the hard one leaves the same time to end in."""
    soft_s = min(max_duration_s, settings.soft_time_limit_s)
    return {"soft_time_limit": soft_s, "time_limit": soft_s + settings.hard_time_limit_s - settings.soft_time_limit_s}


def _register_task(app: Celery, kind: TaskKind, settings: Settings) -> None:
    def run_task(task: Task[Any, Any], task_id: str, run: int) -> str:
        with _log_context(task, task_type=kind.name, task_id=task_id, run=run):
            bridge = _bridge()
            try:
                # The answer goes to the parent alone, which counts it.
                return bridge.run(execute(kind, task_id, run, bridge)).encode()
            except VALKEY_FAULTS as fault:
                log.exception("task_given_back")
                raise Reject(repr(fault), requeue=True) from fault

    def on_failure(
        _task: Task[Any, Any], exc: Exception, _id: str, _args: Any, kwargs: dict[str, Any], _info: Any
    ) -> None:
        # Celery calls this in the parent when it has killed the task's process.
        if isinstance(exc, TimeLimitExceeded):
            fail_killed_in_background(settings, kwargs["task_id"], kwargs["run"], float(exc.args[0]))

    limits = _limits(kind.max_duration_s, settings)
    # A task of this application alone: Celery gives those of one to every other of the process otherwise.
    declare: Any = app.task(name=kind.celery_name, bind=True, shared=False, on_failure=on_failure, **limits)
    declare(run_task)


def _register_chore(app: Celery, chore: MaintenanceKind, settings: Settings) -> None:
    def run(task: Task[Any, Any]) -> None:
        with _log_context(task, task_type=chore.name):
            bridge = _bridge()
            bridge.run(run_chore(chore, bridge.services, bridge.within_limit))

    declare: Any = app.task(name=chore.celery_name, bind=True, shared=False, **_limits(chore.max_duration_s, settings))
    declare(run)


def _log_context(task: Task[Any, Any], **fields: Any) -> Any:
    trace_id = task.request.get("trace_id")
    return structlog.contextvars.bound_contextvars(**fields, **({"trace_id": trace_id} if trace_id else {}))


def _bridge() -> Bridge:
    if _Process.bridge is None:
        raise RuntimeError("no bridge: this process was not started by service.worker.main")
    return _Process.bridge


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(name)
    globals()["app"] = made = make_app(Settings.from_env(os.environ))
    return made
