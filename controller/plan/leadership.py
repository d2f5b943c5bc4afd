"""Who of several operators acts: decided from a Lease as it was read, never from the clocks of two machines."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from contract.kubernetes import ANNOTATION_HOLDER_POD
from controller.model.base import JsonObject
from controller.model.kinds import LEASE

# A holder that did not renew for so long is taken for gone; it stops acting itself well before.
DURATION_S: Final = 15
RENEW_EVERY_S: Final = 4.0
STOP_ACTING_AFTER_S: Final = 10.0


class Verdict(StrEnum):
    """What to do about a Lease that one wants."""

    CREATE = "create"
    TAKE = "take"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who acts. `pod_uid` None: not a pod, or not known."""

    name: str
    pod_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A Lease as read. `unchanged_s`: how long it has stood like this, by the reader's clock. `is_pod_gone`: the pod
    that holds it is not there any more, or has ended; None: not known."""

    lease: JsonObject | None
    unchanged_s: float = 0.0
    is_pod_gone: bool | None = None


def plan_claim(me: Holder, seen: Watched) -> Verdict:
    """In this order: no Lease → create; nobody's, or mine from before a restart → take; its holder's pod is gone →
    take; not renewed for its duration → take; else wait.

    Example: the holder's node is lost: its pod is still told of, so the Lease is free after 15 s without a renewal.
    """
    if seen.lease is None:
        return Verdict.CREATE
    holder = holder_of(seen.lease)
    if holder is None or holder.name == me.name or seen.is_pod_gone:
        return Verdict.TAKE
    duration_s = seen.lease["spec"].get("leaseDurationSeconds") or DURATION_S
    return Verdict.TAKE if seen.unchanged_s >= duration_s else Verdict.WAIT


def holder_of(lease: JsonObject) -> Holder | None:
    """None: nobody."""
    name = (lease.get("spec") or {}).get("holderIdentity")
    annotations = lease["metadata"].get("annotations") or {}
    return Holder(name, annotations.get(ANNOTATION_HOLDER_POD)) if name else None


def is_pod_gone(holder: Holder, pod: JsonObject | None) -> bool:
    """Whether the pod of `holder.name`, as read, is another one, has ended, or is not there."""
    if pod is None or pod["metadata"]["uid"] != holder.pod_uid:
        return True
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def build_lease(name: str, namespace: str, me: Holder, known: JsonObject | None, now: datetime) -> JsonObject:
    """The Lease, held by `me` from now on; `known`: as it stands, whose version it must still have."""
    spec: JsonObject = (known or {}).get("spec") or {}
    is_renewal = spec.get("holderIdentity") == me.name
    stamp = _microtime(now)
    metadata: JsonObject = {"name": name, "namespace": namespace}
    if me.pod_uid:
        metadata["annotations"] = {ANNOTATION_HOLDER_POD: me.pod_uid}
    if known is not None:
        metadata["resourceVersion"] = known["metadata"]["resourceVersion"]
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.name,
        "metadata": metadata,
        "spec": {
            "holderIdentity": me.name,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": spec.get("acquireTime", stamp) if is_renewal else stamp,
            "renewTime": stamp,
            "leaseTransitions": spec.get("leaseTransitions", 0) + (0 if is_renewal or known is None else 1),
        },
    }


def build_release(held: JsonObject, now: datetime) -> JsonObject:
    """The Lease with nobody as its holder: whoever waits for it need not wait longer."""
    spec = {name: value for name, value in held["spec"].items() if name not in ("holderIdentity", "acquireTime")}
    metadata = {name: held["metadata"][name] for name in ("name", "namespace", "resourceVersion")}
    return held | {"metadata": metadata, "spec": spec | {"renewTime": _microtime(now), "leaseDurationSeconds": 1}}


def _microtime(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
