"""Declares chores, what beat starts every so often (a file each under `service/worker/chores/`); counts their runs."""

import asyncio
import contextlib
import pkgutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import structlog

from contract.queues import celery_name, task_type_of
from service.domain.tasks import COMPLETED, FAILED
from service.store.client import VALKEY_FAULTS
from service.store.task_counts import count
from service.tasks.declaring import TASKS
from service.tasks.services import Services

log = structlog.get_logger("pinnokio.maintenance")

Chore = Callable[[Services], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class MaintenanceKind:
    """A chore that beat starts every `every_s` seconds."""

    name: str
    every_s: int
    max_duration_s: int
    handler: Chore

    @property
    def celery_name(self) -> str:
        return celery_name(self.name)


CHORES: dict[str, MaintenanceKind] = {}


def chore(name: str, *, every_s: int) -> Callable[[Chore], Chore]:
    """Declares a chore that beat starts."""

    def declare(handler: Chore) -> Chore:
        if name in CHORES or name in TASKS:
            raise ValueError(f"chore {name} is declared twice")
        CHORES[name] = MaintenanceKind(name, every_s, task_type_of(name).max_duration_s, handler)
        return handler

    return declare


def load_chores() -> None:
    """Imports every module under `service.worker.chores`, so that each declares its chore. Harmless to repeat."""
    package = import_module("service.worker.chores")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)


async def run_chore(
    chore: MaintenanceKind, services: Services, within_limit: Callable[[Coroutine[Any, Any, None]], Awaitable[None]]
) -> None:
    """Runs it once and counts how it ended. A Valkey that does not answer is logged: the next run comes by itself.

    Raises what the chore or its limit does.
    """
    try:
        await within_limit(chore.handler(services))
    except VALKEY_FAULTS as fault:
        log.warning("chore_failed", error=repr(fault))
        return
    except asyncio.CancelledError:
        raise
    except BaseException:
        # The soft time limit is no `Exception`.
        await _count(services, chore.name, FAILED)
        raise
    await _count(services, chore.name, COMPLETED)


async def _count(services: Services, name: str, outcome: str) -> None:
    with contextlib.suppress(*VALKEY_FAULTS):
        await count(services.quick, name, outcome)
