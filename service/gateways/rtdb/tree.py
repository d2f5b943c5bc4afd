"""The JSON under one path, as the database's `put` and `patch` events build it up. Pure."""

from typing import Any

Tree = Any


def apply_put(tree: Tree, path: str, data: Any) -> Tree:
    """Replaces what is at `path` ("/" is the whole); null removes it. Lists become objects by index."""
    return _put(tree, [part for part in path.split("/") if part], data)


def apply_patch(tree: Tree, path: str, data: Any) -> Tree:
    """Replaces each child of `path` that `data` names; a name may be a path itself."""
    for name, child in (data or {}).items():
        tree = apply_put(tree, f"{path}/{name}", child)
    return tree


def _put(tree: Tree, parts: list[str], data: Any) -> Tree:
    if not parts:
        return data
    node = _children(tree)
    child = _put(node.get(parts[0]), parts[1:], data)
    if child is None or child == {}:
        node.pop(parts[0], None)
    else:
        node[parts[0]] = child
    # As in the database: what has no children is not there.
    return node or None


def _children(tree: Tree) -> dict[str, Any]:
    if isinstance(tree, list):
        return {str(index): child for index, child in enumerate(tree) if child is not None}
    return dict(tree) if isinstance(tree, dict) else {}
