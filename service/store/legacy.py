"""The legacy registries in Valkey: users (24 h) and Chroma collections (90 s), as today's service writes them.

Beside a user's hash stands the session's pointer (`service.store.sessions`). Every method raises redis-py's errors.
"""

from collections.abc import Mapping
from typing import Any, Final

from contract import keys
from service.domain.legacy import LegacyCollection, LegacyUser
from service.store import sessions
from service.store.lane import Command, Lane
from service.store.patches import Patch, parse_patched
from service.store.scripts import script

_DELETE_IF_EQUAL: Final = script("delete_if_equal")


class LegacyRegistry:
    """Reads and writes the legacy registries."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def register_user(self, user: LegacyUser) -> None:
        key = keys.legacy_user(user.user_id)
        await self._write(
            _hset(key, user.document()),
            ("EXPIRE", key, keys.LEGACY_TTL_S),
            *sessions.build_add(user.session_id, user.user_id),
        )

    async def unregister_session(self, session_id: str, user_ids: list[str], *, forget: list[str]) -> list[str]:
        """Deletes those users' entries that still are of this session; whom it deleted.

        `forget`: whom the session's pointer loses. The others are still to be unregistered elsewhere.
        """
        forgetting = sessions.build_remove(session_id, forget)
        deletes: list[Command] = [
            ("EVAL", _DELETE_IF_EQUAL, 1, keys.legacy_user(user_id), "session_id", session_id) for user_id in user_ids
        ]
        answers = await self._write(*forgetting, *deletes)
        deleted = answers[len(forgetting) :]
        return [user_id for user_id, is_deleted in zip(user_ids, deleted, strict=True) if is_deleted]

    async def read_user(self, user_id: str) -> LegacyUser | None:
        """None: not registered (any more)."""
        return parse_user(user_id, await self._lane.ask(*build_read_user(user_id)))

    async def register_collection(self, entry: LegacyCollection) -> None:
        key = keys.legacy_collection(entry.user_id, entry.collection_name)
        await self._write(_hset(key, entry.document()), ("EXPIRE", key, keys.COLLECTION_TTL_S))

    async def heartbeat_collection(self, user_id: str, collection_name: str, last_heartbeat: str) -> bool:
        """Whether the entry was still there; its time to live starts anew then."""
        patch = Patch(only_if="exists", set={"last_heartbeat": last_heartbeat}, ttl_s=keys.COLLECTION_TTL_S)
        answer = await self._lane.ask(*patch.command(keys.legacy_collection(user_id, collection_name)))
        return parse_patched(answer).is_applied

    async def unregister_collection(self, user_id: str, collection_name: str) -> bool:
        """Whether there was such an entry."""
        return bool(await self._lane.ask("DEL", keys.legacy_collection(user_id, collection_name)))

    async def _write(self, *commands: Command) -> list[Any]:
        answers = await self._lane.run(*commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def build_read_user(user_id: str) -> Command:
    return ("HMGET", keys.legacy_user(user_id), "session_id", "backend_route", "last_seen_at")


def parse_user(user_id: str, answer: Any) -> LegacyUser | None:
    """Reads what `build_read_user` is answered; raises it where it is an error."""
    if isinstance(answer, Exception):
        raise answer
    if answer[0] is None:
        return None
    session_id, backend_route, last_seen_at = ((value or b"").decode(errors="replace") for value in answer)
    return LegacyUser(user_id, session_id, backend_route, last_seen_at)


def _hset(key: str, fields: Mapping[str, str]) -> Command:
    return ("HSET", key, *(word for pair in fields.items() for word in pair))
