"""Whether the legacy registry is written beside the unified one, and the way back from not writing it.

Stopping: everybody on for 24 hours (as long as a legacy entry lives) → a Job verifies → stopped. Back: legacy writes
are published on and acknowledged → a Job copies live users back → what was asked for is switched to. It is not
instant, and says so. The states stand in `controller.model.rollout_status`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from contract.flag import FlagDocument
from contract.keys import LEGACY_TTL_S
from contract.kubernetes import ROLLBACK_FORCE
from contract.restoring import RestoreProgress
from controller.model.rollout import UnifiedRegistry
from controller.model.rollout_status import LegacyState, LegacyStatus, RolloutPhase, RolloutStatus
from controller.plan.audience import choose_audience, is_everybody, is_within
from controller.plan.interval import format_time, read_time
from controller.plan.rollout import FlagSeen, Requests, first_word

WHOLE_BEFORE_STOP: Final = timedelta(seconds=LEGACY_TTL_S)
# Drift mends itself as users register again; a Job that could not run may be able to later.
VERIFY_AGAIN: Final = timedelta(hours=1)
COPY_AGAIN: Final = timedelta(minutes=1)
_REACHED: Final = (RolloutPhase.COMPLETE, RolloutPhase.DIRECT)


class JobState(StrEnum):
    """`DRIFT`: a verification that ran and found some; `FAILED`: a Job that could not do its work."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    DRIFT = "Drift"
    FAILED = "Failed"


class Asked(StrEnum):
    """What a person has just asked for; `FORCED`: to go back without copying live users back."""

    NOTHING = ""
    PROMOTED = "Promoted"
    FORCED = "Forced"


@dataclass(frozen=True, slots=True)
class LegacySeen:
    """`verify` and `restore`: the Jobs of this attempt, None: not there. `known`: the newest flag document. `restored`:
    how far copying back has come, in words. `trouble`: what keeps the Job from its work, in words."""

    known: FlagDocument | None = None
    verify: JobState | None = None
    restore: JobState | None = None
    restored: str = ""
    trouble: str = ""


def next_legacy(
    registry: UnifiedRegistry, state: RolloutStatus, flag: FlagSeen, seen: LegacySeen, now: datetime, asked: Asked
) -> RolloutStatus:
    """What is to be kept next of `legacy` and `whole_since`. `asked`: what a person has just asked for.

    In this order: forced back → Written, nobody copied; stopped and not wanted so any more → Restoring; Restoring →
    acknowledged, then copied, then Written; not wanted stopped → Written; wanted → Waiting, after 24 h Verifying, and
    by its Job Stopped or Drifted; Drifted → Verifying again after an hour, or when promoted.
    """
    document = choose_audience(registry, state)
    whole_since = _next_whole_since(state, document, flag, now)
    legacy = state.legacy
    wants_stop = not registry.legacy_writes and is_everybody(document)
    match legacy.state:
        case LegacyState.STOPPED | LegacyState.RESTORING if asked is Asked.FORCED:
            legacy = _begin(legacy, LegacyState.WRITTEN, now, "forced by hand: live users were not copied back")
        case LegacyState.STOPPED:
            keeps = wants_stop and (seen.known is None or is_within(seen.known, document))
            legacy = legacy if keeps else _begin(legacy, LegacyState.RESTORING, now, _NOT_INSTANT)
        case LegacyState.RESTORING:
            legacy = _restore(legacy, flag, seen, now)
        case _ if not wants_stop:
            legacy = legacy if legacy.state is LegacyState.WRITTEN else _begin(legacy, LegacyState.WRITTEN, now, "")
        case LegacyState.VERIFYING:
            legacy = _judge_verification(legacy, seen, now)
        case LegacyState.DRIFTED if asked is not Asked.PROMOTED and now < _since(legacy, now) + VERIFY_AGAIN:
            pass
        case _:
            legacy = _await_whole(legacy, state, whole_since, now)
    return state.model_copy(update={"legacy": legacy, "whole_since": whole_since})


_NOT_INSTANT: Final = (
    "not instant: the legacy registry was not written; it is again, and live users are copied back into it before"
    " the flag changes"
)
_VERIFYING: Final = "a Job compares both registries"
_WAY_OUT: Final = "mend that, or go back without copying them: kubectl pinnokio rollback --force"


def read_asked(state: RolloutStatus, requests: Requests) -> Asked:
    """What is new since `state` was kept."""
    if requests.rollback and requests.rollback != state.handled_rollback:
        return Asked.FORCED if first_word(requests.rollback) == ROLLBACK_FORCE else Asked.NOTHING
    return Asked.PROMOTED if requests.promote and requests.promote != state.handled_promote else Asked.NOTHING


