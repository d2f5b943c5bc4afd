"""Conditions and phase by the Kubernetes API conventions: a status that did not change keeps its time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from controller.model.kinds import STATEFUL_SET
from controller.model.observed import ObjectRef, Refusal
from controller.model.rollout_status import LegacyState, RolloutPhase, RolloutStatus
from controller.model.service import InvalidSpec
from controller.model.status import (
    DEGRADED,
    FLAG_ROLLOUT,
    PAUSED,
    PROGRESSING,
    READY,
    Condition,
    ConditionStatus,
    Phase,
    Status,
)
from controller.plan.health import Part, Problem
from controller.plan.scaling import FAREWELLS, QueueView

MESSAGE_MAX: Final = 1024
_REACHED: Final = (RolloutPhase.OFF, RolloutPhase.DIRECT, RolloutPhase.COMPLETE)
INVALID_SPEC: Final = "InvalidSpec"
NAME_TAKEN: Final = "NameTaken"
VALKEY_UNREACHABLE: Final = "ValkeyUnreachable"
VALKEY_IN_USE: Final = "ValkeyInUse"


@dataclass(slots=True)
class Finding:
    """What one reconcile found. `invalid`: the spec cannot be acted on; the rest is by the last valid one then, and
    `parts` is empty where none is known. `queues`: what was seen in Valkey; `valkey_fault`: why nothing can be seen.

    `acknowledged` of `flag_pods` ready API pods serve by the flag's revision, None: not known. `rollout`: where the
    rollout of the flag stands, None: no spec is known. `valkey_owner`: another PinnokioService that its Valkey
    serves already; None: none that is known of. `held`: what is not as the spec says and stays so while it is paused;
    `flag_held`: whether the flag is among it. `failed`: what could not be applied now and is tried again, with why.
    `job_problem`: what keeps the Job of a registry from its work.
    """

    invalid: InvalidSpec | None = None
    parts: Sequence[Part] = ()
    problems: Sequence[Problem] = ()
    refusals: Sequence[Refusal] = ()
    taken: Sequence[ObjectRef] = ()
    waiting: Sequence[ObjectRef] = field(default=())
    paused: bool = False
    queues: Mapping[str, QueueView] = field(default_factory=dict)
    valkey_fault: str | None = None
    acknowledged: int | None = None
    flag_pods: int = 0
    rollout: RolloutStatus | None = None
    valkey_owner: str | None = None
    held: Sequence[ObjectRef] = ()
    flag_held: bool = False
    job_problem: Problem | None = None
    failed: Mapping[ObjectRef, str] = field(default_factory=dict)

    @property
    def is_awaited(self) -> bool:
        """Whether pods have yet to acknowledge the flag."""
        return self.acknowledged is not None and self.acknowledged < self.flag_pods


@dataclass(frozen=True, slots=True)
class _Said:
    status: ConditionStatus
    reason: str
    message: str


def plan_conditions(found: Finding, previous: Status | None, generation: int, now: datetime) -> tuple[Condition, ...]:
    """Ready, Progressing, Degraded, Paused and FlagRollout, each with the time at which its status last changed."""
    degraded = _say_degraded(found)
    ready = _say_ready(found)
    said: tuple[tuple[Literal["Ready", "Progressing", "Degraded", "Paused", "FlagRollout"], _Said], ...] = (
        (READY, ready),
        (PROGRESSING, _say_progressing(found, ready, degraded)),
        (DEGRADED, degraded),
        (PAUSED, _say_paused(found)),
        (FLAG_ROLLOUT, _say_rollout(found)),
    )
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = []
    for kind, words in said:
        before = previous.condition(kind) if previous else None
        kept = before.last_transition_time if before and before.status == words.status else stamp
        conditions.append(
            Condition(
                type=kind,
                status=words.status,
                reason=_as_reason(words.reason),
                message=_limited(words.message),
                last_transition_time=kept,
                observed_generation=generation,
            )
        )
    return tuple(conditions)


def plan_phase(conditions: Sequence[Condition], previous: Status | None) -> Phase:
    """Degraded, else Ready, else Progressing where it was ever more than Pending, else Pending."""
    holds = {condition.type for condition in conditions if condition.status == "True"}
    if DEGRADED in holds:
        return "Degraded"
    if READY in holds:
        return "Ready"
    was_ready = previous is not None and previous.phase in ("Ready", "Progressing")
    return "Progressing" if was_ready or _was_beyond_pending(previous) else "Pending"


def _was_beyond_pending(previous: Status | None) -> bool:
    """A part that ran before a failure makes its recovery a progress, not a first start."""
    return previous is not None and previous.phase == "Degraded" and any(part.ready for part in previous.components)


def _say_degraded(found: Finding) -> _Said:
    """In this order: spec, names taken by others, a Valkey that is another's, what the API server refused, a Valkey
    that cannot be read (others fail by it), what fails to run."""
    if found.invalid:
        meanwhile = "all goes on by the spec as it was last valid" if found.parts else "nothing is done"
        return _Said("True", INVALID_SPEC, f"{found.invalid}; until it is mended, {meanwhile}")
    if found.taken:
        names = ", ".join(str(ref) for ref in found.taken)
        return _Said("True", NAME_TAKEN, f"{names} belongs to someone else: rename it or this PinnokioService")
    if found.valkey_owner:
        return _Said(
            "True",
            VALKEY_IN_USE,
            f"Its Valkey serves PinnokioService {found.valkey_owner}, and two would take each other's tasks: give one"
            " of them a Valkey of its own (spec.valkey.external), or delete one; it is free five minutes later",
        )
    if found.refusals:
        messages = "; ".join(f"{refusal.ref}: {refusal.message}{_say_remedy(refusal)}" for refusal in found.refusals)
        return _Said("True", found.refusals[0].reason, messages)
    failing = [problem for problem in (*found.problems, found.job_problem) if problem]
    problems = [str(problem) for problem in failing]
    if found.valkey_fault:
        hold = "workers keep their number and go on when it answers; check its address, login and network"
        return _Said("True", VALKEY_UNREACHABLE, "; ".join([f"{found.valkey_fault}: {hold}", *problems]))
    if problems:
        return _Said("True", failing[0].reason, "; ".join(problems))
    return _Said("False", "AsExpected", "Nothing fails.")


def _say_remedy(refusal: Refusal) -> str:
    """Where the API server's words do not tell what to do."""
    if refusal.ref.kind is STATEFUL_SET and "updates to statefulset spec" in refusal.message:
        name = refusal.ref.name
        return f" (kubectl delete statefulset {name} --cascade=orphan: it is made anew, and its pod goes on running)"
    return ""


