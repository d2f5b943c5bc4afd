"""Takes out of companies' and users' entries what points to an entry that has ended. Whole entries end by their time.

Nothing is locked: a field is dropped only while it holds what was read, so that one renewed meanwhile stays.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

from contract import keys
from service.domain import unified as doc
from service.domain.conversation import ID_PREFIX, task_id_of
from service.store.batches import run_batches
from service.store.lane import Lane
from service.store.scripts import script

_DROP_IF_EQUAL: Final = script("drop_field_if_equal")
# Ids that are not of our making are their maker's to take out.
_OUR_CONVERSATION: Final = doc.CONVERSATION + ID_PREFIX
# Keys of one SCAN, fields of one round trip: a few milliseconds of Valkey's time.
_BATCH: Final = 200


class RegistryCleanup:
    """Every method raises redis-py's errors; what was removed until then stays removed."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def run(self) -> dict[str, int]:
        """How many fields were removed, by kind."""
        removed = dict.fromkeys(
            ("company_users", "company_tasks", "company_conversations", "user_tasks", "user_conversations"), 0
        )
        async for key in self._keys(keys.company("*")):
            removed["company_users"] += await self._prune(key, doc.USER, keys.unified_user)
            removed["company_tasks"] += await self._prune(key, doc.TASK, keys.task)
            removed["company_conversations"] += await self._prune(key, _OUR_CONVERSATION, _task_of_conversation)
        async for key in self._keys(keys.unified_user("*")):
            removed["user_tasks"] += await self._prune(key, doc.TASK, keys.task)
            removed["user_conversations"] += await self._prune(key, _OUR_CONVERSATION, _task_of_conversation)
        return removed

    async def _prune(self, key: bytes, prefix: str, target: Callable[[str], str]) -> int:
        """Drops the fields `{prefix}{name}` whose entry `target(name)` is gone."""
        (words,) = await run_batches(self._lane, [("HGETALL", key)], if_other_type=())
        fields = dict(zip(words[::2], words[1::2], strict=True))
        pointing = [field for field in fields if field.startswith(prefix.encode())]
        removed = 0
        for start in range(0, len(pointing), _BATCH):
            batch = pointing[start : start + _BATCH]
            names = [field.decode().removeprefix(prefix) for field in batch]
            alive = await self._lane.run(*(("EXISTS", target(name)) for name in names))
            gone = [field for field, is_alive in zip(batch, alive, strict=True) if is_alive == 0]
            drops = [("EVAL", _DROP_IF_EQUAL, 1, key, field, fields[field]) for field in gone]
            removed += sum(answer == 1 for answer in await self._lane.run(*drops))
        return removed

    async def _keys(self, pattern: str) -> AsyncIterator[bytes]:
        cursor = b"0"
        while True:
            cursor, found = await self._lane.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _BATCH)
            for key in found:
                yield key
            if cursor == b"0":
                return


def _task_of_conversation(rest_of_id: str) -> str:
    """A conversation can be gone on with as long as the entry of its last turn's task is kept."""
    return keys.task(task_id_of(ID_PREFIX + rest_of_id))
