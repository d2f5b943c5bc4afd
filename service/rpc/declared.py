"""The RPC methods that task types declare (`service.tasks.declaring`): each starts a task of its type."""

import functools
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from service.rpc.starting import StartRequest, TaskStarter
from service.tasks.declaring import TASKS, Starter, TaskKind

StartMethod = Callable[..., Awaitable[dict[str, Any]]]


class DeclaredNamespace:
    """A namespace: the methods that declared types have in it, beside those of a subclass."""

    def __init__(self, space: str, starter: TaskStarter) -> None:
        """Raises ValueError where a declared method would hide one of the subclass."""
        for kind in TASKS.values():
            for method, start in kind.starts.items():
                owner, _, name = method.partition(".")
                if owner != space:
                    continue
                if hasattr(type(self), name):
                    raise ValueError(f"{kind.name}: {method} is there already")
                setattr(self, name, _build_method(kind, start, starter))

    def __getattr__(self, name: str) -> StartMethod:
        # Only for what was not declared; it tells type checkers what the rest are.
        raise AttributeError(name)


def build_namespaces(taken: Iterable[str], starter: TaskStarter) -> dict[str, object]:
    """The namespaces that only declared types make up, by name; `taken` have an object of their own."""
    declared = {method.partition(".")[0] for kind in TASKS.values() for method in kind.starts}
    return {space: DeclaredNamespace(space, starter) for space in sorted(declared - set(taken))}


def _build_method(kind: TaskKind, start: Starter, starter: TaskStarter) -> StartMethod:
    # Name, parameters and their types are the declared function's: the dispatcher reads them through `wraps`.
    @functools.wraps(start)
    async def method(*args: Any, **kwargs: Any) -> dict[str, Any]:
        asked = start(*args, **kwargs)
        return await starter.start(
            StartRequest(
                task_type=kind.name,
                task_id=asked.task_id or f"{kind.name}_{uuid.uuid4().hex}",
                user_id=asked.user_id,
                arguments=asked.arguments,
                answer=asked.answer,
                company_id=asked.company_id,
                conversation_id=asked.conversation_id,
            )
        )

    return method
