"""What was seen of the objects of one PinnokioService. Raw documents stay inside; None means "not known"."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contract.kubernetes import ANNOTATION_APPLIED, LABEL_COMPONENT, LABEL_JOB, LABEL_MANAGED_BY, LABEL_QUEUE
from controller.model.base import JsonObject
from controller.model.kinds import Kind, kind_of


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object by kind and name, in the namespace of its PinnokioService."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.name} {self.name}"


def ref_of(document: JsonObject) -> ObjectRef:
    """Raises KeyError for a kind that the operator does not know."""
    return ObjectRef(kind_of(document["apiVersion"], document["kind"]), document["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class ObservedObject:
    """One object as last seen. `document` is read only."""

    ref: ObjectRef
    document: JsonObject = field(repr=False)

    @property
    def uid(self) -> str:
        return str(self.document["metadata"]["uid"])

    @property
    def resource_version(self) -> str:
        return str(self.document["metadata"]["resourceVersion"])

    @property
    def going(self) -> bool:
        return "deletionTimestamp" in self.document["metadata"]

    @property
    def owner_uid(self) -> str | None:
        """Uid of the controller; None: nobody's."""
        owners = self.document["metadata"].get("ownerReferences") or ()
        return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)

    @property
    def applied(self) -> str | None:
        """Digest of the manifest that was applied last; None: not by us."""
        return (self.document["metadata"].get("annotations") or {}).get(ANNOTATION_APPLIED)

    @property
    def component(self) -> str:
        return str(self._labels.get(LABEL_COMPONENT, ""))

    @property
    def queue(self) -> str | None:
        return self._labels.get(LABEL_QUEUE)

    @property
    def job(self) -> str | None:
        """Name of the Job that a pod is of."""
        return self._labels.get(LABEL_JOB)

    @property
    def managed_by(self) -> str | None:
        return self._labels.get(LABEL_MANAGED_BY)

    @property
    def _labels(self) -> dict[str, str]:
        return self.document["metadata"].get("labels") or {}


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything seen of one PinnokioService. `settled`: version of an object at which we applied it last;
    `unscaled`: generation of a Deployment from which on nothing but its replicas changed."""

    objects: dict[ObjectRef, ObservedObject]
    pods: tuple[ObservedObject, ...]
    settled: dict[ObjectRef, str]
    unscaled: dict[ObjectRef, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        documents: Iterable[JsonObject],
        pods: Iterable[JsonObject] = (),
        settled: dict[ObjectRef, str] | None = None,
        unscaled: dict[ObjectRef, int] | None = None,
    ) -> "Observed":
        objects = (ObservedObject(ref_of(document), document) for document in documents)
        seen = tuple(ObservedObject(ref_of(document), document) for document in pods)
        return cls({seen.ref: seen for seen in objects}, seen, settled or {}, unscaled or {})

    def joined(self, documents: Iterable[JsonObject]) -> "Observed":
        """With objects that were read one by one beside what the watches brought."""
        more = (ObservedObject(ref_of(document), document) for document in documents)
        return Observed(self.objects | {seen.ref: seen for seen in more}, self.pods, self.settled, self.unscaled)

    def get(self, kind: Kind, name: str) -> ObservedObject | None:
        return self.objects.get(ObjectRef(kind, name))


@dataclass(frozen=True, slots=True)
class Refusal:
    """An object that the API server would not take. `reason` is one word, `message` what it said."""

    ref: ObjectRef
    reason: str
    message: str
