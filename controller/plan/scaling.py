"""How many workers a queue gets: from what waits and runs, within bounds, growing at once and shrinking after a while.

The one place where it is decided. What was seen comes from `controller.cluster.queues`; `controller.handlers.scaling`
keeps the samples of the cooldown and acts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.kubernetes import ANNOTATION_SCALING_PAUSED
from controller.model.spec import QueueSpec


class Reason(StrEnum):
    """Why that many; the word stands in status and metrics."""

    BACKLOG = "Backlog"
    IDLE = "Idle"
    AT_MINIMUM = "AtMinimum"
    AT_MAXIMUM = "AtMaximum"
    HELD_MESSAGES = "HeldMessages"
    COOLDOWN = "Cooldown"
    UNREADABLE = "Unreadable"
    SCALE_IN_PAUSED = "ScaleInPaused"
    SCALE_OUT_PAUSED = "ScaleOutPaused"
    RETIRING = "Retiring"
    ORPHANED = "Orphaned"


# Of queues that are not in the spec.
FAREWELLS: Final = (Reason.RETIRING, Reason.ORPHANED)


class Pause(StrEnum):
    """What `pinnokio.io/scaling-paused` forbids."""

    NOTHING = ""
    IN = "in"
    OUT = "out"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a queue.

    `waiting`: messages in its lists. `active`: tasks that run, by fresh heartbeats; None: no worker told of any.
    `unacked`: messages handed out and not done: running, waiting for their time (ETA), or stranded with a worker that
    died. `leaving`: tasks on pods that are going; they end there and need no other slot. `recent`: the most that ran at
    once within each worker's last heartbeat; tasks that are shorter than the time between two looks are seen by it.
    """

    waiting: int
    active: int | None
    unacked: int
    leaving: int = 0
    recent: int = 0

    @property
    def running(self) -> int:
        """Tasks that need a slot of a pod that stays. Where no heartbeat tells, every message handed out counts.

        A heartbeat may be two seconds old; a task that has ended since is unacknowledged no more.
        """
        busy = self.unacked if self.active is None else min(self.active, self.unacked)
        return max(0, busy - self.leaving)

    @property
    def is_empty(self) -> bool:
        return not (self.waiting or self.active or self.unacked)


