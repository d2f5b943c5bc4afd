"""How the parts of a PinnokioService fare: figures, and what stands in their way, in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.manifests.target import API, BEAT, FLOWER, VALKEY, WORKER, Target
from controller.model.base import JsonObject
from controller.model.kinds import DEPLOYMENT, STATEFUL_SET
from controller.model.observed import ObjectRef, Observed, ObservedObject

# A pod that waits for its volume is unschedulable for a second or two; one that starts is not ready at once.
UNSCHEDULABLE_GRACE: Final = timedelta(seconds=20)
UNREADY_GRACE: Final = timedelta(seconds=60)
_IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_START_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
CRASH_LOOP: Final = "CrashLoopBackOff"
# Kubelet alternates between the two while it tries again; one word, so that conditions do not flap.
IMAGE_PULL: Final = "ImagePullBackOff"
MESSAGE_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One component or queue: the object that runs it and its figures. `is_current`: runs what the spec says now.

    `needed`: as many make it ready. A queue grows and shrinks all the time, and is ready with its fewest.
    """

    name: str
    component: str
    ref: ObjectRef
    desired: int
    ready: int
    updated: int
    is_current: bool
    needed: int

    @property
    def is_ready(self) -> bool:
        return self.is_current and self.ready >= self.needed and self.updated >= self.needed

    @property
    def title(self) -> str:
        return f"queue {self.name}" if self.component == WORKER else self.name


@dataclass(frozen=True, slots=True)
class Problem:
    """What stands in the way of a part."""

    part: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.part}: {self.message}"


def plan_parts(target: Target, observed: Observed) -> tuple[Part, ...]:
    """Every part that is to run, in the order in which trouble spreads: Valkey, API, workers, beat."""
    spec = target.spec
    parts = []
    if spec.valkey.mode == "embedded":
        parts.append(_part(VALKEY, VALKEY, ObjectRef(STATEFUL_SET, target.valkey_name), 1, observed))
    parts.append(_api_part(target, observed))
    for queue in spec.queues:
        ref = ObjectRef(DEPLOYMENT, target.worker_name(queue.name))
        desired = target.replicas_of(queue)
        parts.append(_part(queue.name, WORKER, ref, desired, observed, min(desired, max(queue.min_replicas, 1))))
    for name in sorted({*target.workers.kept, *target.workers.adopted}):
        ref = ObjectRef(DEPLOYMENT, target.worker_name(name))
        seen = observed.objects.get(ref)
        parts.append(_part(name, WORKER, ref, seen.document["spec"].get("replicas", 1) if seen else 1, observed, 0))
    if target.has_beat:
        parts.append(_part(BEAT, BEAT, ObjectRef(DEPLOYMENT, target.beat_name), 1, observed))
    if spec.flower.enabled:
        parts.append(_part(FLOWER, FLOWER, ObjectRef(DEPLOYMENT, target.flower_name), 1, observed))
    return tuple(parts)


def _api_part(target: Target, observed: Observed) -> Part:
    """With an autoscaler as many are wanted as it says, and the fewest that it may say make it ready."""
    ref, fewest = ObjectRef(DEPLOYMENT, target.api_name), target.spec.api.fewest_replicas
    if target.spec.api.autoscaling is None:
        return _part(API, API, ref, fewest, observed)
    seen = observed.objects.get(ref)
    wanted = seen.document["spec"].get("replicas", fewest) if seen else fewest
    return _part(API, API, ref, wanted, observed, min(wanted, fewest))


def _part(
    name: str, component: str, ref: ObjectRef, desired: int, observed: Observed, needed: int | None = None
) -> Part:
    """`needed` None: all of `desired`."""
    seen = observed.objects.get(ref)
    status = (seen.document.get("status") or {}) if seen else {}
    updated, replicas = status.get("updatedReplicas", 0), status.get("replicas", 0)
    is_current = (
        seen is not None
        and not seen.going
        and status.get("observedGeneration", 0) >= _oldest_generation(seen, observed)
        # Old pods are gone; those of a queue may be more or fewer than wanted for a while.
        and (replicas == desired if needed is None else replicas == updated)
        # A StatefulSet that runs its newest revision alone.
        and status.get("currentRevision") == status.get("updateRevision")
    )
    return Part(
        name=name,
        component=component,
        ref=ref,
        desired=desired,
        ready=status.get("readyReplicas", 0),
        updated=updated,
        is_current=is_current,
        needed=desired if needed is None else needed,
    )


def _oldest_generation(seen: ObservedObject, observed: Observed) -> int:
    """The generation from which on a Deployment runs the same pods as now; since then it was scaled at most."""
    generation: int = seen.document["metadata"].get("generation", 1)
    return observed.unscaled.get(seen.ref, generation)


