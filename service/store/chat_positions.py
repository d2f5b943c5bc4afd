"""The last message of an open thread that its listener knew: who takes over from one that died goes on from there."""

from collections.abc import Iterable
from typing import Final

from contract import keys
from service.store.batches import run_batches
from service.store.lane import Lane

# Who has the thread open looks for a free lease every two seconds; a tab that a leaving process closed is back soon.
HANDOVER_S: Final = 15


class ChatPositions:
    """Every method raises redis-py's errors."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def read(self, name: str) -> str | None:
        """None: nobody listened to the thread lately."""
        value = await self._lane.ask("GET", keys.chat_position(name))
        return value.decode() if value is not None else None

    async def write(self, name: str, message_id: str) -> None:
        await self._lane.ask("SET", keys.chat_position(name), message_id, "EX", keys.DAY_S)

    async def let_go(self, names: Iterable[str]) -> None:
        """Kept for whoever listens next, within HANDOVER_S; then they are forgotten."""
        await run_batches(self._lane, [("EXPIRE", keys.chat_position(name), HANDOVER_S) for name in names])
