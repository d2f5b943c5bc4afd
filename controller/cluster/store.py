"""What the watches brought: the last known document of each object, by the PinnokioService that it belongs to.

Versions are compared as numbers, which the API server's etcd makes them: an answer to our own write is newer than
the watch's older event, and is kept.
"""

from collections.abc import Callable, Iterable

from contract.kubernetes import LABEL_INSTANCE
from controller.model.base import JsonObject
from controller.model.kinds import POD, Kind, kind_of
from controller.model.service import ServiceKey

_ObjectKey = tuple[Kind, str, str]


class Store:
    """`changed` is called with the PinnokioService of each object that came, changed or went."""

    def __init__(self, changed: Callable[[ServiceKey], None]) -> None:
        self._changed = changed
        self._objects: dict[_ObjectKey, JsonObject] = {}
        self._by_service: dict[ServiceKey, set[_ObjectKey]] = {}

    def documents(self, service: ServiceKey) -> list[JsonObject]:
        """Documents of every kind but pods. They are shared: read only."""
        return [self._objects[key] for key in self._by_service.get(service, ()) if key[0] is not POD]

    def pods(self, service: ServiceKey) -> list[JsonObject]:
        found = (self._objects[key] for key in self._by_service.get(service, ()) if key[0] is POD)
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    def put(self, document: JsonObject) -> None:
        """Keeps it unless a newer version is known."""
        key = _key_of(document)
        known = self._objects.get(key)
        if known is not None and _version(known) >= _version(document):
            return
        if known is not None:
            self._unlink(key, known)
        self._objects[key] = _trimmed(document)
        service = _service_of(document)
        self._by_service.setdefault(service, set()).add(key)
        self._changed(service)

    def remove(self, document: JsonObject) -> None:
        """Forgets it unless it was made again meanwhile."""
        key = _key_of(document)
        known = self._objects.get(key)
        if known is None or _version(known) > _version(document):
            return
        self._unlink(key, self._objects.pop(key))
        self._changed(_service_of(known))

    def replace(self, kind: Kind, namespace: str | None, documents: Iterable[JsonObject], version: str) -> None:
        """A whole list, read at `version`: what is not in it and no newer is gone."""
        listed = set()
        for document in documents:
            listed.add(_key_of(document))
            self.put(document)
        gone = [
            document
            for key, document in self._objects.items()
            if key[0] is kind
            and key not in listed
            and namespace in (None, key[1])
            and _version(document) <= int(version)
        ]
        for document in gone:
            self.remove(document)

    def _unlink(self, key: _ObjectKey, document: JsonObject) -> None:
        service = _service_of(document)
        keys = self._by_service.get(service, set())
        keys.discard(key)
        if not keys:
            self._by_service.pop(service, None)


def _key_of(document: JsonObject) -> _ObjectKey:
    meta = document["metadata"]
    return kind_of(document["apiVersion"], document["kind"]), meta["namespace"], meta["name"]


def _service_of(document: JsonObject) -> ServiceKey:
    meta = document["metadata"]
    return ServiceKey(meta["namespace"], (meta.get("labels") or {}).get(LABEL_INSTANCE, ""))


def _version(document: JsonObject) -> int:
    return int(document["metadata"]["resourceVersion"])


def _trimmed(document: JsonObject) -> JsonObject:
    """Without what nobody here reads: most of a pod, and who set which field."""
    meta = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    kept = document | {"metadata": meta}
    if document["kind"] == POD.name:
        kept.pop("spec", None)
    return kept
