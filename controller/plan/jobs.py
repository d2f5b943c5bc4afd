"""Which Jobs the state of the legacy registry asks for, and how the one under way fares."""

from controller.manifests.job import build_job
from controller.manifests.target import RegistryJob, Target
from controller.model.kinds import JOB
from controller.model.observed import Observed
from controller.model.rollout_status import LegacyState, LegacyStatus
from controller.plan.legacy import JobState


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