@dataclass(frozen=True, slots=True)
class Decision:
    """`wanted`: what this reading alone asks for, before cooldown and pauses; None: it could not be read."""

    desired: int
    wanted: int | None
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue as seen and decided last. `reading` None: it could not be read."""

    reading: Reading | None
    decision: Decision


def plan_replicas(
    queue: QueueSpec,
    reading: Reading | None,
    current: int,
    lately: Iterable[int],
    pause: Pause,
    *,
    is_waking: bool = False,
) -> Decision:
    """Replicas of one queue's workers. `lately`: what was wanted within the cooldown; `current`: decided last;
    `is_waking`: none ran, and the first that was started was not heard of yet.

    In this order: not readable → hold, within the bounds; else wanted = ceil((waiting + running) / (concurrency x
    tasksPerSlot)), at least 1 while messages are held by nobody who runs, within the bounds; more than now → at once,
    but one alone while the queue wakes; fewer → the most that was wanted within the cooldown; a pause keeps what it
    forbids to change.
    Example: 50 waiting, none running, concurrency 4, at most 5 → 13 wanted, 5 desired, AtMaximum.
    """
    if reading is None:
        held = _clamped(queue, current)
        decision = Decision(held, None, Reason.UNREADABLE, f"holds {held}: Valkey cannot be read")
    else:
        wanted, reason = _wanted(queue, reading)
        desired = max([wanted, *(_clamped(queue, each) for each in lately)]) if wanted < current else wanted
        # A lower maximum is no matter of cooldown: what is above it goes now.
        desired = min(desired, _clamped(queue, max(current, wanted)))
        reason = Reason.COOLDOWN if desired > wanted else reason
        if is_waking and desired > current:
            # Five that start at once on a node of two cores each wait for the others; the first task waits for all.
            desired = min(desired, max(current, 1, queue.min_replicas))
        decision = Decision(desired, wanted, reason, _say(queue, reading, desired, wanted, reason))
    return _paused(decision, current, pause)


def plan_recent(queue: QueueSpec, reading: Reading) -> int:
    """Replicas that the tasks of the last heartbeats had use for, however short they were: none of those goes before
    its cooldown. More are never started for it.
    """
    return _clamped(queue, _needed(queue, reading.recent))


def plan_farewell(reading: Reading | None, *, is_orphan: bool) -> Decision:
    """What is said of a queue that is not in the spec: it is served until it is empty.

    `is_orphan`: messages were found in it that no workers of ours were there for.
    """
    left = "Valkey cannot be read" if reading is None else f"{reading.waiting} waiting, {reading.unacked} handed out"
    found = "has messages, though it is not in spec.queues;" if is_orphan else "is not in spec.queues and"
    message = f"{found} is served until empty: {left}; route its task types elsewhere"
    return Decision(1, None, Reason.ORPHANED if is_orphan else Reason.RETIRING, message)


def read_pause(annotation: str) -> Pause:
    """`all` for a word that is not known: whoever wrote it wanted something kept."""
    word = annotation.strip().lower()
    if word in ("false", "no"):
        return Pause.NOTHING
    return Pause(word) if word in {pause.value for pause in Pause} else Pause.ALL


def _wanted(queue: QueueSpec, reading: Reading) -> tuple[int, Reason]:
    load = reading.waiting + reading.running
    asked = _needed(queue, load)
    reason = Reason.BACKLOG if load else Reason.IDLE
    if not asked and reading.unacked > reading.leaving:
        # Only a worker gives back what a dead one left, or waits for the time of a task.
        asked, reason = 1, Reason.HELD_MESSAGES
    wanted = _clamped(queue, asked)
    if wanted < asked:
        return wanted, Reason.AT_MAXIMUM
    return wanted, Reason.AT_MINIMUM if wanted > asked else reason


def _needed(queue: QueueSpec, load: int) -> int:
    return math.ceil(load / (queue.concurrency * queue.scaling.tasks_per_slot))


def _clamped(queue: QueueSpec, replicas: int) -> int:
    return min(max(replicas, queue.min_replicas), queue.most_replicas)


def _paused(decision: Decision, current: int, pause: Pause) -> Decision:
    is_in = decision.desired < current and pause in (Pause.IN, Pause.ALL)
    is_out = decision.desired > current and pause in (Pause.OUT, Pause.ALL)
    if not is_in and not is_out:
        return decision
    message = f"keeps {current} instead of {decision.desired}: {ANNOTATION_SCALING_PAUSED} is {pause.value}"
    reason = Reason.SCALE_IN_PAUSED if is_in else Reason.SCALE_OUT_PAUSED
    return Decision(current, decision.wanted, reason, message)


def _say(queue: QueueSpec, reading: Reading, desired: int, wanted: int, reason: Reason) -> str:
    slots = f"{queue.concurrency} x {queue.scaling.tasks_per_slot:g}"
    figures = f"{reading.waiting} waiting, {reading.running} running, {reading.unacked} unacknowledged, {slots} a pod"
    more = {
        Reason.AT_MAXIMUM: ", maxReplicas reached: raise it for more",
        Reason.COOLDOWN: f", fewer once that has been enough for {queue.scaling.cooldown_seconds} s",
        Reason.HELD_MESSAGES: ": one worker stays for tasks that wait for their time or were left by a worker",
    }
    waking = f", the first of {wanted}: the others follow it" if desired < wanted else ""
    return f"{desired} for {figures}{waking or more.get(reason, '')}"


def plan_deletion_costs(active: dict[str, int], annotated: dict[str, str | None]) -> dict[str, int]:
    """Costs to write, by pod: its running tasks, so that Kubernetes removes idle pods first.

    `annotated`: the pods that are there and the cost that each carries (None: none, which Kubernetes takes as 0).
    A pod without a heartbeat has nothing to lose. Example: a busy with 2, b idle, c idle with an old 3 → a: 2, c: 0.
    """
    wanted = {pod: active.get(pod, 0) for pod in annotated}
    return {pod: cost for pod, cost in wanted.items() if str(cost) != (annotated[pod] or "0")}
