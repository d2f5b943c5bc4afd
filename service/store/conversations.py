"""Keeps conversations: `conversation:{company}:{user}:{id}`, one hash, whose key no other user's call can name.

A turn is added by one script, which drops the oldest where there are too many, and refuses what a run or an attempt
that has been outdone brings. Which turns are sent again is `service.domain.conversation`'s.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import msgspec

from contract import keys
from service.domain.conversation import MAX_TURNS, MAX_TURNS_BYTES, Turn
from service.store.client import Valkey
from service.store.scripts import script
from service.store.tasks import Fence

_ADD: Final = script("conversation_add")
_TURN: Final = "turn:"
# Conversations hold all that was said: few at a time.
_READ_TOGETHER: Final = 50


@dataclass(frozen=True, slots=True)
class ConversationKey:
    """Whose conversation, and which."""

    company_id: str
    user_id: str
    conversation_id: str

    @property
    def name(self) -> str:
        return keys.conversation(self.company_id, self.user_id, self.conversation_id)


class SpentTurn(msgspec.Struct, frozen=True):
    """Of a turn what it took, and nothing of what was said."""

    model: str
    timestamp: str
    tokens_used: int
    is_estimate: bool = False


class ConversationStore:
    """Every method raises redis-py's errors."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey

    async def read_turns(self, key: ConversationKey, *, before_run: int) -> list[Turn]:
        """The turns that are kept, oldest first; none of `before_run` or later, so that an attempt that follows a dead
        one does not see what that one wrote."""
        turns = _turns(await self._valkey.hgetall(key.name))
        return [msgspec.json.decode(turns[run], type=Turn) for run in sorted(turns) if run < before_run]

    async def read_spent(
        self, conversations: Sequence[ConversationKey]
    ) -> AsyncIterator[tuple[ConversationKey, list[SpentTurn]]]:
        """What the kept turns of each took, oldest first; none where it is not kept."""
        for start in range(0, len(conversations), _READ_TOGETHER):
            window = conversations[start : start + _READ_TOGETHER]
            pipeline = self._valkey.pipeline(transaction=False)
            for key in window:
                pipeline.hgetall(key.name)
            for key, fields in zip(window, await pipeline.execute(), strict=True):
                turns = _turns(fields)
                yield key, [msgspec.json.decode(turns[run], type=SpentTurn) for run in sorted(turns)]

    async def add_turn(self, key: ConversationKey, fence: Fence, turn: Turn) -> bool:
        """Keeps a turn for a day, and the conversation with it; False where another run or attempt has taken over."""
        words = (
            str(fence.run),
            str(fence.attempt),
            str(keys.CONVERSATION_TTL_S),
            str(MAX_TURNS),
            str(MAX_TURNS_BYTES),
            msgspec.json.encode(turn),
        )
        fields = chain.from_iterable(_build_fields(key, turn).items())
        return bool(await self._valkey.eval(_ADD, 1, key.name, *words, *fields))


def _turns(fields: Mapping[Any, Any]) -> dict[int, bytes]:
    """The turns by their run."""
    return {int(name.decode()[len(_TURN) :]): body for name, body in fields.items() if name.startswith(b"turn:")}


def _build_fields(key: ConversationKey, turn: Turn) -> Mapping[str, str]:
    """The contract's document: the last turn's."""
    return {
        "conversation_id": key.conversation_id,
        "user_id": key.user_id,
        "company_id": key.company_id,
        "prompt": turn.prompt,
        "response": turn.response,
        "model": turn.model,
        "temperature": f"{turn.temperature:g}",
        "timestamp": turn.timestamp,
        "tokens_used": str(turn.tokens_used),
        "tokens_estimated": "1" if turn.is_estimate else "0",
    }
