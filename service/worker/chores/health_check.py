"""health_check: whether what this service depends on answers, and how soon; in the log, and for /debug.

A dependency that is not configured is said to be so and is no error. One that hangs keeps none of the others waiting.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from service.domain.errors import ServiceError
from service.domain.health import DISABLED, ERROR, OK, Answer, HealthCheck
from service.gateways.firestore.access import FirebaseMisconfigured, read_access
from service.gateways.firestore.ping import ping_firestore
from service.store.client import VALKEY_FAULTS
from service.store.health import HealthStore
from service.tasks.services import Services
from service.worker.chore import chore

log = structlog.get_logger("pinnokio.maintenance")

LIMIT_S: Final = 5.0


@chore("health_check", every_s=60)
async def check_health(services: Services) -> None:
    answers = await ask_all(services)
    for name, answer in answers.items():
        tell = log.error if answer.status == ERROR else log.info
        more: dict[str, Any] = {"error": answer.error} if answer.error else {}
        tell("health_check", dependency=name, status=answer.status, duration_ms=answer.latency_ms, **more)
    try:
        await HealthStore(services.lane).write(HealthCheck(time.time(), services.worker_id, answers))
    except VALKEY_FAULTS as fault:
        log.error("health_check_not_written", error=repr(fault))


async def ask_all(services: Services, limit_s: float = LIMIT_S) -> dict[str, Answer]:
    """How each dependency answers, all asked at once."""
    gateways = services.gateways

    async def ask_valkey() -> None:
        await services.lane.ask("PING")

    async def ask_firestore() -> None:
        access = read_access(services.settings.firebase)
        if access is not None:
            await ping_firestore(access, limit_s)

    questions: dict[str, tuple[bool, Callable[[], Awaitable[None]]]] = {
        "redis": (True, ask_valkey),
        "firestore": (services.settings.firebase.has_firestore, ask_firestore),
        "chroma": (gateways.chroma.is_configured, gateways.chroma.heartbeat),
        "openai": (gateways.openai.is_configured, lambda: gateways.openai.ping(limit_s)),
    }
    asked = await asyncio.gather(
        *(_ask(ask, limit_s) if is_configured else _not_configured() for is_configured, ask in questions.values())
    )
    return dict(zip(questions, asked, strict=True))


async def _not_configured() -> Answer:
    return Answer(DISABLED)


async def _ask(ask: Callable[[], Awaitable[None]], limit_s: float) -> Answer:
    started = time.perf_counter()
    try:
        async with asyncio.timeout(limit_s):
            await ask()
    except TimeoutError:
        return Answer(ERROR, error=f"no answer within {limit_s:g} s")
    except (ServiceError, FirebaseMisconfigured) as fault:
        return Answer(ERROR, error=str(fault))
    except VALKEY_FAULTS:
        # Its own text may name hosts and ports.
        return Answer(ERROR, error="no answer")
    except Exception as fault:
        log.exception("health_check_failed")
        return Answer(ERROR, error=type(fault).__name__)
    return Answer(OK, latency_ms=round((time.perf_counter() - started) * 1000, 2))
