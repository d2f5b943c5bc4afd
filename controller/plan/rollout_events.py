"""What is told as Events of the flag: the difference between two states of the rollout, in typed reasons."""

from dataclasses import dataclass
from typing import Literal

from controller.model.rollout_status import LegacyState, RolloutPhase, RolloutStatus

_LEGACY: dict[LegacyState, tuple[Literal["Normal", "Warning"], str]] = {
    LegacyState.VERIFYING: ("Normal", "LegacyVerifying"),
    LegacyState.DRIFTED: ("Warning", "LegacyDrifted"),
    LegacyState.STOPPED: ("Normal", "LegacyWritesStopped"),
    LegacyState.RESTORING: ("Warning", "LegacyRestoring"),
}


@dataclass(frozen=True, slots=True)
class RolloutEvent:
    """One Event. `reason` is a word of docs/operations.md."""

    kind: Literal["Normal", "Warning"]
    reason: str
    note: str


def find_rollout_events(before: RolloutStatus | None, after: RolloutStatus) -> list[RolloutEvent]:
    """In the order in which they happened; nothing where only figures differ, or where nobody looked before."""
    if before is None:
        return []
    events = [*_requests(before, after), *_steps(before, after), *_legacy(before, after)]
    return [event for event in events if event is not None]


def _requests(before: RolloutStatus, after: RolloutStatus) -> list[RolloutEvent]:
    if after.handled_promote != before.handled_promote and after.handled_promote:
        return [RolloutEvent("Normal", "PromoteRequested", f"promote: {after.handled_promote}")]
    if after.handled_rollback != before.handled_rollback and after.handled_rollback:
        return [RolloutEvent("Normal", "RollbackRequested", f"rollback: {after.handled_rollback}")]
    return []


def _steps(before: RolloutStatus, after: RolloutStatus) -> list[RolloutEvent]:
    where, events = f"step {after.step} of {after.steps}", []
    has_changed = before.phase is not after.phase
    if after.phase is RolloutPhase.PUBLISHING and (has_changed or before.step != after.step):
        if (
            before.step
            and after.step > before.step
            and before.phase in (RolloutPhase.ANALYSING, RolloutPhase.INCONCLUSIVE)
        ):
            events.append(RolloutEvent("Normal", "StepPassed", after.message))
        events.append(RolloutEvent("Normal", "StepPublishing", f"{where}{_percent(after)}"))
    if after.phase is RolloutPhase.ANALYSING and has_changed:
        resumed = before.phase is RolloutPhase.PAUSED
        reason = "RolloutResumed" if resumed else "StepAnalysing"
        events.append(RolloutEvent("Normal", reason, f"{where}, until {after.next_at}"))
    if after.phase is RolloutPhase.INCONCLUSIVE and has_changed:
        events.append(RolloutEvent("Warning", "StepInconclusive", f"{where} is held: {after.message}"))
    if after.phase is RolloutPhase.PAUSED and has_changed:
        events.append(RolloutEvent("Normal", "RolloutPaused", where))
    if after.phase is RolloutPhase.COMPLETE and has_changed:
        events.append(RolloutEvent("Normal", "RolloutComplete", f"{where}{_percent(after)}"))
    if after.failures > before.failures:
        events.append(RolloutEvent("Warning", "StepFailed", f"{where}: {after.message}"))
    if after.phase is RolloutPhase.ROLLING_BACK and after.failed and (has_changed or before.step != after.step):
        target = f"to step {after.step}" if after.step else "to off"
        note = f"from step {after.failed.step} {target}, {after.failed.reason}: {after.failed.message}"
        events.append(RolloutEvent("Warning", "RollingBack", note))
    if after.phase is RolloutPhase.ROLLED_BACK and has_changed:
        events.append(RolloutEvent("Warning", "RolledBack", after.message))
    return events


def _legacy(before: RolloutStatus, after: RolloutStatus) -> list[RolloutEvent]:
    now, then = after.legacy, before.legacy
    if now.state is then.state:
        return []
    if then.state is LegacyState.RESTORING and now.state is LegacyState.WRITTEN:
        return [RolloutEvent("Normal", "LegacyRestored", now.message)]
    told = _LEGACY.get(now.state)
    return [RolloutEvent(told[0], told[1], now.message)] if told else []


def _percent(state: RolloutStatus) -> str:
    return "" if state.percent is None else f", {state.percent:g} %"
