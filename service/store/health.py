"""`pinnokio:health`: the last health check, written by a worker, read by /debug."""

import msgspec
import structlog

from contract import keys
from service.domain.health import HealthCheck
from service.store.lane import Lane

log = structlog.get_logger("pinnokio.maintenance")


class HealthStore:
    """Both methods raise redis-py's errors."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def write(self, check: HealthCheck) -> None:
        await self._lane.ask("SET", keys.HEALTH, msgspec.json.encode(check), "EX", keys.HEALTH_TTL_S)

    async def read(self) -> HealthCheck | None:
        """None: there was none lately, or what lies there is none."""
        return parse_health(await self._lane.ask("GET", keys.HEALTH))


def parse_health(raw: bytes | None) -> HealthCheck | None:
    """Reads the answer of GET on the health check's key; None: there is none, or it cannot be read."""
    try:
        return msgspec.json.decode(raw, type=HealthCheck) if raw else None
    except msgspec.DecodeError as fault:
        log.error("health_check_unreadable", error=repr(fault))
        return None
