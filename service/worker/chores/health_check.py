"""health_check: says in the log whether what the workers depend on answers."""

import time

import structlog

from service.store.client import VALKEY_FAULTS
from service.tasks.services import Services
from service.worker.chore import chore

log = structlog.get_logger("pinnokio.maintenance")


@chore("health_check", every_s=60)
async def check_health(services: Services) -> None:
    started = time.perf_counter()
    try:
        await services.valkey.ping()
    except VALKEY_FAULTS as fault:
        log.error("health_check", dependency="redis", status="error", error=repr(fault))
    else:
        duration_ms = round((time.perf_counter() - started) * 1000, 2)
        log.info("health_check", dependency="redis", status="ok", duration_ms=duration_ms)