def find_problems(parts: Iterable[Part], observed: Observed, now: datetime) -> tuple[Problem, ...]:
    """At most one problem a part: its Deployment's, else that of its first failing pod."""
    return tuple(problem for part in parts if (problem := _find_problem(part, observed, now)))


def next_check(observed: Observed, now: datetime) -> timedelta | None:
    """When a pod that is merely slow turns into a problem; None: nothing is waited for."""
    waits = [
        since + grace - now
        for pod in observed.pods
        for since, grace in _graces(pod)
        if since + grace > now and not pod.going
    ]
    return min(waits) + timedelta(seconds=1) if waits else None


def _find_problem(part: Part, observed: Observed, now: datetime) -> Problem | None:
    seen = observed.objects.get(part.ref)
    if seen is None or (part.is_ready and part.ready >= part.desired):
        return None
    for condition in _conditions(seen):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return Problem(part.title, condition.get("reason", "FailedCreate"), condition.get("message", ""))
    for pod in observed.pods:
        if _belongs(pod, part) and not pod.going and (problem := find_pod_problem(part.title, pod, now)):
            return problem
    for condition in _conditions(seen):
        if condition.get("reason") == "ProgressDeadlineExceeded":
            return Problem(part.title, "ProgressDeadlineExceeded", condition.get("message", ""))
    return None


def _belongs(pod: ObservedObject, part: Part) -> bool:
    return pod.component == part.component and (part.component != WORKER or pod.queue == part.name)


def find_pod_problem(part: str, pod: ObservedObject, now: datetime) -> Problem | None:
    name = pod.ref.name
    for container in (pod.document.get("status") or {}).get("containerStatuses") or ():
        if problem := _find_container_problem(part, name, container):
            return problem
    for kind, reason, message in _overdue(pod, now):
        text = f"pod {name} cannot be placed: {message}" if kind == "PodScheduled" else message
        return Problem(part, reason, text)
    return None


def _find_container_problem(part: str, pod: str, container: JsonObject) -> Problem | None:
    """In this order: image, start, crash loop (also between two tries)."""
    waiting = container.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _IMAGE_REASONS:
        # Kubelet's own words change from try to try; they are in the pod's events.
        said = f"pod {pod}: the image {container['image']} cannot be had; correct the image or its pull secret"
        return Problem(part, IMAGE_PULL, said)
    if reason in _START_REASONS:
        return Problem(part, reason, f"pod {pod}: {_shortened(message)}")
    ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
    is_failing = not container.get("ready") and container.get("restartCount", 0) >= 2 and ended
    if reason == CRASH_LOOP or is_failing:
        kind = "OOMKilled" if ended.get("reason") == "OOMKilled" else CRASH_LOOP
        return Problem(part, kind, f"pod {pod} ends again and again {describe_end(ended)}")
    return None


def describe_end(ended: JsonObject) -> str:
    """How a container ended, and its last words. `ended`: its state `terminated`."""
    how = f"({ended.get('reason', 'Error')}, exit code {ended.get('exitCode', '?')})"
    last = _shortened(ended.get("message", ""))
    return f"{how}: {last}" if last else how


def _overdue(pod: ObservedObject, now: datetime) -> Iterator[tuple[str, str, str]]:
    for condition in _conditions(pod):
        since = _time(condition.get("lastTransitionTime"))
        if condition["status"] != "False" or since is None:
            continue
        message = _shortened(condition.get("message", ""))
        if condition["type"] == "PodScheduled" and now - since >= UNSCHEDULABLE_GRACE:
            yield "PodScheduled", condition.get("reason", "Unschedulable"), message
        if condition["type"] == "ContainersReady" and now - since >= UNREADY_GRACE:
            yield "ContainersReady", "NotReady", f"pod {pod.ref.name} runs but its probes fail: {message}"


def _graces(pod: ObservedObject) -> Iterator[tuple[datetime, timedelta]]:
    graces = {"PodScheduled": UNSCHEDULABLE_GRACE, "ContainersReady": UNREADY_GRACE}
    for condition in _conditions(pod):
        since = _time(condition.get("lastTransitionTime"))
        if condition["status"] == "False" and condition["type"] in graces and since is not None:
            yield since, graces[condition["type"]]


def _conditions(seen: ObservedObject) -> list[JsonObject]:
    return (seen.document.get("status") or {}).get("conditions") or []


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _shortened(text: str) -> str:
    """The end of a long text: a traceback's last line says what happened."""
    tight = " ".join(text.split())
    return tight if len(tight) <= MESSAGE_MAX else "…" + tight[-MESSAGE_MAX:]
