"""Celery's prefork pool, with a child that ended while the broker was away.

Celery 5.7 forgets the descriptor by which it waits for a child's end once it has heard of it, and looks the child up
again when it has a connection again and has not yet reaped it: kombu 5.7 refuses `None`, and the worker dies of that.
"""

from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool


class ChildPool(AsynPool):
    """Hears of such a child once more, and reaps it then."""

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        if getattr(proc, "_sentinel_poll", self) is None:
            # Celery makes one where there is none.
            del proc._sentinel_poll
        celerys: Any = super()
        celerys._track_child_process(proc, hub)


class Pool(TaskPool):
    """What the worker is told to use."""

    Pool = ChildPool
