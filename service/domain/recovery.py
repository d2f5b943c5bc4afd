"""What maintenance does with a task that has not ended, or not been told of: one decision, by its entry and the clock.

Reading and writing are `service.store.recovery`'s; carrying it out is the chore's.
"""

from typing import Literal

from service.domain.tasks import PROCESSING, QUEUED, TaskEntry

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
