"""What a task costs in round trips to Valkey, counted on the wire: a proxy sees who speaks after whom."""

from datetime import UTC, datetime

from service.domain.unified import Registration
from service.store.tasks import parse_begun
from service.tasks.declaring import TASKS
from service.tasks.ending import Ending, end_run
from service.tasks.services import Services
from service.worker.execution import Run
from tests.service import task_types  # noqa: F401 - declares its types
from tests.service.faults.proxy import running_proxy
from tests.service.running_worker import User, listening_user
from tests.service.valkey_server import RunningValkey, settings_for

STEPS = 10


async def begin(user: User, services: Services, task_id: str) -> Run:
    await user.start("test_wait", task_id)
    entry = await services.tasks.read(task_id)
    assert entry is not None
    pipeline = services.quick.pipeline(transaction=False)
    services.tasks.add_begin(pipeline, task_id, entry.run, 60, {"worker_id": "w:1"}, holder="h")
    fence = parse_begun((await pipeline.execute())[0], task_id, entry.run).fence
    return Run(TASKS["test_wait"], entry, fence, services, None)


async def test_a_step_is_one_round_trip_and_an_end_two(valkey_server: RunningValkey) -> None:
    with running_proxy(valkey_server.port) as proxy:
        watched = settings_for(valkey_server.settings, LISTENERS_REDIS_PORT=str(proxy.port))
        services = Services.open(watched)
        async with listening_user("u1", valkey_server) as user:
            run = await begin(user, services, "counted")
            before = proxy.round_trips
            for step in range(STEPS):
                await run.step_done(f"step{step}", step, {"found": step})
            assert proxy.round_trips - before <= STEPS
            for _ in range(STEPS):
                assert (await user.next_event())["payload"]["status"] in ("started", "processing")

            before = proxy.round_trips
            entry = await services.tasks.read("counted")
            assert entry is not None
            assert await end_run(services, entry, run.fence, Ending("step9", result={"done": True}))
            assert proxy.round_trips - before <= 3  # the read above, the end, its event with all that it leaves
            assert (await user.next_event())["payload"]["status"] == "completed"
        await services.close()


async def test_a_start_is_three_round_trips_for_a_known_user(valkey_server: RunningValkey) -> None:
    """Quota, claim, arguments with the message; who the user is and what the limits are is known for a while."""
    with running_proxy(valkey_server.port) as proxy:
        async with listening_user("u1", valkey_server, LISTENERS_REDIS_PORT=str(proxy.port)) as user:
            await user.services.unified.register(Registration("u1", "s1", "", datetime.now(UTC), "acme"))
            await user.start("test_wait", "first")
            before = proxy.round_trips
            await user.start("test_wait", "second")
            assert proxy.round_trips - before <= 3
