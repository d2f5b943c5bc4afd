"""Declares task types. A type is one file under `service/worker/tasks/`:

    @task_type("document_analysis", preload=("service.domain.documents",))
    async def analyse(context: TaskContext, arguments: Arguments) -> Result: ...

Queue and longest duration are `contract.queues`'. Taking a run up, progress, result, failure, time limits and fencing
are `service.worker.execution`'s: a handler does its work, calls `context.step_done` and returns its result, or raises
TaskFailure with a sentence for the user.
"""

import pkgutil
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from contract.queues import celery_name, queue_of, task_type_of
from service.worker.services import Services

Arguments = dict[str, Any]
Result = dict[str, Any]


class TaskFailure(Exception):
    """The task cannot be done; the text is for the user who started it."""


class TaskContext(Protocol):
    """What a handler knows of its task, and how it reports."""

    @property
    def task_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def company_id(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def services(self) -> Services: ...

    async def step_done(self, name: str, percent: int, data: dict[str, Any] | None = None) -> None:
        """Tells registry and user that a step is done, and how far the task is (0-100)."""


Handler = Callable[[TaskContext, Arguments], Coroutine[Any, Any, Result]]
Chore = Callable[[Services], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A task type that users start."""

    name: str
    max_duration_s: int
    handler: Handler
    preload: tuple[str, ...]

    @property
    def celery_name(self) -> str:
        return celery_name(self.name)


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


TASKS: dict[str, TaskKind] = {}
CHORES: dict[str, MaintenanceKind] = {}


def task_type(name: str, *, preload: tuple[str, ...] = ()) -> Callable[[Handler], Handler]:
    """Declares a task type that users start.

    `preload`: modules that it needs and other types do not. Workers of its queue import them once, before they fork;
    the rest never do.
    """

    def declare(handler: Handler) -> Handler:
        _refuse_second(name)
        TASKS[name] = TaskKind(name, task_type_of(name).max_duration_s, handler, preload)
        return handler

    return declare


def chore(name: str, *, every_s: int) -> Callable[[Chore], Chore]:
    """Declares a chore that beat starts."""

    def declare(handler: Chore) -> Chore:
        _refuse_second(name)
        CHORES[name] = MaintenanceKind(name, every_s, task_type_of(name).max_duration_s, handler)
        return handler

    return declare


def load_task_types() -> None:
    """Imports every module under `service.worker.tasks`, so that each declares its type. Harmless to repeat."""
    package = import_module("service.worker.tasks")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)


def preload(queues: Sequence[str], routes: Mapping[str, str]) -> None:
    """Imports what the types of `queues` need."""
    for kind in TASKS.values():
        if queue_of(kind.name, dict(routes)) in queues:
            for module in kind.preload:
                import_module(module)


def _refuse_second(name: str) -> None:
    if name in TASKS or name in CHORES:
        raise ValueError(f"task type {name} is declared twice")