def _say_ready(found: Finding) -> _Said:
    if found.invalid:
        what = "What runs is the spec as it was last valid" if found.parts else "The spec cannot be acted on"
        return _Said("False", INVALID_SPEC, f"{what}; see Degraded.")
    missing = [
        f"{part.title} {min(part.ready, part.updated)}/{part.needed}" for part in found.parts if not part.is_ready
    ]
    if missing:
        return _Said("False", "NotAllReady", "Ready of wanted: " + ", ".join(missing) + ".")
    if found.refusals or found.taken or found.waiting or found.valkey_owner:
        return _Said("False", "NotApplied", "What runs is not all that the spec says.")
    if found.failed:
        said = "; ".join(f"{ref}: {why}" for ref, why in found.failed.items())
        return _Said("False", "NotApplied", f"Tried again: {said}")
    if found.held:
        names = ", ".join(str(ref) for ref in found.held)
        return _Said("False", "NotApplied", f"Paused; not as the spec says: {names}.")
    return _Said("True", "AllReady", f"All {len(found.parts)} parts run what the spec says.")


def _say_progressing(found: Finding, ready: _Said, degraded: _Said) -> _Said:
    if ready.status == "True":
        return _say_leaving(found) or _Said("False", "Complete", "Nothing is being changed.")
    if found.paused:
        return _Said("False", "Paused", "Paused before it was complete.")
    if degraded.status == "True":
        return _say_leaving(found) or _Said("False", "Blocked", "Something fails; see Degraded.")
    if found.waiting:
        names = ", ".join(str(ref) for ref in found.waiting)
        return _Said("True", "WaitingForRemoval", f"Waiting until {names} of a former namesake is gone.")
    return _Said("True", "RollingOut", ready.message)


def _say_leaving(found: Finding) -> _Said | None:
    """Queues that are not in the spec and have messages; None: there is none."""
    leaving = [
        (name, view.decision) for name, view in sorted(found.queues.items()) if view.decision.reason in FAREWELLS
    ]
    if not leaving:
        return None
    said = "; ".join(f"queue {name} {decision.message}" for name, decision in leaving)
    return _Said("True", "ServingFormerQueues", said)


def _say_paused(found: Finding) -> _Said:
    if found.paused:
        return _Said("True", "Annotation", "pinnokio.io/paused is set: nothing is changed until it is removed.")
    return _Said("False", "NotPaused", "Changes are acted on.")


def _say_rollout(found: Finding) -> _Said:
    """True: the flag is where the spec wants it. In this order: spec, all is paused, the legacy registry's way back,
    drift, phase."""
    rollout = found.rollout
    if rollout is None:
        return _Said("Unknown", INVALID_SPEC, "The spec cannot be acted on; see Degraded.")
    if found.flag_held:
        return _Said(
            "False", "Paused", "The flag is not as the spec says: it stays until pinnokio.io/paused is removed."
        )
    legacy = rollout.legacy
    if legacy.state is LegacyState.RESTORING:
        return _Said("False", "RestoringLegacy", legacy.message)
    if legacy.state in (LegacyState.DRIFTED, LegacyState.VERIFYING, LegacyState.WAITING) and rollout.phase in _REACHED:
        return _Said("False", f"Legacy{legacy.state}", legacy.message)
    where = f"Step {rollout.step} of {rollout.steps}: " if rollout.steps else ""
    return _Said("True" if rollout.phase in _REACHED else "False", rollout.phase.value, where + rollout.message)


def _as_reason(word: str) -> str:
    """What kubelet or an admission webhook gave as a reason may be anything; a condition's is one word."""
    kept = "".join(letter for letter in word if letter.isascii() and letter.isalnum()).lstrip("0123456789")
    return kept or "Unknown"


def _limited(message: str) -> str:
    return message if len(message) <= MESSAGE_MAX else message[: MESSAGE_MAX - 1] + "…"
