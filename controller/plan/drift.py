"""Whether an object on the cluster is what its manifest says. Fields that the manifest does not set are others'."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from controller.model.base import JsonObject
from controller.model.quantity import is_same_quantity

# Lists that Kubernetes merges by a key; any other list is compared entry by entry.
_MERGE_KEYS: Final = {
    "containers": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "ports": "name",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_QUANTITIES: Final = frozenset({"cpu", "memory", "storage"})
# Lists of a pod in which nobody else's entry is left: it would change what the container does.
_OURS_ALONE: Final = ("containers", "initContainers")
_EMPTY: Final[tuple[object, ...]] = (None, "", [], {}, ())


def digest_of(manifest: JsonObject) -> str:
    """Changes when the manifest does; the version that it was read at does not count."""
    meta = {name: value for name, value in manifest["metadata"].items() if name != "resourceVersion"}
    text = json.dumps(manifest | {"metadata": meta}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def find_drift(desired: Any, observed: Any, path: str = "", field: str = "") -> Iterator[str]:
    """Paths at which `observed` is not what `desired` sets. Example: `spec.replicas`.

    An empty value and a missing one are the same (the API server drops empty ones); quantities are compared as
    numbers (`0.5` is `500m`).
    """
    if isinstance(desired, dict) and isinstance(observed, dict):
        for name, value in desired.items():
            yield from find_drift(value, observed.get(name), f"{path}.{name}" if path else name, name)
    elif isinstance(desired, list) and isinstance(observed, list):
        yield from _find_drift_in_list(desired, observed, path, field)
    elif desired in _EMPTY and observed in _EMPTY:
        return
    elif desired != observed and not (field in _QUANTITIES and is_same_quantity(desired, observed)):
        yield path


def _find_drift_in_list(desired: list[Any], observed: list[Any], path: str, field: str) -> Iterator[str]:
    key = _MERGE_KEYS.get(field)
    # Ports of a NetworkPolicy have no name.
    if key is None or not all(key in entry for entry in desired):
        if len(desired) != len(observed):
            yield path
            return
        for index, (left, right) in enumerate(zip(desired, observed, strict=True)):
            yield from find_drift(left, right, f"{path}[{index}]")
        return
    by_key = {entry.get(key): entry for entry in observed}
    for entry in desired:
        yield from find_drift(entry, by_key.get(entry[key]), f"{path}[{entry[key]}]")


def build_removal(desired: JsonObject, observed: JsonObject) -> JsonObject | None:
    """A strategic merge patch that takes foreign containers and variables out of a pod template; None: there are none.

    Server-side apply leaves what another manager added: a variable set by hand would stay for ever.
    """
    wanted, seen = _pod_spec(desired), _pod_spec(observed)
    if wanted is None or seen is None:
        return None
    patch = {
        name: entries for name in _OURS_ALONE if (entries := _removals(wanted.get(name) or [], seen.get(name) or []))
    }
    return {"spec": {"template": {"spec": patch}}} if patch else None


def _removals(desired: list[JsonObject], observed: list[JsonObject]) -> list[JsonObject]:
    wanted = {container["name"]: container for container in desired}
    removals = []
    for container in observed:
        name = container["name"]
        if name not in wanted:
            removals.append({"name": name, "$patch": "delete"})
            continue
        ours = {variable["name"] for variable in wanted[name].get("env") or []}
        foreign = [entry["name"] for entry in container.get("env") or [] if entry["name"] not in ours]
        if foreign:
            gone = [{"name": variable, "$patch": "delete"} for variable in foreign]
            removals.append({"name": name, "env": gone})
    return removals


def _pod_spec(document: JsonObject) -> JsonObject | None:
    spec: JsonObject | None = document.get("spec", {}).get("template", {}).get("spec")
    return spec
