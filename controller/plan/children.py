"""What to apply and what to remove so that the cluster holds what a PinnokioService asks for."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from contract.kubernetes import ANNOTATION_APPLIED, FIELD_MANAGER
from controller.manifests.types import Manifest
from controller.model.base import JsonObject
from controller.model.kinds import DEPLOYMENT, SECRET, STATEFUL_SET
from controller.model.observed import ObjectRef, Observed, ObservedObject, ref_of
from controller.plan.drift import build_removal, digest_of, find_drift


class Cause(StrEnum):
    """Why an object is applied; the word is the reason of the Event."""

    CREATED = "Created"
    UPDATED = "Updated"
    SCALED = "Scaled"
    DRIFT = "DriftCorrected"


@dataclass(frozen=True, slots=True)
class Change:
    """One object to apply. `removal`: a patch that first takes out what others put in; `where`: what differs.

    `replicas`: a number of pods that is ours no more and must be held by another first; left out of what we apply,
    it would fall to 1.
    """

    ref: ObjectRef
    manifest: JsonObject
    cause: Cause
    removal: JsonObject | None = None
    where: tuple[str, ...] = ()
    replicas: int | None = None

    def __str__(self) -> str:
        return f"{self.ref} ({', '.join(self.where)})" if self.where else str(self.ref)


@dataclass(frozen=True, slots=True)
class ChildrenPlan:
    """`waiting`: objects of a deleted namesake that must be gone before ours can stand in their place.

    `taken`: objects of the same name that belong to someone else; they are left alone.
    """

    changes: tuple[Change, ...]
    deletions: tuple[ObservedObject, ...]
    waiting: tuple[ObjectRef, ...]
    taken: tuple[ObjectRef, ...]


def plan_children(
    owner_uid: str, manifests: Iterable[Manifest], observed: Observed, kept: frozenset[str] = frozenset()
) -> ChildrenPlan:
    """In this order: going → wait; of a dead namesake → wait; someone else's → leave; absent → create; another
    number of replicas than applied last → scale; another manifest → update; same manifest, other content → drift;
    else nothing.

    Example: a Deployment scaled by hand carries our digest and other replicas: DriftCorrected, `spec.replicas`.
    What is ours and in no manifest goes, but for workers of the queues `kept`.
    """
    changes, waiting, taken, wanted = [], [], [], set()
    for built in manifests:
        manifest = _signed(cast("JsonObject", built))
        ref = ref_of(manifest)
        wanted.add(ref)
        seen = observed.objects.get(ref)
        if seen is None:
            changes.append(Change(ref, manifest, Cause.CREATED))
        elif seen.going or _is_of_namesake(seen, owner_uid, manifest):
            waiting.append(ref)
        elif not _is_ours(seen, owner_uid):
            taken.append(ref)
        elif change := _plan_change(ref, manifest, seen, observed.settled.get(ref)):
            changes.append(change)
    leftover = [
        seen
        for ref, seen in observed.objects.items()
        if ref not in wanted and seen.owner_uid == owner_uid and not seen.going and seen.queue not in kept
    ]
    return ChildrenPlan(tuple(changes), tuple(leftover), tuple(waiting), tuple(taken))


def choose_removals(plan: ChildrenPlan, undone: Collection[ObjectRef]) -> list[ObservedObject]:
    """What of `plan.deletions` goes although objects could not be applied (`undone`).

    Pods of a Deployment that stays as it was go on using what they did: the Secret, the embedded Valkey and what stands
    around it. All else goes: an entrance must not stay open, and room under a quota is waited for.
    """
    is_outdated = any(
        change.ref in undone and change.ref.kind is DEPLOYMENT and change.cause in (Cause.UPDATED, Cause.DRIFT)
        for change in plan.changes
    )
    stores = {seen.component for seen in plan.deletions if seen.ref.kind is STATEFUL_SET}
    return [
        seen
        for seen in plan.deletions
        if not is_outdated or (seen.ref.kind is not SECRET and seen.component not in stores)
    ]


def _plan_change(ref: ObjectRef, manifest: JsonObject, seen: ObservedObject, settled: str | None) -> Change | None:
    removal = build_removal(manifest, seen.document)
    if seen.applied != manifest["metadata"]["annotations"][ANNOTATION_APPLIED]:
        before, after = _replicas(seen.document), _replicas(manifest)
        if removal is None and None not in (before, after) and seen.applied == _digest_with(manifest, before):
            return Change(ref, manifest, Cause.SCALED, where=(f"{before} → {after}",))
        given_away = before if ref.kind is DEPLOYMENT and after is None else None
        return Change(ref, manifest, Cause.UPDATED, removal, replicas=given_away)
    where = tuple(find_drift(manifest, seen.document))
    if (removal is None and not where) or settled == seen.resource_version:
        return None
    return Change(ref, manifest, Cause.DRIFT, removal, where or ("entries of others",))


def _replicas(document: JsonObject) -> int | None:
    replicas: int | None = document.get("spec", {}).get("replicas")
    return replicas


def _digest_with(manifest: JsonObject, replicas: int | None) -> str:
    """Digest of the manifest, as it was before it was signed, with another number of replicas."""
    meta = dict(manifest["metadata"])
    annotations = {name: value for name, value in meta["annotations"].items() if name != ANNOTATION_APPLIED}
    if annotations:
        meta["annotations"] = annotations
    else:
        del meta["annotations"]
    return digest_of(manifest | {"metadata": meta, "spec": manifest["spec"] | {"replicas": replicas}})


def _is_ours(seen: ObservedObject, owner_uid: str) -> bool:
    """Owned by this PinnokioService, or left behind by one that was deleted with --cascade=orphan."""
    return seen.owner_uid == owner_uid or (seen.owner_uid is None and seen.managed_by == FIELD_MANAGER)


def _is_of_namesake(seen: ObservedObject, owner_uid: str, manifest: JsonObject) -> bool:
    """Whether it belongs to a PinnokioService of the same name that is gone: the garbage collector takes it."""
    ours = manifest["metadata"]["ownerReferences"][0]
    owners = seen.document["metadata"].get("ownerReferences") or ()
    return any(
        owner["kind"] == ours["kind"] and owner["name"] == ours["name"] and owner["uid"] != owner_uid
        for owner in owners
    )


def _signed(manifest: JsonObject) -> JsonObject:
    meta = manifest["metadata"]
    annotations = (meta.get("annotations") or {}) | {ANNOTATION_APPLIED: digest_of(manifest)}
    return manifest | {"metadata": meta | {"annotations": annotations}}
