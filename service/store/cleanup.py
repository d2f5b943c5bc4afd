"""Takes out of companies' and users' entries what points to an entry that has ended. Whole entries end by their time.

Nothing is locked: a field is dropped only while it holds what was read, so that one renewed meanwhile stays.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from contract import keys
from service.domain import unified as doc
from service.domain.conversation import ID_PREFIX, task_id_of
from service.domain.ids import DEFAULT_COMPANY
from service.store.batches import run_batches
from service.store.lane import Command, Lane
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
            removed["company_users"] += await self._prune_users(key)
            removed["company_tasks"] += await self._prune(key, doc.TASK, keys.task)
            removed["company_conversations"] += await self._prune(key, _OUR_CONVERSATION, _task_of_conversation)
        async for key in self._keys(keys.unified_user("*")):
            removed["user_tasks"] += await self._prune(key, doc.TASK, keys.task)
            removed["user_conversations"] += await self._prune(key, _OUR_CONVERSATION, _task_of_conversation)
        return removed

    async def _prune_users(self, key: bytes) -> int:
        """Drops the users who are gone, who have left, or who work in another company now."""
        company_id = key.decode().removeprefix(keys.company(""))

        def build_question(user_id: str) -> Command:
            return ("HMGET", keys.unified_user(user_id), doc.STATUS, doc.CURRENT_COMPANY)

        def has_left(answer: Any) -> bool:
            if isinstance(answer, Exception):
                return False
            status, current = ((value or b"").decode() for value in answer)
            return status != doc.ONLINE or (current or DEFAULT_COMPANY) != company_id

        return await self._drop(key, doc.USER, build_question, has_left)

    async def _prune(self, key: bytes, prefix: str, target: Callable[[str], str]) -> int:
        """Drops the fields `{prefix}{name}` whose entry `target(name)` is gone."""
        return await self._drop(key, prefix, lambda name: ("EXISTS", target(name)), lambda answer: answer == 0)

    async def _drop(
        self, key: bytes, prefix: str, build_question: Callable[[str], Command], is_over: Callable[[Any], bool]
    ) -> int:
        """Drops the fields `{prefix}{name}` where the answer to the question about `name` says so."""
        (words,) = await run_batches(self._lane, [("HGETALL", key)], if_other_type=())
        fields = dict(zip(words[::2], words[1::2], strict=True))
        pointing = [field for field in fields if field.startswith(prefix.encode())]
        removed = 0
        for start in range(0, len(pointing), _BATCH):
            batch = pointing[start : start + _BATCH]
            names = [field.decode().removeprefix(prefix) for field in batch]
            answers = await self._lane.run(*(build_question(name) for name in names))
            gone = [field for field, answer in zip(batch, answers, strict=True) if is_over(answer)]
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
