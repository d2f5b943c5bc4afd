"""Declares task types. A type is one file under `service/tasks/types/`; docs/tasks.md shows one step by step.

    def start(user_id: Id, company_id: Id, data: dict[str, Any]) -> Start: ...

    @task_type("data_processing", starts={"NEW_SERVICE.process_data": start})
    async def process(context: TaskContext, arguments: Arguments) -> Result: ...

The API reads what `starts` says (methods, their arguments, the id), the worker runs the handler. Taking a run up,
leases, progress, result, failure, cancelling, time limits and fencing are `service.worker.execution`'s: a handler does
its work, calls `context.step_done` and returns its result, or raises TaskFailure with a sentence for the user.
"""

import pkgutil
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from contract.queues import TASK_TYPES, VISIBILITY_TIMEOUT_S, celery_name, queue_of, task_type_of
from service.domain.conversation import LlmUse
from service.domain.progress import NoticesOf, build_notices
from service.domain.quotas import MAX_TASKS_PER_USER
from service.domain.unified import QUOTAS
from service.store.storage import Reservation
from service.store.tasks import Fence
from service.tasks.services import Services

Arguments = dict[str, Any]
Result = dict[str, Any]


class TaskFailure(Exception):
    """The task cannot be done; the text is for the user who started it.

    `logged`: what logs and reports say instead, where the text may quote what the user sent.
    """

    def __init__(self, text: str, *, logged: str | None = None) -> None:
        super().__init__(text)
        self.logged = logged


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
    @property
    def fence(self) -> Fence:
        """Who writes: for a store that refuses what an older run or attempt brings."""

    async def step_done(self, name: str, percent: int, data: dict[str, Any] | None = None) -> None:
        """Tells registry and user that a step is done, and how far the task is (0-100)."""

    async def publish_passing(self, event_type: str, payload: Mapping[str, Any]) -> None:
        """Tells the user something that is not kept for those who come later, in one round trip: a piece of a text."""

    def note_llm_use(self, use: LlmUse) -> None:
        """Says what a model was asked for: the worker's figures count it when the run ends."""

    async def reserve_storage(self, collection_name: str, size_bytes: int) -> Reservation:
        """Keeps bytes of the company's storage quota for a collection; `async with` releases what was not spent.

        Raises TaskFailure where the quota is used up. After each write say what it added: `reservation.spend(bytes)`.
        """

    async def recall(self) -> dict[str, Any]:
        """What earlier attempts of this run remembered, by name; called once, before anything is remembered."""

    async def remember(self, name: str, value: Any) -> None:
        """Writes down how far the run came (JSON), for the next attempt should this one's worker die."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a call asks for. `arguments`: what the handler gets, as JSON; `answer`: what stands in every answer beside
    the ids (`job_id`, …). `task_id` None: a new one; `company_id` None: the user's current one; `conversation_id`: the
    conversation that it goes on with, which the user's and the company's documents then list.
    """

    user_id: str
    arguments: Arguments
    answer: Mapping[str, Any] = field(default_factory=dict)
    task_id: str | None = None
    company_id: str | None = None
    conversation_id: str | None = None


Starter = Callable[..., Start]
Handler = Callable[[TaskContext, Arguments], Coroutine[Any, Any, Result]]


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A task type that users start. `starts`: NAMESPACE.method → what makes a Start of its arguments."""

    name: str
    queue: str
    max_duration_s: int
    handler: Handler
    preload: tuple[str, ...] = ()
    starts: Mapping[str, Starter] = field(default_factory=dict)
    quotas: tuple[str, ...] = (MAX_TASKS_PER_USER,)
    notices: NoticesOf = build_notices

    @property
    def celery_name(self) -> str:
        return celery_name(self.name)


TASKS: dict[str, TaskKind] = {}


def task_type(
    name: str,
    *,
    starts: Mapping[str, Starter] | None = None,
    queue: str | None = None,
    max_duration_s: int | None = None,
    preload: tuple[str, ...] = (),
    quotas: tuple[str, ...] = (MAX_TASKS_PER_USER,),
    notices: NoticesOf = build_notices,
) -> Callable[[Handler], Handler]:
    """Declares a task type that users start.

    `queue` and `max_duration_s`: of a type that `contract.queues` does not know; default `default` and 3,600 s.
    `preload`: modules that it needs and other types do not. Workers of its queue import them once, before they fork;
    nobody else ever does. `quotas`: those that a start counts against (`service.domain.quotas`).
    `notices`: makes the events of each step and of the end; default: a `task.progress_update`.
    Raises ValueError for what cannot be: a second declaration, a method that another type has, an unknown quota, a
    limit above the time after which the broker gives a message again.
    """
    known = task_type_of(name)
    if (max_duration_s or 0) >= VISIBILITY_TIMEOUT_S:
        raise ValueError(f"{name}: max_duration_s takes less than {VISIBILITY_TIMEOUT_S} s: split the work")
    if name in TASK_TYPES and (queue or max_duration_s):
        raise ValueError(f"queue and limit of {name} stand in contract.queues")
    if unknown := set(quotas) - QUOTAS.keys():
        raise ValueError(f"{name}: there is no quota {', '.join(sorted(unknown))}, only {', '.join(QUOTAS)}")

    def declare(handler: Handler) -> Handler:
        _refuse_second(name, starts or {})
        TASKS[name] = TaskKind(
            name,
            queue or known.queue,
            max_duration_s or known.max_duration_s,
            handler,
            preload,
            starts or {},
            quotas,
            notices,
        )
        return handler

    return declare


def load_task_types() -> None:
    """Imports every module under `service.tasks.types`, so that each declares its type. Harmless to repeat."""
    package = import_module("service.tasks.types")
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)


def route_of(task_type: str, routes: Mapping[str, str]) -> str:
    """The queue of a task type, declared or not; `routes` (type → queue) wins."""
    kind = TASKS.get(task_type)
    return routes.get(task_type) or (kind.queue if kind else queue_of(task_type, {}))


def limit_of(task_type: str) -> int:
    """Longest duration of one run, in seconds."""
    kind = TASKS.get(task_type)
    return kind.max_duration_s if kind else task_type_of(task_type).max_duration_s


def quotas_of(task_type: str) -> tuple[str, ...]:
    """The quotas that a start of the type counts against."""
    kind = TASKS.get(task_type)
    return kind.quotas if kind else (MAX_TASKS_PER_USER,)


def notices_of(task_type: str) -> NoticesOf:
    """What makes the events of a report on a task of the type."""
    kind = TASKS.get(task_type)
    return kind.notices if kind else build_notices


def preload(queues: Sequence[str], routes: Mapping[str, str]) -> None:
    """Imports what the types of `queues` need."""
    for kind in TASKS.values():
        if route_of(kind.name, routes) in queues:
            for module in kind.preload:
                import_module(module)


def _refuse_second(name: str, starts: Mapping[str, Starter]) -> None:
    if name in TASKS:
        raise ValueError(f"task type {name} is declared twice")
    for method in starts:
        space, _, short = method.partition(".")
        if not space.isidentifier() or not short.isidentifier() or short.startswith("_"):
            raise ValueError(f"{name}: {method} is no NAMESPACE.method")
        if any(method in kind.starts for kind in TASKS.values()):
            raise ValueError(f"{name}: {method} starts another task type")
