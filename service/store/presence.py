"""`presence:{uid}`: the open sockets of a user, counted over all replicas; each counts until nobody renews it.

Times are the server's, so that no two replicas differ about them. Every method raises redis-py's errors.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from contract import keys
from service.store.batches import run_batches
from service.store.lane import Lane
from service.store.scripts import script

_OPEN: Final = script("presence_open")
_CLOSE: Final = script("presence_close")
_REAP: Final = script("presence_reap")


class PresenceStore:
    """Counts sockets. `hold_s`: how long a socket counts that is not renewed."""

    def __init__(self, lane: Lane, hold_s: float) -> None:
        self._lane = lane
        self._hold_ms = int(hold_s * 1000)

    async def hold(self, sockets: Mapping[str, Iterable[str]]) -> None:
        """Notes or renews open sockets, by user."""
        await run_batches(
            self._lane,
            [("EVAL", _OPEN, 1, keys.presence(uid), self._hold_ms, keys.DAY_S, *ids) for uid, ids in sockets.items()],
        )

    async def drop(self, sockets: Mapping[str, Iterable[str]]) -> dict[str, int]:
        """Forgets closed sockets; how many each user has left on any replica. No sockets of a user: it only counts."""
        counts = await run_batches(
            self._lane, [("EVAL", _CLOSE, 1, keys.presence(uid), *ids) for uid, ids in sockets.items()]
        )
        return dict(zip(sockets, counts, strict=True))

    async def reap(self, uids: Iterable[str]) -> list[str]:
        """Forgets sockets that were not renewed; users who have none left by that. Each is told to one caller only."""
        users = list(uids)
        ended = await run_batches(self._lane, [("EVAL", _REAP, 1, keys.presence(uid)) for uid in users])
        return [uid for uid, is_last in zip(users, ended, strict=True) if is_last]
