"""The rollout of the flag: what the next step is, from what was observed and where it stood.

`enter_rollout` says what the kept state means for the spec as it is now, and is what may be published;
`next_rollout_step` says what is to be kept next, and is published only once it stands in the status. So a decision is
never carried out that a killed operator would have forgotten.

Phases: Off, Direct (no steps: the audience at once); Publishing (waits until every ready API pod acknowledged) →
Analysing → the next step's Publishing, Inconclusive (too few calls), Paused or Complete; RollingBack → RolledBack.
Whom a step is on for: `controller.plan.audience`. How it is judged: `controller.plan.analysis` and
`controller.plan.checks`. The legacy registry's part: `controller.plan.legacy`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contract.flag import FlagDocument
from contract.kubernetes import PROMOTE_ALL, ROLLBACK_PREVIOUS
from controller.model.rollout import WHOLE_BP, Rollout, UnifiedRegistry
from controller.model.rollout_status import FailedRollout, RolloutFigures, RolloutPhase, RolloutStatus
from controller.plan.analysis import Judgement, Verdict, choose_baseline, describe_figures, judge, p99_ms
from controller.plan.audience import FROZEN, choose_audience, is_everybody, share_bp
from controller.plan.checks import CHECKS_IN_ALL, settle_check
from controller.plan.interval import close_interval, format_time, interval_end, open_interval

BY_HAND: Final = "ByHand"
WATCHED: Final = frozenset(
    {RolloutPhase.ANALYSING, RolloutPhase.INCONCLUSIVE, RolloutPhase.PAUSED, RolloutPhase.ROLLED_BACK}
)
_UNDER_WAY: Final = frozenset({RolloutPhase.PUBLISHING, RolloutPhase.ROLLING_BACK})
_OUTSIDE: Final = frozenset({RolloutPhase.OFF, RolloutPhase.DIRECT})
# These change nothing that an analysis would judge.
_NOT_PART: Final[Mapping[str, Any]] = {
    "debug": True,
    "enabled": True,
    "legacy_writes": True,
    "rollout": {"paused": True},
}


@dataclass(frozen=True, slots=True)
class Requests:
    """What a person asks for by annotations: `promote` and `rollback` act once a value, `paused` while it stands."""

    promote: str = ""
    rollback: str = ""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class FlagSeen:
    """`published`: the document of the step stands in Valkey, `fault`: why it cannot be put there. `acknowledged` of
    `pods` ready ones serve by it; None: not known. `figures`: of the interval under way, None: they cannot be had."""

    published: bool = False
    acknowledged: int | None = None
    pods: int = 0
    figures: RolloutFigures | None = None
    fault: str = ""

    @property
    def is_everywhere(self) -> bool:
        return self.published and self.acknowledged is not None and self.acknowledged >= self.pods


def enter_rollout(
    registry: UnifiedRegistry,
    image: str,
    before: RolloutStatus | None,
    known: FlagDocument | None,
    requests: Requests,
    now: datetime,
) -> RolloutStatus:
    """Where the rollout stands under the spec as it is now. The same answer for the same `before` and `known`.

    In this order: never looked at → what is asked by annotations counts as done; not enabled → Off; going back → as
    it was, whatever changed; taken back, and spec and image are the same → as it was; no steps → Direct; steps as
    before → as it was; else the last step whose users, companies and percentage are on already, or the first. `known`,
    the newest document, tells what is on.
    """
    stamp = format_time(now)
    state = before or RolloutStatus(
        phase=RolloutPhase.OFF,
        since=stamp,
        handled_promote=requests.promote,
        handled_rollback=requests.rollback,
    )
    kept = RolloutStatus(
        phase=state.phase,
        since=state.since,
        legacy=state.legacy,
        whole_since=state.whole_since,
        handled_promote=state.handled_promote,
        handled_rollback=state.handled_rollback,
        spec_hash=hash_plan(registry),
    )
    if not registry.enabled:
        return _in_phase(kept, RolloutPhase.OFF, now)
    if state.phase is RolloutPhase.ROLLING_BACK:
        # What stands in Valkey is still what is being taken back: it says nothing about where to go on.
        return state
    if state.failed is not None and state.failed.spec_hash == hash_attempt(registry, image):
        return state
    if registry.rollout is None:
        return _in_phase(kept, RolloutPhase.DIRECT, now)
    steps = len(registry.rollout.steps)
    is_same = state.spec_hash == kept.spec_hash and state.failed is None
    if is_same and state.phase not in _OUTSIDE and state.step:
        return state.model_copy(update={"steps": steps})
    step = _find_step(registry.rollout, known) or 1
    is_done = state.phase is RolloutPhase.COMPLETE and step == steps
    phase = RolloutPhase.COMPLETE if is_done else RolloutPhase.PUBLISHING
    fields = {"step": step, "steps": steps, "least_bp": share_bp(known), "since": stamp, "baseline": state.baseline}
    return _in_phase(kept.model_copy(update=fields), phase, now)


def next_rollout_step(
    registry: UnifiedRegistry, image: str, state: RolloutStatus, seen: FlagSeen, requests: Requests, now: datetime
) -> RolloutStatus:
    """What is to be kept next. `state`: what `enter_rollout` said.

    In this order: a new request to roll back; a new request to promote; then by phase:
    Publishing → Analysing once every ready pod acknowledged; Analysing, Inconclusive, Paused, RolledBack at a step →
    judged by checks and at the end of the interval; RollingBack → RolledBack once acknowledged; the others stay.
    Example: step 2 of 3, interval over, passed, not paused → step 3, Publishing.
    """
    if requests.rollback != state.handled_rollback:
        state = state.model_copy(update={"handled_rollback": requests.rollback})
        if requests.rollback and registry.enabled:
            to = max(state.step - 1, 0) if first_word(requests.rollback) == ROLLBACK_PREVIOUS else 0
            return _roll_back(registry, image, state, to, BY_HAND, "rolled back by hand", now)
    elif requests.promote != state.handled_promote:
        state = state.model_copy(update={"handled_promote": requests.promote})
        if requests.promote and registry.enabled:
            return _promote(registry, state, requests.promote, now)
    if (
        state.phase in _UNDER_WAY
        and state.legacy.state in FROZEN
        and not is_everybody(choose_audience(registry, state))
    ):
        # What is published is not the step's audience until live users were copied back.
        return state.model_copy(update={"message": state.legacy.message})
    if state.phase is RolloutPhase.ROLLING_BACK:
        return _await_return(registry, state, seen, now)
    if registry.rollout is not None and state.step:
        if state.phase is RolloutPhase.PUBLISHING:
            return _await_pods(registry.rollout, state, seen, requests, now)
        if state.phase in WATCHED:
            return _watch(registry.rollout, registry, image, state, seen, requests, now)
    return state.model_copy(update={"message": _describe(state)})


def _await_pods(
    rollout: Rollout, state: RolloutStatus, seen: FlagSeen, requests: Requests, now: datetime
) -> RolloutStatus:
    if not seen.pods or not seen.is_everywhere:
        return state.model_copy(update={"message": describe_publication(seen)})
    phase = RolloutPhase.PAUSED if _is_paused(rollout, requests) else RolloutPhase.ANALYSING
    return _open(rollout, _in_phase(state, phase, now), now)


def _await_return(registry: UnifiedRegistry, state: RolloutStatus, seen: FlagSeen, now: datetime) -> RolloutStatus:
    """A service all of whose pods are gone is rolled back too."""
    if not seen.is_everywhere:
        return state.model_copy(update={"message": describe_publication(seen)})
    back = _in_phase(state, RolloutPhase.ROLLED_BACK, now)
    if back.step and registry.rollout is not None:
        back = _open(registry.rollout, back, now)
    return back.model_copy(update={"message": _describe(back)})


def _watch(
    rollout: Rollout,
    registry: UnifiedRegistry,
    image: str,
    state: RolloutStatus,
    seen: FlagSeen,
    requests: Requests,
    now: datetime,
) -> RolloutStatus:
    """A pause, and a step that was gone back to, keep from going on, never from going back.

    Within the interval a check that failed fails the interval. At its end the whole of it is judged; one that passes
    is not passed where its last check, however short, failed.
    """
    is_paused = _is_paused(rollout, requests)
    if state.phase is not RolloutPhase.ROLLED_BACK and is_paused != (state.phase is RolloutPhase.PAUSED):
        state = _in_phase(state, RolloutPhase.PAUSED if is_paused else RolloutPhase.ANALYSING, now)
    figures = _with_p99(seen.figures) if seen.figures else state.figures
    state = state.model_copy(update={"figures": figures})
    end = interval_end(rollout, state)
    if end is None:
        return _open(rollout, state, now)
    judgement = judge(seen.figures, state.baseline, rollout.analysis) if now >= end else None
    if judgement is None or judgement.verdict is Verdict.PASSED:
        state, check = settle_check(rollout, state, seen.figures, now)
        if check is not None and check.verdict is Verdict.FAILED:
            return _fail(rollout, registry, image, state, check, now)
    if judgement is None:
        return state.model_copy(update={"message": _describe(state)})
    if judgement.verdict is Verdict.PASSED:
        return _pass(rollout, registry, state, judgement, now)
    if judgement.verdict is Verdict.FAILED:
        return _fail(rollout, registry, image, state, judgement, now)
    held = state
    if state.phase is RolloutPhase.ANALYSING:
        held = _in_phase(state, RolloutPhase.INCONCLUSIVE, now)
    return held.model_copy(update={"message": judgement.message})


def _pass(
    rollout: Rollout, registry: UnifiedRegistry, state: RolloutStatus, judgement: Judgement, now: datetime
) -> RolloutStatus:
    figures = state.figures or RolloutFigures()
    baseline = choose_baseline(figures, state.baseline, rollout.analysis)
    passed = state.model_copy(update={"failures": 0, "check": None, "baseline": baseline, "message": judgement.message})
    if state.phase in (RolloutPhase.PAUSED, RolloutPhase.ROLLED_BACK):
        return _open(rollout, passed, now)
    if state.step >= len(rollout.steps):
        return close_interval(_in_phase(passed, RolloutPhase.COMPLETE, now))
    return _go_to(registry, passed, state.step + 1, f"step {state.step} passed: {judgement.message}", now)


def _fail(
    rollout: Rollout,
    registry: UnifiedRegistry,
    image: str,
    state: RolloutStatus,
    judgement: Judgement,
    now: datetime,
) -> RolloutStatus:
    """Enough in a row → the step before, which passed, or off; else once more.

    `failures` are failed intervals and checks in a row: a clean check takes away those of checks, a passed interval
    all. Checks that fail now and then would begin the interval anew for ever: CHECKS_IN_ALL times `maxFailures` of
    them before an interval passes are enough too.
    Example, maxFailures 2: two failed checks, with none between → back; failed, clean, failed, clean → once more.
    """
    failures, most = state.failures + 1, rollout.analysis.max_failures
    failed_checks = state.check.failed if state.check else 0
    if failures >= most:
        return _roll_back(registry, image, state, state.step - 1, judgement.reason, judgement.message, now)
    if failed_checks >= CHECKS_IN_ALL * most:
        why = f"{judgement.message} (the last of {failed_checks} failed checks, and no interval passed)"
        return _roll_back(registry, image, state, state.step - 1, judgement.reason, why, now)
    again = f"{judgement.message} ({failures} of {most} times in a row)"
    failed = state.model_copy(update={"failures": failures})
    if failed.phase is RolloutPhase.INCONCLUSIVE:
        failed = _in_phase(failed, RolloutPhase.ANALYSING, now)
    return _open(rollout, failed, now).model_copy(update={"message": again})


def _roll_back(
    registry: UnifiedRegistry, image: str, state: RolloutStatus, to: int, reason: str, message: str, now: datetime
) -> RolloutStatus:
    stamp = format_time(now)
    failed = FailedRollout(
        spec_hash=hash_attempt(registry, image), step=state.step, reason=reason, message=message, at=stamp
    )
    fields = {"step": to, "failed": failed, "least_bp": 0, "failures": 0, "since": stamp, "message": message}
    return close_interval(state.model_copy(update=fields | {"phase": RolloutPhase.ROLLING_BACK}))


def _promote(registry: UnifiedRegistry, state: RolloutStatus, request: str, now: datetime) -> RolloutStatus:
    """A rollout that was taken back tries its next step; Complete, Off and Direct have nowhere to go."""
    rollout = registry.rollout
    if rollout is None:
        if state.failed is None:
            return state
        return _in_phase(state.model_copy(update={"failed": None}), RolloutPhase.DIRECT, now)
    last = len(rollout.steps)
    if state.phase is RolloutPhase.COMPLETE:
        return state
    if state.step >= last:
        return close_interval(_in_phase(state.model_copy(update={"failed": None}), RolloutPhase.COMPLETE, now))
    to = last if first_word(request) == PROMOTE_ALL else state.step + 1
    return _go_to(registry, state.model_copy(update={"failed": None, "failures": 0}), to, "promoted by hand", now)


def _go_to(registry: UnifiedRegistry, state: RolloutStatus, step: int, why: str, now: datetime) -> RolloutStatus:
    """`least_bp` stays: a step below what was on before takes nobody away."""
    moved = state.model_copy(
        update={
            "step": step,
            "phase": RolloutPhase.PUBLISHING,
            "since": format_time(now),
            "message": why,
            "spec_hash": hash_plan(registry),
        }
    )
    return close_interval(moved)


def _open(rollout: Rollout, state: RolloutStatus, now: datetime) -> RolloutStatus:
    opened = open_interval(rollout, state, now)
    return opened.model_copy(update={"message": _describe(opened)})


def describe_publication(seen: FlagSeen) -> str:
    if not seen.published:
        why = f" ({seen.fault})" if seen.fault else ""
        return f"Valkey cannot be written now: the step waits, and pods keep what they know{why}"
    if seen.acknowledged is None:
        return "Valkey cannot be read now: who serves by the step is not known"
    if not seen.pods:
        return "no API pod is ready to acknowledge the step"
    return f"{seen.acknowledged} of {seen.pods} ready API pods serve by it"


def _describe(state: RolloutStatus) -> str:
    measured = describe_figures(state.figures) if state.figures else "nothing measured yet"
    if state.failures:
        measured += f"; failures in a row: {state.failures}"
    match state.phase:
        case RolloutPhase.OFF:
            return "off for everybody"
        case RolloutPhase.DIRECT:
            return "on for the audience of the spec, which has no rollout"
        case RolloutPhase.COMPLETE:
            return f"all {state.steps} steps are done"
        case RolloutPhase.ROLLED_BACK:
            why = f"{state.failed.reason}: {state.failed.message}" if state.failed else ""
            return f"taken back from step {state.failed.step if state.failed else '?'}, {why}"
        case RolloutPhase.PAUSED:
            return f"paused; since the interval began: {measured}"
        case _:
            return f"until {state.next_at}: {measured}"


def _find_step(rollout: Rollout, known: FlagDocument | None) -> int:
    """The last step whose users, companies and percentage are on already; 0: none."""
    if known is None or not known.enabled:
        return 0
    share = share_bp(known)
    found = 0
    for place, step in enumerate(rollout.steps, 1):
        is_named = set(step.users) <= set(known.users) and set(step.companies) <= set(known.companies)
        if share >= WHOLE_BP or (is_named and (step.percent_bp is None or step.percent_bp <= share)):
            found = place
    return found


def hash_plan(registry: UnifiedRegistry) -> str:
    """Of what an analysis judges: steps, audience and thresholds. Defaults do not count, so that a newer operator's
    new fields change nothing."""
    text = registry.model_dump_json(exclude=dict(_NOT_PART), exclude_defaults=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def hash_attempt(registry: UnifiedRegistry, image: str) -> str:
    """Of one try: a new image is a new one."""
    return hashlib.sha256(f"{hash_plan(registry)} {image}".encode()).hexdigest()[:12]


def _with_p99(figures: RolloutFigures) -> RolloutFigures:
    on, off = p99_ms(figures.on.latency), p99_ms(figures.off.latency)
    return figures.model_copy(
        update={
            "on": figures.on.model_copy(update={"p99_milliseconds": None if on is None else round(on)}),
            "off": figures.off.model_copy(update={"p99_milliseconds": None if off is None else round(off)}),
        }
    )


def _in_phase(state: RolloutStatus, phase: RolloutPhase, now: datetime) -> RolloutStatus:
    """`since` moves only with the phase."""
    since = state.since if state.phase is phase else format_time(now)
    return state.model_copy(update={"phase": phase, "since": since})


def _is_paused(rollout: Rollout, requests: Requests) -> bool:
    return requests.paused or rollout.paused


def first_word(request: str) -> str:
    words = request.split()
    return words[0].lower() if words else ""