def next_legacy_look(state: RolloutStatus, now: datetime) -> timedelta | None:
    """When time alone brings something; None: never."""
    due: datetime | None = None
    if state.legacy.state is LegacyState.WAITING and state.whole_since:
        due = read_time(state.whole_since) + WHOLE_BEFORE_STOP
    elif state.legacy.state is LegacyState.DRIFTED:
        due = _since(state.legacy, now) + VERIFY_AGAIN
    elif state.legacy.state is LegacyState.RESTORING:
        return timedelta(seconds=1)
    return max(due - now, timedelta(seconds=1)) if due else None


def _next_whole_since(state: RolloutStatus, document: FlagDocument, flag: FlagSeen, now: datetime) -> str | None:
    """Counts from the acknowledgement by every pod; a Valkey that cannot be read does not begin it anew."""
    if not is_everybody(document):
        return None
    if state.whole_since is None and flag.pods and flag.is_everywhere:
        return format_time(now)
    return state.whole_since


def _await_whole(legacy: LegacyStatus, state: RolloutStatus, whole_since: str | None, now: datetime) -> LegacyStatus:
    if state.phase not in _REACHED or whole_since is None:
        return _begin(legacy, LegacyState.WAITING, now, "waits until the flag is on for everybody")
    due = read_time(whole_since) + WHOLE_BEFORE_STOP
    if now < due:
        text = f"legacy writes stop at {format_time(due)} at the earliest, 24 hours after the flag is on for everybody"
        return _begin(legacy, LegacyState.WAITING, now, text)
    verifying = _begin(legacy, LegacyState.VERIFYING, now, _VERIFYING)
    return verifying.model_copy(update={"attempt": legacy.attempt + 1})


def _judge_verification(legacy: LegacyStatus, seen: LegacySeen, now: datetime) -> LegacyStatus:
    match seen.verify:
        case JobState.SUCCEEDED:
            return _begin(legacy, LegacyState.STOPPED, now, "the unified registry stands alone")
        case JobState.DRIFT:
            text = "the registries drift: see the log of the Job; verified again in an hour, or on promote"
            return _begin(legacy, LegacyState.DRIFTED, now, text)
        case JobState.FAILED:
            text = "the verification could not run: see the log of the Job; tried again in an hour, or on promote"
            return _begin(legacy, LegacyState.DRIFTED, now, text)
        case _:
            return legacy.model_copy(update={"message": seen.trouble or _VERIFYING})


def _restore(legacy: LegacyStatus, flag: FlagSeen, seen: LegacySeen, now: datetime) -> LegacyStatus:
    """The Job starts once every pod writes the legacy registry again: who registers meanwhile is in it."""
    if not legacy.copying:
        if not flag.is_everywhere:
            return legacy
        return legacy.model_copy(
            update={"copying": True, "attempt": legacy.attempt + 1, "since": format_time(now), "message": _NOT_INSTANT}
        )
    if seen.restore is JobState.SUCCEEDED:
        return _begin(legacy, LegacyState.WRITTEN, now, "live users were copied back into the legacy registry")
    if seen.restore is JobState.FAILED:
        if now < _since(legacy, now) + COPY_AGAIN:
            why = seen.trouble or "see the log of the Job"
            text = f"copying live users back failed, tried again: {why}; {_WAY_OUT}"
            return legacy.model_copy(update={"message": text})
        return legacy.model_copy(update={"attempt": legacy.attempt + 1, "since": format_time(now)})
    how_far = f"{seen.trouble}; {_WAY_OUT}" if seen.trouble else seen.restored
    return legacy.model_copy(update={"message": f"{_NOT_INSTANT}: {how_far}" if how_far else _NOT_INSTANT})


def describe_restoring(progress: RestoreProgress, keys: int) -> str:
    """`keys`: as many stand in Valkey, which grow as legacy entries are written."""
    share = min(1.0, progress.scanned / keys) if keys else 1.0
    return f"{share:.0%} of the keys looked at, {progress.live} live users, {progress.restored} copied"


def _begin(legacy: LegacyStatus, state: LegacyState, now: datetime, message: str) -> LegacyStatus:
    since = legacy.since if legacy.state is state else format_time(now)
    return legacy.model_copy(update={"state": state, "since": since, "message": message, "copying": False})


def _since(legacy: LegacyStatus, now: datetime) -> datetime:
    return read_time(legacy.since) if legacy.since else now
