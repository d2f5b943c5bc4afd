"""What a person asks of the operator, as annotations; and what is said against it before anything is asked. Pure.

An emergency is never argued with: what keeps from rolling back is only that there is nothing to take back.
"""

from datetime import datetime
from typing import Final

from contract import kubernetes
from controller.kubectl.view import View

# Until live users were copied back into the legacy registry the flag stays with everybody, whatever the phase says.
RESTORING: Final = "Restoring"


def build_promote(now: datetime, *, to_the_end: bool) -> str:
    """A value that was never there before: the operator acts on each once."""
    return f"{kubernetes.PROMOTE_ALL} {_stamp(now)}" if to_the_end else _stamp(now)


def build_rollback(now: datetime, *, one_step: bool = False, forced: bool = False) -> str:
    """`forced`: live users are not copied back first, where the legacy registry is not written any more."""
    word = kubernetes.ROLLBACK_FORCE if forced else kubernetes.ROLLBACK_PREVIOUS if one_step else ""
    return f"{word} {_stamp(now)}".strip()


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def find_objection_to_promote(view: View) -> str | None:
    """Why there is nothing to promote. None: go on."""
    if view.paused:
        return "everything is held (pinnokio.io/paused): kubectl pinnokio resume --everything first"
    rollout = view.rollout
    if rollout is None:
        return "the operator tells of no rollout: is it running, and of a version that knows rollouts?"
    # Drift that a verification found is verified again by promoting, wherever the rollout stands.
    if rollout.legacy_state == "Drifted":
        return None
    reasons = {
        "Off": "the flag is off: set spec.unifiedRegistry.enabled: true",
        "Complete": "the rollout is complete: it is on for everybody that the spec names",
        "Direct": "there are no steps (spec.unifiedRegistry.rollout): the flag is on for the whole audience",
    }
    return reasons.get(rollout.phase)


def find_objection_to_rollback(view: View) -> str | None:
    """Why there is nothing to take back. None: go on."""
    if view.paused:
        return "everything is held (pinnokio.io/paused): kubectl pinnokio resume --everything first"
    if view.rollout is not None and view.rollout.phase == "Off" and view.rollout.legacy_state != RESTORING:
        return "the flag is off already"
    if view.rollout is not None and view.rollout.phase == "RolledBack" and view.rollout.step == 0:
        return "it was rolled back already: the flag is off for everybody"
    return None


def build_pause(scaling: str | None, *, everything: bool) -> str:
    if everything:
        return f"{kubernetes.ANNOTATION_PAUSED}=true"
    if scaling:
        return f"{kubernetes.ANNOTATION_SCALING_PAUSED}={scaling}"
    return f"{kubernetes.ANNOTATION_ROLLOUT_PAUSED}=true"


def build_resume(*, scaling: bool, everything: bool) -> str:
    if everything:
        return f"{kubernetes.ANNOTATION_PAUSED}-"
    return f"{kubernetes.ANNOTATION_SCALING_PAUSED}-" if scaling else f"{kubernetes.ANNOTATION_ROLLOUT_PAUSED}-"


def is_settled(view: View, value: str, *, is_rollback: bool) -> bool:
    """Whether the operator acted on the request and every ready API pod serves by what came of it."""
    rollout = view.rollout
    if rollout is None or value != (rollout.handled_rollback if is_rollback else rollout.handled_promote):
        return False
    if is_rollback and rollout.legacy_state == RESTORING:
        return False
    return rollout.phase not in ("Publishing", "RollingBack") and view.is_everywhere


def is_taken_up(view: View, value: str, *, is_rollback: bool) -> bool:
    rollout = view.rollout
    return rollout is not None and value == (rollout.handled_rollback if is_rollback else rollout.handled_promote)
