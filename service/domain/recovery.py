"""What maintenance does with a task that has not ended, or not been told of, and when it looks again: by its entry and
the clock.

Reading and writing are `service.store.recovery`'s; carrying it out is the chore's.
"""

from typing import Final, Literal

from service.domain.tasks import PROCESSING, QUEUED, TaskEntry

# A queued task is looked at this long after its start, and then as often: has the broker still got its message?
LOOK_EVERY_S: Final = 30.0

Action = Literal["forget", "tell", "find_message", "wait", "take_back", "give_up"]


def choose_action(entry: TaskEntry | None, now_ms: int) -> Action:
    """Cases in order:

    no entry, somebody else's, or ended and told of → `forget`; ended → `tell`, for whoever ended it died before;
    queued → `find_message`, for the broker may have lost it; running with a lease → `wait`; without a sign of life for
    longer than it may take → `give_up`; else its worker is gone → `take_back`.
    Example: a run of 300 s at most whose lease ran out 40 s ago → `take_back`; 301 s ago → `give_up`.
    """
    if entry is None or entry.is_foreign:
        return "forget"
    if entry.status == QUEUED:
        return "find_message"
    if entry.status != PROCESSING:
        return "forget" if entry.is_announced else "tell"
    if entry.lease_until_ms > now_ms:
        return "wait"
    # Zero: given back, and whoever was to end it died.
    if entry.lease_until_ms and now_ms - entry.lease_until_ms > entry.max_duration_s * 1000:
        return "give_up"
    return "take_back"


def next_look_ms(entry: TaskEntry, now_ms: int) -> int:
    """When to look at a task again: a running one as soon as its lease ends, anything else after LOOK_EVERY_S.

    Example: a lease that ends in 2 s → in 2 s; its worker may be dead already.
    """
    if entry.status == PROCESSING and entry.lease_until_ms > now_ms:
        return entry.lease_until_ms
    return now_ms + round(LOOK_EVERY_S * 1000)
