"""Copies live users of the unified registry back into the legacy one; how far it came is kept in Valkey.

Every step may be repeated: an entry that is as new stays, and one whose session ended meanwhile is taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from contract import keys
from contract.restoring import RestoreProgress
from service.domain import unified as doc
from service.domain.legacy import LegacyUser, legacy_time
from service.store import sessions
from service.store.batches import run_batches
from service.store.lane import Command, Lane
from service.store.scripts import script

_RESTORE_USER: Final = script("restore_user")
_DELETE_IF_EQUAL: Final = script("delete_if_equal")
_LIVE_FIELDS: Final = (doc.STATUS, doc.SESSION_ID, doc.BACKEND_ROUTE, doc.LAST_SEEN_AT)
_UNIFIED_USER: Final = keys.unified_user("")


@dataclass(frozen=True, slots=True)
class Restored:
    """Of one step. `live`: users online in the unified registry; `written`: those whose legacy entry was made anew."""

    live: int
    written: int


class LegacyRestore:
    """Every method raises redis-py's errors."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def read_progress(self) -> RestoreProgress:
        """Where an interrupted run stopped; the beginning, where there was none or Valkey was started anew since."""
        server = await self._run_id()
        raw = await self._lane.ask("GET", keys.RESTORE_LEGACY)
        try:
            kept = msgspec.json.decode(raw, type=RestoreProgress) if raw else None
        except msgspec.DecodeError:
            kept = None
        return kept if kept is not None and kept.server == server else RestoreProgress(server=server)

    async def write_progress(self, progress: RestoreProgress) -> None:
        await self._lane.ask("SET", keys.RESTORE_LEGACY, msgspec.json.encode(progress), "EX", keys.DAY_S)

    async def forget_progress(self) -> None:
        await self._lane.ask("DEL", keys.RESTORE_LEGACY)

    async def count_keys(self) -> int:
        return int(await self._lane.ask("DBSIZE"))

    async def restore(self, found: Sequence[str]) -> Restored:
        """Restores the users among these keys who are online."""
        users = [key.removeprefix(_UNIFIED_USER) for key in found if key.startswith(_UNIFIED_USER)]
        live = await self._read_live(users)
        commands: list[Command] = []
        for user in live:
            commands += [_build_restore(user), *sessions.build_add(user.session_id, user.user_id)]
        answers = _checked(await self._lane.run(*commands))
        written = [user for user, answer in zip(live, answers[::3], strict=True) if answer == 1]
        await self._take_back_ended(written)
        return Restored(len(live), len(written))

    async def _read_live(self, users: Sequence[str]) -> list[LegacyUser]:
        commands: list[Command] = [("HMGET", keys.unified_user(user_id), *_LIVE_FIELDS) for user_id in users]
        live = []
        found = await run_batches(self._lane, commands, if_other_type=[None] * len(_LIVE_FIELDS))
        for user_id, values in zip(users, found, strict=True):
            status, session_id, route, seen_at = ((value or b"").decode() for value in values)
            if status == doc.ONLINE and session_id:
                live.append(LegacyUser(user_id, session_id, route, _legacy_time_of(seen_at)))
        return live

    async def _take_back_ended(self, written: Sequence[LegacyUser]) -> None:
        """A session that ended between reading and writing must not come back to life."""
        still = {(user.user_id, user.session_id) for user in await self._read_live([user.user_id for user in written])}
        ended = [user for user in written if (user.user_id, user.session_id) not in still]
        _checked(
            await self._lane.run(
                *(
                    ("EVAL", _DELETE_IF_EQUAL, 1, keys.legacy_user(user.user_id), "session_id", user.session_id)
                    for user in ended
                )
            )
        )

    async def _run_id(self) -> str:
        info = (await self._lane.ask("INFO", "server")).decode()
        lines = (line.partition(":") for line in info.splitlines())
        return next((value.strip() for name, _, value in lines if name == "run_id"), "")


def _build_restore(user: LegacyUser) -> Command:
    fields = (word for pair in user.document().items() for word in pair)
    key = keys.legacy_user(user.user_id)
    return ("EVAL", _RESTORE_USER, 1, key, user.last_seen_at, keys.LEGACY_TTL_S, *fields)


def _legacy_time_of(seen_at: str) -> str:
    try:
        return legacy_time(datetime.fromisoformat(seen_at))
    except ValueError:
        return legacy_time(datetime.now(UTC))


def _checked(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
