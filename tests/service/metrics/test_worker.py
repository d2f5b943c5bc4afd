"""A worker's figures, scraped from a real one, under celery-exporter's names."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract import keys
from contract import metrics as names
from tests.service.conftest import MakeSettings
from tests.service.metrics.samples import Samples, scrape_worker
from tests.service.running_worker import User, Worker, listening_user, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey, free_port
from tests.service.waiting import eventually


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def worker(shared_valkey: RunningValkey, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Worker]:
    with running_worker(shared_valkey, tmp_path_factory.mktemp("worker"), WORKER_METRICS_PORT=str(port)) as running:
        yield running


async def test_tasks_are_counted_by_how_they_ended(worker: Worker, user: User, port: int) -> None:
    await user.start("test_fail", "failing")
    await user.start("test_fail", "refusing", clearly=True)
    await user.start("test_die", "dying")
    for task_id in ("failing", "refusing", "dying"):
        await user.events_until_end(task_id)
    await user.start("test_wait", "cancelled")
    await user.next_event()
    await user.rpc.cancel_task("cancelled")

    async def figures() -> Samples | None:
        samples = await scrape_worker(port)
        # The parent counts when its child has answered, a little after the event.
        return samples if samples.read(f"{names.CELERY_TASK_RUNTIME}_count", name="pinnokio.test_wait") == 1 else None

    samples = await eventually(figures, deadline_s=30)
    failing = {"name": "pinnokio.test_fail", "queue_name": "default"}
    failed = {labels["exception"]: value for labels, value in samples.all(names.CELERY_TASK_FAILED, **failing)}
    assert failed == {"KeyError": 1, "TaskFailure": 1}
    dying = {"name": "pinnokio.test_die", "queue_name": "default"}
    assert samples.read(names.CELERY_TASK_STARTED, **dying) == 2
    assert samples.read(names.CELERY_TASK_RETRIED, **dying) == 1
    assert samples.read(names.CELERY_TASK_SUCCEEDED, **dying) == 1
    assert samples.read(names.TASK_REDELIVERIES, **dying, effect=names.RUN_AGAIN) == 1
    # Once: the second time it waited for nobody.
    assert samples.read(f"{names.TASK_WAITING}_count", **dying) == 1
    assert samples.read(names.CELERY_TASK_REVOKED, name="pinnokio.test_wait") == 1
    assert samples.read(names.CELERY_TASK_SUCCEEDED, name="pinnokio.test_wait") == 0
    assert samples.read(names.CELERY_TASK_FAILED, name="pinnokio.test_wait") == 0
    # What nobody started yet stands at 0, on the queue that it would go to.
    idle = {"name": "pinnokio.document_analysis", "queue_name": "computation"}
    counted = (names.CELERY_TASK_STARTED, names.CELERY_TASK_SUCCEEDED, names.CELERY_TASK_RETRIED)
    assert [samples.read(each, **idle) for each in counted] == [0, 0, 0]
    assert samples.read(names.CELERY_WORKER_UP) == 1


async def test_what_waits_and_what_runs_is_read_at_each_scrape(worker: Worker, user: User, port: int) -> None:
    await user.start("test_wait", "running")
    await user.next_event()
    for number in range(3):
        await user.start("test_fail", f"waiting{number}")
    sent_at = time.time()
    samples = await scrape_worker(port)
    assert samples.read(names.CELERY_QUEUE_LENGTH, queue_name="default") == 3
    assert samples.read(names.CELERY_QUEUE_LENGTH, queue_name="computation") == 0
    assert list(samples.all(names.TASKS_RUNNING)) == [({"name": "pinnokio.test_wait", "queue_name": "default"}, 1)]
    assert samples.read(names.CELERY_WORKER_TASKS_ACTIVE) == 1
    before = samples.count(f"{names.TASK_WAITING}_count", name="pinnokio.test_fail")
    held_s = time.time() - sent_at
    await user.valkey.set(gate("running"), 1)
    for number in range(3):
        await user.events_until_end(f"waiting{number}")
    samples = await scrape_worker(port)
    assert samples.count(f"{names.TASK_WAITING}_count", name="pinnokio.test_fail") == before + 3
    waited_s = samples.count(f"{names.TASK_WAITING}_sum", name="pinnokio.test_fail")
    assert waited_s >= 3 * held_s


async def test_a_message_without_effect_is_a_redelivery(worker: Worker, user: User, port: int) -> None:
    """It came a second time, after its run's end."""
    answer = await user.start("test_echo", "twice", number=1)
    await user.events_until_end("twice")
    run = int(await user.valkey.hget(keys.task("twice"), "run") or 0)
    push = user.queue.build_push(
        "test_echo", "default", task_id="twice", run=run, celery_task_id=answer["celery_task_id"]
    )
    await user.queue.send(push)

    async def count() -> float | None:
        samples = await scrape_worker(port)
        return samples.read(names.TASK_REDELIVERIES, name="pinnokio.test_echo", effect=names.WITHOUT_EFFECT)

    assert await eventually(count, deadline_s=30) == 1


async def test_what_ended_a_task_at_its_limit_is_told(valkey_server: RunningValkey, tmp_path: Path) -> None:
    """One listens to its soft limit, one is killed at the hard one, which only its worker's parent sees."""
    port = free_port()
    limits = {"CELERY_SOFT_TIME_LIMIT_S": "1", "CELERY_HARD_TIME_LIMIT_S": "3", "CELERY_CONCURRENCY": "2"}
    environ = {"WORKER_METRICS_PORT": str(port), "CELERY_QUEUES": "limited", **limits}
    routes = "test_wait=limited,test_ignore_limit=limited"
    async with listening_user("u1", valkey_server, TASK_ROUTES=routes) as user:
        for task_type in ("test_wait", "test_ignore_limit"):
            await user.start(task_type, task_type)
    with running_worker(valkey_server, tmp_path, **environ):

        async def failed() -> dict[tuple[str, str], float] | None:
            samples = (await scrape_worker(port)).all(names.CELERY_TASK_FAILED)
            counts = {(labels["name"], labels["exception"]): value for labels, value in samples if value}
            return counts if len(counts) == 2 else None

        assert await eventually(failed, deadline_s=60) == {
            ("pinnokio.test_wait", "SoftTimeLimitExceeded"): 1,
            ("pinnokio.test_ignore_limit", "TimeLimitExceeded"): 1,
        }


async def test_an_unread_queue_has_no_length(make_settings: MakeSettings) -> None:
    from service.worker.metrics import QueueLengths

    (family,) = QueueLengths(make_settings(LISTENERS_REDIS_PORT=str(free_port()))).collect()
    assert family.samples == []


def test_a_taken_port_costs_the_figures_alone(
    worker: Worker, shared_valkey: RunningValkey, tmp_path: Path, port: int
) -> None:
    with running_worker(shared_valkey, tmp_path, WORKER_METRICS_PORT=str(port)) as second:
        assert second.logged("worker_metrics_not_served")
