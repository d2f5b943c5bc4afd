"""How many workers a queue gets."""

from typing import Any

import pytest

from controller.model.spec import QueueSpec
from controller.plan.scaling import (
    Pause,
    Reading,
    Reason,
    plan_deletion_costs,
    plan_recent,
    plan_replicas,
    read_pause,
)


def _queue(**fields: Any) -> QueueSpec:
    return QueueSpec.model_validate({"name": "bulk", "minReplicas": 0, "maxReplicas": 5, "concurrency": 4} | fields)


def _held(unacked: int, waiting: int = 0, active: int | None = 0) -> Reading:
    return Reading(waiting=waiting, active=active, unacked=unacked)


@pytest.mark.parametrize(
    ("reading", "current", "queue", "desired", "reason"),
    [
        (Reading(50, None, 0), 0, {}, 5, Reason.AT_MAXIMUM),
        (Reading(1, None, 0), 0, {}, 1, Reason.BACKLOG),
        (Reading(5, None, 0), 0, {}, 2, Reason.BACKLOG),
        (Reading(4, 4, 4), 1, {}, 2, Reason.BACKLOG),
        (Reading(0, 0, 0), 3, {}, 0, Reason.IDLE),
        (Reading(0, 0, 0), 3, {"minReplicas": 2}, 2, Reason.AT_MINIMUM),
        (Reading(8, 0, 0), 0, {"scaling": {"tasksPerSlot": 2}}, 1, Reason.BACKLOG),
        (Reading(0, 3, 3), 1, {"concurrency": 1}, 3, Reason.BACKLOG),
        # Heartbeats of before some tasks ended: what is acknowledged runs no more.
        (Reading(0, 4, 1), 1, {"concurrency": 1}, 1, Reason.BACKLOG),
        # No heartbeat: everything that was handed out may be running.
        (_held(9, active=None), 3, {}, 3, Reason.BACKLOG),
        (_held(9), 0, {}, 1, Reason.HELD_MESSAGES),
        (Reading(0, 2, 2, leaving=2), 1, {}, 0, Reason.IDLE),
        (Reading(0, None, 2, leaving=1), 1, {}, 1, Reason.BACKLOG),
        (None, 3, {}, 3, Reason.UNREADABLE),
        (None, 9, {}, 5, Reason.UNREADABLE),
        (None, 0, {"minReplicas": 2}, 2, Reason.UNREADABLE),
        (Reading(50, 0, 0), 1, {"maxReplicas": None, "minReplicas": 1}, 1, Reason.AT_MAXIMUM),
        (Reading(50, 0, 0), 0, {"maxReplicas": None}, 1, Reason.AT_MAXIMUM),
    ],
    ids=[
        "the example: 50 waiting",
        "one task",
        "one more than fits",
        "waiting and running",
        "nothing",
        "nothing, but a minimum",
        "two tasks a slot",
        "running alone",
        "old heartbeats",
        "no heartbeats",
        "stranded or not yet due",
        "all on pods that go",
        "some on pods that go",
        "unreadable holds",
        "unreadable within a lower maximum",
        "unreadable within a higher minimum",
        "no maximum is the minimum",
        "no maximum and minimum 0 is 1",
    ],
)
def test_the_number_of_workers(
    reading: Reading | None, current: int, queue: dict[str, Any], desired: int, reason: Reason
) -> None:
    decision = plan_replicas(_queue(**queue), reading, current, (), Pause.NOTHING)
    assert (decision.desired, decision.reason) == (desired, reason)
    assert str(desired) in decision.message


def test_fewer_only_when_fewer_were_enough_for_the_whole_cooldown() -> None:
    decision = plan_replicas(_queue(), Reading(0, 0, 0), 5, (4, 2, 0), Pause.NOTHING)
    assert (decision.desired, decision.wanted, decision.reason) == (4, 0, Reason.COOLDOWN)
    assert plan_replicas(_queue(), Reading(0, 0, 0), 5, (2, 0), Pause.NOTHING).desired == 2
    assert plan_replicas(_queue(), Reading(0, 0, 0), 5, (), Pause.NOTHING).desired == 0


def test_more_at_once_and_a_lower_maximum_too() -> None:
    assert plan_replicas(_queue(), Reading(20, 0, 0), 1, (1,), Pause.NOTHING).desired == 5
    lower = _queue(maxReplicas=2)
    assert plan_replicas(lower, Reading(0, 0, 0), 5, (5,), Pause.NOTHING).desired == 2


@pytest.mark.parametrize(
    ("fields", "current", "desired"),
    [
        pytest.param({}, 0, 1, id="one first"),
        pytest.param({}, 1, 1, id="and no more before it was heard of"),
        pytest.param({"minReplicas": 2}, 0, 2, id="never below the minimum"),
        pytest.param({"maxReplicas": 1}, 0, 1, id="one at most"),
    ],
)
def test_a_sleeping_queue_is_woken_by_one_worker(fields: dict[str, Any], current: int, desired: int) -> None:
    decision = plan_replicas(_queue(**fields), Reading(50, None, 0), current, (), Pause.NOTHING, is_waking=True)
    assert (decision.desired, decision.reason) == (desired, Reason.AT_MAXIMUM)
    is_last = desired == _queue(**fields).most_replicas
    assert ("the others follow" in decision.message) is not is_last


def test_short_tasks_hold_what_they_used_and_start_nothing() -> None:
    between = Reading(0, 0, 0, recent=9)
    assert plan_recent(_queue(), between) == 3
    assert plan_replicas(_queue(), between, 1, (3,), Pause.NOTHING).desired == 1
    assert plan_replicas(_queue(), between, 5, (3,), Pause.NOTHING).desired == 3


@pytest.mark.parametrize(
    ("pause", "waiting", "current", "desired", "reason"),
    [
        (Pause.IN, 0, 3, 3, Reason.SCALE_IN_PAUSED),
        (Pause.IN, 20, 3, 5, Reason.BACKLOG),
        (Pause.OUT, 20, 3, 3, Reason.SCALE_OUT_PAUSED),
        (Pause.OUT, 0, 3, 0, Reason.IDLE),
        (Pause.ALL, 0, 3, 3, Reason.SCALE_IN_PAUSED),
        (Pause.ALL, 20, 3, 3, Reason.SCALE_OUT_PAUSED),
        (Pause.ALL, 12, 3, 3, Reason.BACKLOG),
    ],
)
def test_a_pause_keeps_what_it_forbids_to_change(
    pause: Pause, waiting: int, current: int, desired: int, reason: Reason
) -> None:
    decision = plan_replicas(_queue(), Reading(waiting, 0, 0), current, (), pause)
    assert (decision.desired, decision.reason) == (desired, reason)


@pytest.mark.parametrize(
    ("word", "pause"),
    [
        ("", Pause.NOTHING),
        ("false", Pause.NOTHING),
        (" In ", Pause.IN),
        ("out", Pause.OUT),
        ("all", Pause.ALL),
        ("true", Pause.ALL),
        ("?", Pause.ALL),
    ],
)
def test_a_word_that_nobody_knows_pauses_all(word: str, pause: Pause) -> None:
    assert read_pause(word) is pause


def test_idle_pods_cost_less_and_only_what_changes_is_written() -> None:
    pods = {"busy": None, "still busy": "2", "idle": None, "was busy": "3"}
    assert plan_deletion_costs({"busy": 2, "still busy": 2}, pods) == {"busy": 2, "was busy": 0}
