"""How far a run came, `checkpoint:{task_id}`: written by one attempt, read by the next.

One hash, a field a note; it lasts as long as a run may, and a new run begins without it. Only the attempt that opened
it last may write: an earlier one that is still alive is refused.
"""

from typing import Any, Final

import msgspec

from contract import keys
from service.store.client import Valkey
from service.store.scripts import script
from service.store.tasks import Fence

_OPEN: Final = script("checkpoint_open")
_WRITE: Final = script("checkpoint_write")
# The script's own fields; a note's name begins with its prefix.
_NOTE: Final = "note:"


class CheckpointStore:
    """Every method raises redis-py's errors."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def open(self, fence: Fence, ttl_s: int) -> dict[str, Any] | None:
        """The notes of the run's earlier attempts by name, {} where there are none; None: another attempt has it."""
        words = (str(fence.run), str(fence.attempt), str(ttl_s))
        is_ours, *flat = await self._valkey.eval(_OPEN, 1, keys.task_checkpoint(fence.task_id), *words)
        if not is_ours:
            return None
        fields = {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
        return {
            name.removeprefix(_NOTE): msgspec.json.decode(value)
            for name, value in fields.items()
            if name.startswith(_NOTE)
        }

    async def write(self, fence: Fence, name: str, value: Any) -> bool:
        """Whether it was this attempt's to write."""
        words = (str(fence.run), str(fence.attempt), f"{_NOTE}{name}", msgspec.json.encode(value))
        return bool(await self._valkey.eval(_WRITE, 1, keys.task_checkpoint(fence.task_id), *words))
