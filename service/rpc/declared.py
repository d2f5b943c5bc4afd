"""The RPC methods that task types declare (`service.tasks.declaring`): each starts a task of its type."""

import functools
import uuid
from collections.abc import Awaitable, Callable, Container, Mapping
from typing import Any

from service.rpc.starting import StartRequest, TaskStarter
from service.settings import SettingsError
from service.tasks.declaring import TASKS, Starter, TaskKind

StartMethod = Callable[..., Awaitable[dict[str, Any]]]


class DeclaredMethodError(SettingsError):
    """A declared method that nobody could call; the message says which, why, and what to do."""


class DeclaredNamespace:
    """A namespace: the methods that declared types have in it, beside those of a subclass."""

    def __init__(self, space: str, starter: TaskStarter) -> None:
        """Raises DeclaredMethodError where a declared method would hide one of the subclass."""
        for kind in TASKS.values():
            for method, start in kind.starts.items():
                owner, _, name = method.partition(".")
                if owner != space:
                    continue
                if hasattr(type(self), name):
                    raise _refusal(kind, method, f"{space} has a method {name} of its own: take another name")
                setattr(self, name, _build_method(kind, start, starter))

    def __getattr__(self, name: str) -> StartMethod:
        # Only for what was not declared; it tells type checkers what the rest are.
        raise AttributeError(name)


def build_namespaces(
    own: Mapping[str, object], mounted: Container[str], starter: TaskStarter
) -> dict[str, DeclaredNamespace]:
    """The namespaces that only declared types make up, by name; `own` have an object of their own, `mounted` will.

    Raises DeclaredMethodError for a method in one of these that takes none.
    """
    spaces: set[str] = set()
    for kind in TASKS.values():
        for method in kind.starts:
            space = method.partition(".")[0]
            if space in mounted:
                raise _refusal(
                    kind, method, f"RPC_NAMESPACES mounts {space}: take another namespace, for one of the two"
                )
            if space not in own:
                spaces.add(space)
            elif not isinstance(own[space], DeclaredNamespace):
                raise _refusal(kind, method, f"{space} takes no declared methods: take TASK or a namespace of your own")
    return {space: DeclaredNamespace(space, starter) for space in sorted(spaces)}


def _refusal(kind: TaskKind, method: str, why: str) -> DeclaredMethodError:
    return DeclaredMethodError(f"task type {kind.name} cannot be started by {method}: {why}")


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
