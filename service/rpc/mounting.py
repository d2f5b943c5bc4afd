"""Makes the namespaces that RPC_NAMESPACES names: NAME=package.module:factory."""

import importlib
import re
from collections.abc import Mapping
from typing import Final

from service.settings import SettingsError

_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")


class MountError(SettingsError):
    """A namespace that cannot be mounted; the message says which and why."""


def mount(namespaces: Mapping[str, str], own: frozenset[str]) -> dict[str, object]:
    """The objects by name; none may have one of `own`. Raises MountError, so that the process does not start."""
    return {name: _make(name, path, own) for name, path in namespaces.items()}


def _make(name: str, path: str, own: frozenset[str]) -> object:
    if not _NAME.fullmatch(name) or name in own:
        raise MountError(f"RPC_NAMESPACES: {name} is no free name of a namespace (A-Z, 0-9, _)")
    module_name, sign, factory_name = path.partition(":")
    if not sign:
        raise MountError(f"RPC_NAMESPACES: {name} takes package.module:factory, not {path!r}")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError) as fault:
        raise MountError(f"RPC_NAMESPACES: {name}: {fault}") from fault
    return factory()
