"""Runs beat: one process that enqueues each chore when it is due, or runs it itself where BEAT_RUNS names it."""

import time
from typing import Any, cast

from celery import signals
from celery.beat import PersistentScheduler

from service.logs import set_up_logs
from service.settings import Settings
from service.store.celery_message import SENT_AT
from service.worker.app import make_app
from service.worker.log_level import LevelFollower
from service.worker.own_chores import OwnChores
from service.worker.pulse import touch


def run_beat(settings: Settings) -> int:
    """Enqueues until it is told to stop; the answer is the process's exit code."""
    set_up_logs(settings.log_level, settings.log_format, settings.secrets)
    touch(settings.heartbeat_file)
    signals.setup_logging.connect(lambda **_: None, weak=False)
    signals.before_task_publish.connect(_note_sending, weak=False)
    app = make_app(settings)
    chores = OwnChores(settings)
    level = LevelFollower(settings)
    beat = app.Beat(
        loglevel=settings.log_level,
        schedule=settings.beat_schedule_file,
        scheduler_cls=cast(str, _scheduler(settings, chores)),  # Celery takes a class too
        quiet=True,
        # A read-only root file system has no place for it, and a container runs one process.
        pidfile=None,
    )
    level.read_file()
    level.start()
    try:
        beat.run()
    finally:
        chores.stop()
        level.stop()
    return 0


def _note_sending(headers: dict[str, Any], **_: Any) -> None:
    """As our own messages do, so that a chore's waiting is known too."""
    headers[SENT_AT] = round(time.time(), 3)


def _scheduler(settings: Settings, chores: OwnChores) -> type[PersistentScheduler]:
    class Scheduler(PersistentScheduler):
        """Touches the heartbeat file at each look at the schedule, and while the broker is away."""

        def tick(self, *args: Any, **kwargs: Any) -> float:
            touch(settings.heartbeat_file)
            return float(super().tick(*args, **kwargs))

        def apply_entry(self, entry: Any, producer: Any = None) -> None:
            if entry.name in chores.names:
                chores.start(entry.name)
            else:
                super().apply_entry(entry, producer=producer)

        def _ensure_connected(self) -> Any:
            return self.connection.ensure_connection(
                lambda _error, _interval: touch(settings.heartbeat_file), self.app.conf.broker_connection_max_retries
            )

    return Scheduler
