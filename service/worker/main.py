"""Runs a worker container: one parent process that consumes, and a child a slot that works."""

import gc
import os
import sys
from typing import Any

from celery import Celery, bootsteps, signals
from celery.worker import state

from service.logs import set_up_logs
from service.settings import Settings
from service.tasks.declaring import preload
from service.tasks.services import worker_name
from service.worker.app import close_bridge, make_app, open_bridge, watch_in_parent
from service.worker.log_level import LevelFollower
from service.worker.memory import limit_growth, reserve_little
from service.worker.metrics import WorkerMetrics
from service.worker.pool import Pool
from service.worker.pulse import BEAT_S, Load, Peak, Pulse, touch
from service.worker.requests import read_running
from service.worker.transport import use_own_transport


def run_worker(settings: Settings) -> int:
    """Consumes until it is told to stop; the answer is the process's exit code."""
    set_up_logs(settings.log_level, settings.log_format, settings.secrets)
    touch(settings.heartbeat_file)
    use_own_transport()
    app = make_app(settings)
    metrics = WorkerMetrics(settings, _hostname(settings), lambda: [(each.name, each.queue) for each in read_running()])
    peak = Peak()
    watch_in_parent(app, settings, metrics, peak)
    level = LevelFollower(settings)
    _connect_signals(settings, level)
    pulses: list[Pulse] = []
    app.steps["worker"].add(_pulse_step(settings, pulses, metrics, peak, level))
    reserve_little(settings.child_memory_limit_mb)
    preload(settings.celery_queues, settings.task_routes)
    worker = _make_worker(app, settings)
    level.read_file()
    try:
        worker.start()
    finally:
        level.stop()
        for pulse in pulses:
            pulse.stop()
    return int(worker.exitcode or 0)


def _make_worker(app: Celery, settings: Settings) -> Any:
    return app.Worker(
        hostname=_hostname(settings),
        queues=settings.celery_queues,
        concurrency=settings.celery_concurrency,
        loglevel=settings.log_level,
        pool_cls=Pool,
        # Workers need not know each other: each of these is a message a worker to every other, and a key in Valkey.
        without_mingle=True,
        without_gossip=True,
        quiet=True,
    )


def _hostname(settings: Settings) -> str:
    return f"celery@{worker_name(settings)}-{os.getpid()}"


def _connect_signals(settings: Settings, level: LevelFollower) -> None:
    # A receiver for this signal keeps Celery from setting up logs of its own.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    # What is loaded before a fork is shared with the child; a collection in the child would copy its pages.
    signals.worker_before_create_process.connect(lambda **_: gc.freeze(), weak=False)
    signals.worker_process_init.connect(lambda **_: limit_growth(settings.child_memory_limit_mb), weak=False)
    signals.worker_process_init.connect(lambda **_: level.start_in_child(), weak=False)
    signals.worker_process_init.connect(lambda **_: open_bridge(settings), weak=False)
    signals.worker_process_shutdown.connect(lambda **_: close_bridge(), weak=False)


def _pulse_step(
    settings: Settings, pulses: list[Pulse], metrics: WorkerMetrics, peak: Peak, level: LevelFollower
) -> type[bootsteps.StartStopStep]:
    def read_load(worker: Any) -> Load:
        active = len(state.active_requests)
        return Load(active, worker.pool.num_processes, peak.take(active), read_running())

    class PulseStep(bootsteps.StartStopStep):
        """Starts pulse and figures beside the pool, and lets the event loop tick the pulse."""

        requires = ("celery.worker.components:Pool", "celery.worker.components:Hub")

        def start(self, worker: Any) -> None:
            pulse = Pulse(
                settings,
                load=lambda: read_load(worker),
                is_connecting=lambda: getattr(worker.consumer, "connection", None) is None,
                is_stopping=lambda: state.should_stop is not None or state.should_terminate is not None,
            )
            pulses.append(pulse)
            pulse.start()
            # Only now: the pool's first children have no part in a socket, and none is forked within a TLS handshake.
            metrics.serve()
            level.start()

        def register_with_event_loop(self, _worker: Any, hub: Any) -> None:
            for pulse in pulses:
                hub.call_repeatedly(BEAT_S, pulse.tick)

    return PulseStep


def main() -> None:
    """`python -m service.worker.main`: a worker by the environment, without the other parts' imports."""
    sys.exit(run_worker(Settings.from_env(os.environ)))


if __name__ == "__main__":
    main()
