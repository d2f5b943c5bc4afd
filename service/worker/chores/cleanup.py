"""cleanup: takes out what nobody took back: heartbeats of workers that died, and what the registry itself finds."""

import time
from typing import Any

import msgspec
import structlog

from contract import keys
from contract.queues import QUEUES
from service.store.cleanup import RegistryCleanup
from service.store.routes import read_routes
from service.tasks.services import Services
from service.worker.chore import chore

log = structlog.get_logger("pinnokio.maintenance")

# Far above any pause of a living worker, which writes every two seconds.
DEAD_WORKER_S = 600.0


@chore("cleanup", every_s=300)
async def clean_up(services: Services) -> None:
    dead = 0
    routes = services.settings.task_routes | await read_routes(services.valkey)
    for queue in {*QUEUES, *routes.values()}:
        dead += await drop_dead_workers(services, queue, time.time() - DEAD_WORKER_S)
    log.info("cleanup_done", dead_workers=dead, **await RegistryCleanup(services.lane).run())


async def drop_dead_workers(services: Services, queue: str, seen_before: float) -> int:
    """How many workers' heartbeats were older than `seen_before` (seconds since 1970) and are gone now."""
    key = keys.worker_heartbeats(queue)
    beats: dict[Any, Any] = await services.valkey.hgetall(key)
    dead = [name for name, beat in beats.items() if msgspec.json.decode(beat)["seen_at"] < seen_before]
    return int(await services.valkey.hdel(key, *dead)) if dead else 0
