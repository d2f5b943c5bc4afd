"""Which Jobs the state of the legacy registry asks for, how the one under way fares, and what keeps it from work."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from controller.manifests.job import build_job
from controller.manifests.target import RegistryJob, Target
from controller.model.base import JsonObject
from controller.model.kinds import JOB
from controller.model.observed import ObjectRef, Observed, ObservedObject, Refusal
from controller.model.rollout_status import LegacyState, LegacyStatus
from controller.plan.health import Problem, describe_end, find_pod_problem
from controller.plan.legacy import JobState

# Its controller makes a Job's pod at once; what keeps it from that (a quota) stands in no field of the Job.
POD_GRACE: Final = timedelta(seconds=20)
# As many pods of a Job end before it is said: the first may have met a Valkey that was just away.
FAILURES_TOLD: Final = 2
_ENDED: Final = ("Succeeded", "Failed")


def plan_jobs(legacy: LegacyStatus) -> tuple[RegistryJob, ...]:
    """The Job of a verification stays after it found drift: its log says what."""
    if legacy.state in (LegacyState.VERIFYING, LegacyState.DRIFTED):
        return (RegistryJob("verify", legacy.attempt),)
    if legacy.state is LegacyState.RESTORING and legacy.copying:
        return (RegistryJob("restore-legacy", legacy.attempt),)
    return ()


def read_job(target: Target, command: str, observed: Observed) -> JobState | None:
    """None: the target asks for no such Job, or it is not there yet."""
    for job in target.jobs:
        seen = observed.get(JOB, build_job(target, job)["metadata"]["name"]) if job.command == command else None
        if seen is not None:
            return _read_state(seen.document.get("status") or {})
    return None


def find_job_problem(target: Target, observed: Observed, refusals: Iterable[Refusal], now: datetime) -> Problem | None:
    """What keeps the Job that is asked for from its work; None: nothing, or there is none.

    In this order: it is refused; no pod was made for it; its pod cannot start; its pods end one after another. A
    verification that gave up is told as drift is (`controller.plan.legacy`).
    """
    for job, ref in _find_refs(target):
        part = f"Job {ref.name}"
        refused = next((refusal for refusal in refusals if refusal.ref == ref), None)
        if refused is not None:
            return Problem(part, refused.reason, refused.message)
        seen = observed.objects.get(ref)
        if seen is None:
            continue
        state, pods = _read_state(seen.document.get("status") or {}), _pods_of(seen, observed)
        if state is JobState.RUNNING and not pods:
            return _find_absence(part, seen, now)
        if state is JobState.RUNNING or (state, job) == (JobState.FAILED, "restore-legacy"):
            return _find_pods_problem(part, pods, now)
    return None


def next_job_check(target: Target, observed: Observed, now: datetime) -> timedelta | None:
    """When a Job without a pod turns into a problem; None: there is none."""
    for _, ref in _find_refs(target):
        seen = observed.objects.get(ref)
        if seen is not None and not _pods_of(seen, observed) and now < _pod_due(seen):
            return _pod_due(seen) - now + timedelta(seconds=1)
    return None


def _find_refs(target: Target) -> Iterator[tuple[str, ObjectRef]]:
    for job in target.jobs:
        yield job.command, ObjectRef(JOB, build_job(target, job)["metadata"]["name"])


def _pods_of(job: ObservedObject, observed: Observed) -> list[ObservedObject]:
    return [pod for pod in observed.pods if pod.job == job.ref.name]


def _pod_due(job: ObservedObject) -> datetime:
    return datetime.fromisoformat(job.document["metadata"]["creationTimestamp"]) + POD_GRACE


def _find_absence(part: str, job: ObservedObject, now: datetime) -> Problem | None:
    if now < _pod_due(job):
        return None
    return Problem(part, "FailedCreate", "no pod is made for it, as where a quota is used up; see kubectl describe job")


def _find_pods_problem(part: str, pods: list[ObservedObject], now: datetime) -> Problem | None:
    ended = [state for pod in pods if (state := _find_end(pod))]
    for pod in pods:
        is_under_way = not pod.going and _phase(pod) not in _ENDED
        if is_under_way and (problem := find_pod_problem(part, pod, now)):
            return problem
    if len(ended) < FAILURES_TOLD:
        return None
    last = max(ended, key=lambda state: str(state.get("finishedAt")))
    return Problem(part, "JobFails", f"its pods end one after another {describe_end(last)}")


def _phase(pod: ObservedObject) -> str:
    return str((pod.document.get("status") or {}).get("phase"))


def _find_end(pod: ObservedObject) -> JsonObject | None:
    """How a pod that failed ended; None: it did not."""
    if _phase(pod) != "Failed":
        return None
    status = pod.document["status"]
    states = [each.get("state", {}).get("terminated") for each in status.get("containerStatuses") or ()]
    return next((state for state in states if state), {"reason": status.get("reason", "Failed")})


def _read_state(status: dict[str, object]) -> JobState:
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        if condition["status"] != "True":
            continue
        if condition["type"] == "Complete":
            return JobState.SUCCEEDED
        if condition["type"] == "Failed":
            # The Job's rule for the exit code that tells of drift (controller.manifests.job).
            return JobState.DRIFT if condition.get("reason") == "PodFailurePolicy" else JobState.FAILED
    return JobState.RUNNING
