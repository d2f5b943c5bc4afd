"""The interval for which a step is watched, and the check under way within it: when each begins and ends.

What they say: `controller.plan.analysis` and `controller.plan.checks`. What follows: `controller.plan.rollout`.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from controller.model.rollout import Rollout, UnifiedRegistry
from controller.model.rollout_status import RolloutCheck, RolloutFigures, RolloutStatus

CHECKS_AN_INTERVAL: Final = 10
CHECK_MOST_S: Final = 120.0
# Each check is a write of the status, which figures are worth every ten seconds.
CHECK_LEAST_S: Final = 10.0


def open_interval(rollout: Rollout, state: RolloutStatus, now: datetime) -> RolloutStatus:
    """A new one and its first check, which goes on counting what failed before."""
    stamp, end = format_time(now), now + timedelta(seconds=rollout.interval_s(state.step - 1))
    former = state.check or RolloutCheck(started_at=stamp)
    check = former.model_copy(update={"started_at": stamp, "counted": RolloutFigures()})
    fields = {"window_started_at": stamp, "next_at": format_time(end), "figures": None, "check": check}
    return state.model_copy(update=fields)


def close_interval(state: RolloutStatus) -> RolloutStatus:
    return state.model_copy(update={"window_started_at": None, "next_at": None, "figures": None, "check": None})


def interval_end(rollout: Rollout, state: RolloutStatus) -> datetime | None:
    """None: no interval is under way."""
    if state.window_started_at is None or not 0 < state.step <= len(rollout.steps):
        return None
    return read_time(state.window_started_at) + timedelta(seconds=rollout.interval_s(state.step - 1))


def check_end(rollout: Rollout, state: RolloutStatus) -> datetime | None:
    """When the check may be judged, at the end of the interval at the latest; None: none is under way.

    Example: of an interval of 24 hours two minutes after its beginning, of 30 seconds ten.
    """
    end = interval_end(rollout, state)
    if end is None or state.check is None:
        return None
    tenth_s = rollout.interval_s(state.step - 1) / CHECKS_AN_INTERVAL
    length = timedelta(seconds=min(max(tenth_s, CHECK_LEAST_S), CHECK_MOST_S))
    return min(read_time(state.check.started_at) + length, end)


def next_look(registry: UnifiedRegistry, state: RolloutStatus, now: datetime) -> timedelta | None:
    """When the check or the interval under way ends; None: nothing is waited for that time alone brings."""
    rollout = registry.rollout
    ends = (check_end(rollout, state), interval_end(rollout, state)) if rollout else ()
    return min((end - now + timedelta(milliseconds=50) for end in ends if end and end > now), default=None)


def format_time(at: datetime) -> str:
    """To the millisecond: intervals may be a second long."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
