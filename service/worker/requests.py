"""What the parent does with a task that a child works at: it counts, and sees when the child dies.

A dead child's run goes back to `queued` before its message does, so that the message finds no living lease. A task that
took its process down too often is ended instead, and its message has no effect then. When Valkey does not answer, the
lease runs out and maintenance does the same.
"""

import time
from typing import Any

import redis
import structlog
from billiard.exceptions import WorkerLostError
from celery.exceptions import Reject, Terminated
from celery.worker import state
from celery.worker.request import Request
from structlog.contextvars import bound_contextvars

from contract.metrics import LOST_PROCESS
from contract.queues import task_type_named
from service.settings import Settings
from service.store.celery_message import SENT_AT
from service.store.recovery import Lost, take_from_dead_process
from service.store.task_counts import count_plainly
from service.tasks.services import worker_name
from service.worker.hard_limit import cancel_revoked_in_background, end_lost_in_background
from service.worker.metrics import WorkerMetrics
from service.worker.plain_client import connect_plainly
from service.worker.pulse import Peak, RunningTask
from service.worker.report import parse_report

log = structlog.get_logger("pinnokio.worker")


def make_request_class(settings: Settings, metrics: WorkerMetrics, peak: Peak) -> type[Request]:
    """Celery's request of a task, which its parent holds while a child works at it."""

    class CountedRequest(Request):
        def __init_subclass__(cls) -> None:
            # Celery makes a subclass a task type, with an `on_success` of its own that does not ask this class.
            success = cls.on_success

            def on_success(self: Any, failed__retval__runtime: Any, **kwargs: Any) -> Any:
                is_failed, answer, runtime_s = failed__retval__runtime
                if not is_failed:
                    metrics.ended(self.name, self.queue, parse_report(answer), runtime_s)
                return success(self, failed__retval__runtime, **kwargs)

            cls.on_success = on_success  # type: ignore[method-assign]

        @property
        def queue(self) -> str:
            return str(self.delivery_info.get("routing_key") or "")

        def on_accepted(self, pid: Any, time_accepted: Any) -> Any:
            metrics.started(self.name, self.queue, _waited_s(self))
            answer = super().on_accepted(pid, time_accepted)
            peak.note(len(state.active_requests))
            return answer

        def _announce_revoked(self, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
            # A message that expired is a chore's.
            if not expired:
                _cancel(settings, metrics, self, is_terminated=terminated)
            celerys: Any = super()
            celerys._announce_revoked(reason, terminated, signum, expired)

        def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
            _note_failure(settings, metrics, self, exc_info)
            return super().on_failure(exc_info, *args, **kwargs)

    return CountedRequest


def _note_failure(settings: Settings, metrics: WorkerMetrics, request: Any, exc_info: Any) -> None:
    fault = getattr(exc_info.exception, "exc", exc_info.exception)
    if request._already_revoked or isinstance(fault, Terminated):
        # Counted and ended where that is announced.
        return
    if isinstance(fault, WorkerLostError):
        metrics.died(request.name, request.queue)
        # A chore has no task.
        if "task_id" in request.kwargs:
            task_id, run = request.kwargs["task_id"], request.kwargs["run"]
            with bound_contextvars(task_id=task_id, run=run, trace_id=request.request_dict.get("trace_id")):
                _take_back(settings, request.name, task_id, run)
    elif isinstance(fault, Reject):
        metrics.rejected(request.name, request.queue)
    else:
        metrics.failed(request.name, request.queue, type(fault).__name__)


def _cancel(settings: Settings, metrics: WorkerMetrics, request: Any, *, is_terminated: bool) -> None:
    metrics.revoked(request.name, request.queue)
    if "task_id" in request.kwargs:
        task_id, run = request.kwargs["task_id"], request.kwargs["run"]
        cancel_revoked_in_background(settings, task_id, run, is_terminated=is_terminated)


def _waited_s(request: Request) -> float | None:
    """None: the message does not say when it was sent, or was handed out before."""
    sent_at = request.request_dict.get(SENT_AT)
    if not isinstance(sent_at, (int, float)) or request.delivery_info.get("redelivered"):
        return None
    return time.time() - sent_at


def read_running() -> list[RunningTask]:
    """What children work at now; asked from a thread beside the event loop."""
    while True:
        try:
            return [
                RunningTask(each.name, each.queue, each.kwargs.get("task_id"), each.time_start or time.time())
                for each in list(state.active_requests)
            ]
        except RuntimeError:
            # One was taken up while the set was copied.
            continue


def _take_back(settings: Settings, name: str, task_id: str, run: int) -> None:
    lost: Lost | None = None
    try:
        with connect_plainly(settings) as valkey:
            lost = take_from_dead_process(valkey, task_id, run, worker_name(settings))
            if lost.is_new:
                count_plainly(valkey, task_type_named(name), LOST_PROCESS)
    except (redis.RedisError, OSError) as fault:
        log.warning("task_lease_not_given_back" if lost is None else "task_loss_not_counted", error=repr(fault))
    if lost is None:
        return
    log.warning("task_process_died", outcome=lost.outcome)
    if lost.outcome in ("lost", "cancelled"):
        end_lost_in_background(settings, lost)
