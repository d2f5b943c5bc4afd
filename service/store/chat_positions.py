"""The last message of an open thread that its listener knew: who takes over from one that died goes on from there."""

from collections.abc import Iterable

from contract import keys
from service.store.batches import run_batches
from service.store.lane import Lane


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

    async def forget(self, names: Iterable[str]) -> None:
        await run_batches(self._lane, [("DEL", keys.chat_position(name)) for name in names])
