"""Declares chores: what beat starts every so often, a file each under `service/worker/chores/`."""

import pkgutil
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from contract.queues import celery_name, task_type_of
from service.tasks.declaring import TASKS
from service.tasks.services import Services

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
