"""Celery as it comes, to measure our task framework against: `python -m benchmarks.bare_celery` runs its worker.

One no-op task. What both sides share: late acknowledgement, one message a slot and none in advance, time limits, JSON,
prefork, Celery's own log level (WARNING). No result backend, no leases, no registry, no events: that is what ours
costs beyond.
"""

import os
import sys
import time
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks.serving import VALKEY_PORT

QUEUE = "bare"


def make_bare_app() -> Celery:
    app = Celery("bare", broker=f"redis://127.0.0.1:{VALKEY_PORT}/0")
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_ignore_result=True,
        task_soft_time_limit=1800,
        task_time_limit=1860,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_concurrency=int(os.environ.get("CELERY_CONCURRENCY", "4")),
        broker_connection_retry_on_startup=True,
    )
    declare: Any = app.task(name="bare.noop")
    declare(noop)
    return app


def noop(key: str | None = None) -> None:
    """Tells when it started, where it is asked to."""
    if key is not None:
        started_at = time.time()
        with Redis(port=VALKEY_PORT) as valkey:
            valkey.rpush(key, started_at)


if __name__ == "__main__":
    make_bare_app().worker_main(["worker", "--without-gossip", "--without-mingle", *sys.argv[1:]])
