"""A worker's figures, scraped from a real one, under celery-exporter's names."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract import metrics as names
from tests.service.conftest import MakeSettings
from tests.service.running_worker import User, Worker, running_worker
from tests.service.task_types import gate
from tests.service.valkey_server import RunningValkey, free_port
from tests.service.waiting import eventually

Figures = dict[tuple[str, str, str], float]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def worker(shared_valkey: RunningValkey, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Worker]:
    with running_worker(shared_valkey, tmp_path_factory.mktemp("worker"), WORKER_METRICS_PORT=str(port)) as running:
        yield running


async def scrape(port: int) -> Figures:
    """(sample, task, queue) → value."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return {
        (sample.name, sample.labels.get("name", ""), sample.labels.get("queue_name", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_tasks_are_counted_by_how_they_ended(worker: Worker, user: User, port: int) -> None:
    await user.start("test_fail", "failing")
    await user.start("test_die", "dying")
    for task_id in ("failing", "dying"):
        await user.events_until_end(task_id)
    await user.start("test_wait", "cancelled")
    await user.next_event()
    await user.rpc.cancel_task("cancelled")

    async def figures() -> Figures | None:
        read = await scrape(port)
        # The parent counts when its child has answered, a little after the event.
        ran = (f"{names.CELERY_TASK_RUNTIME}_count", "pinnokio.test_wait", "default")
        return read if read.get(ran) == 1 else None

    read = await eventually(figures)
    assert read[names.CELERY_TASK_FAILED, "pinnokio.test_fail", "default"] == 1
    assert read[names.CELERY_TASK_STARTED, "pinnokio.test_die", "default"] == 2
    assert read[names.CELERY_TASK_RETRIED, "pinnokio.test_die", "default"] == 1
    assert read[names.CELERY_TASK_SUCCEEDED, "pinnokio.test_die", "default"] == 1
    assert (names.CELERY_TASK_SUCCEEDED, "pinnokio.test_wait", "default") not in read
    assert (names.CELERY_TASK_FAILED, "pinnokio.test_wait", "default") not in read
    assert read[names.CELERY_WORKER_UP, "", ""] == 1


async def test_what_waits_is_read_at_each_scrape(worker: Worker, user: User, port: int) -> None:
    await user.start("test_wait", "running")
    await user.next_event()
    for number in range(3):
        await user.start("test_fail", f"waiting{number}")
    read = await scrape(port)
    assert read[names.CELERY_QUEUE_LENGTH, "", "default"] == 3
    assert read[names.CELERY_QUEUE_LENGTH, "", "computation"] == 0
    await user.valkey.set(gate("running"), 1)
    for number in range(3):
        await user.events_until_end(f"waiting{number}")


async def test_an_unread_queue_has_no_length(make_settings: MakeSettings) -> None:
    from service.worker.metrics import QueueLengths

    (family,) = QueueLengths(make_settings(LISTENERS_REDIS_PORT=str(free_port()))).collect()
    assert family.samples == []


def test_a_taken_port_costs_the_figures_alone(
    worker: Worker, shared_valkey: RunningValkey, tmp_path: Path, port: int
) -> None:
    with running_worker(shared_valkey, tmp_path, WORKER_METRICS_PORT=str(port)) as second:
        assert second.logged("worker_metrics_not_served")
