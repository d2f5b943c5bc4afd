"""Finds the method that a call names, and runs it: async ones on the loop, others in a few threads, none for too long.

A namespace is an object; its public methods are callable by RPC, under NAMESPACE.name. Nothing else of it is: no name
that begins with `_`, no attribute that is no method.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from service.domain.errors import CallTimeout, MethodNotFound, NeverBegun
from service.rpc.binding import BoundCall, Method, build_method

# design.md: a process stays under 20 threads; what waits here is a call of a mounted namespace.
THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Call:
    """What the envelope says beside method and arguments. `deadline`: the event loop's clock, in seconds."""

    user_id: str | None
    session_id: str | None
    trace_id: str | None
    deadline: float


# The call under way, for whoever needs it below; None outside one.
current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


class Dispatcher:
    """All methods of all namespaces, read at start-up.

    `namespaces` are ours and their types are checked; `mounted` are others' and taken as they are.
    """

    def __init__(self, namespaces: Mapping[str, object], mounted: Mapping[str, object] | None = None) -> None:
        self._methods: dict[str, Method] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rpc")
        for space, owner in namespaces.items():
            self._add(space, owner, is_typed=True)
        for space, owner in (mounted or {}).items():
            self._add(space, owner, is_typed=False)

    @property
    def methods(self) -> Mapping[str, Method]:
        """By NAMESPACE.name."""
        return self._methods

    def prepare(self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> BoundCall:
        """Raises MethodNotFound or InvalidArguments; nothing has run then."""
        found = self._methods.get(method)
        if found is None:
            raise MethodNotFound(method)
        return found.bind(args, kwargs)

    async def run(self, bound: BoundCall, deadline: float) -> Any:
        """The method's answer; CallTimeout where `deadline` (the event loop's clock) passes first, NeverBegun where it
        had passed before the method began.

        A method that runs in a thread cannot be stopped: it ends by itself, unheard.
        """
        if deadline <= asyncio.get_running_loop().time():
            raise _never_begun(bound)
        scope = asyncio.timeout_at(deadline)
        in_thread = None if bound.method.is_async else self._in_thread(bound)
        try:
            async with scope:
                if in_thread is None:
                    return await bound()
                answer = await asyncio.wrap_future(in_thread)
                return await answer if inspect.isawaitable(answer) else answer
        except TimeoutError:
            # One that the method itself raised is its own failure.
            if scope.expired():
                if in_thread is not None and in_thread.cancelled():
                    raise _never_begun(bound) from None
                raise CallTimeout(f"{bound.method.name} ran longer than it was given") from None
            raise

    async def call(self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, timeout_s: float = 120) -> Any:
        """`prepare` and `run`."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        return await self.run(self.prepare(method, args, kwargs), deadline)

    def close(self) -> None:
        """What runs in a thread ends by itself; what waits for one does not start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _in_thread(self, bound: BoundCall) -> Future[Any]:
        return self._threads.submit(contextvars.copy_context().run, _run_contained, bound)

    def _add(self, space: str, owner: object, *, is_typed: bool) -> None:
        for name, function in public_methods(owner, is_ours=is_typed):
            path = f"{space}.{name}"
            self._methods[path] = build_method(path, function, is_typed=is_typed)


def _never_begun(bound: BoundCall) -> NeverBegun:
    return NeverBegun(f"{bound.method.name} was not begun within the time it was given")


def _run_contained(bound: BoundCall) -> Any:
    try:
        return bound()
    except (SystemExit, StopIteration) as fault:
        # The first would end the process, the second cannot be handed to a future.
        raise RuntimeError(f"{bound.method.name} raised {type(fault).__name__}") from fault


def public_methods(owner: object, *, is_ours: bool = False) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Names and bound methods of an object, or the functions of a module that are its own.

    Looked up in its class, without touching properties; classes and other callable attributes are no methods, and what
    dict or Exception bring along without a signature cannot be called by name. `is_ours`: the object's own functions
    are methods too (`service.rpc.declared`).
    """
    if is_ours or isinstance(owner, ModuleType):
        module = owner.__name__ if isinstance(owner, ModuleType) else None
        for name, found in vars(owner).items():
            if not name.startswith("_") and inspect.isfunction(found) and module in (None, found.__module__):
                yield name, found
    if isinstance(owner, ModuleType):
        return
    kind = owner if inspect.isclass(owner) else type(owner)
    for name in dir(kind):
        if name.startswith("_"):
            continue
        found = inspect.getattr_static(kind, name)
        if isinstance(found, (staticmethod, classmethod)) or inspect.isroutine(found) or _is_wrapped(found):
            method = getattr(owner, name)
            if _has_signature(method):
                yield name, method


def _has_signature(method: Callable[..., Any]) -> bool:
    try:
        inspect.signature(method)
    except (ValueError, TypeError):
        return False
    return True


def _is_wrapped(found: object) -> bool:
    """A method behind a decorator that is no function, as functools.lru_cache makes it."""
    return callable(found) and not inspect.isclass(found) and inspect.isfunction(getattr(found, "__wrapped__", None))
