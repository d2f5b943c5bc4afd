"""`registry:session:{session_id}`: the users of a session, so that unregistering it costs the same among 100,000 users.

It only points: whoever follows it compares with the user's own entry before changing anything. A stale pointer is
harmless and ends with its time to live, which registrations and heartbeats renew.
"""

from contract import keys
from service.store.lane import Command, Lane

_SCAN_BATCH = 500


def build_add(session_id: str, user_id: str) -> tuple[Command, ...]:
    """Commands that note the user under the session, to be sent with the write they belong to."""
    key = keys.session(session_id)
    return ("SADD", key, user_id), ("EXPIRE", key, keys.LEGACY_TTL_S)


def build_remove(session_id: str, user_ids: list[str]) -> tuple[Command, ...]:
    """Commands that forget the users, to be sent with the last change of what they point to.

    Who fails before it finds the users again.
    """
    return (("SREM", keys.session(session_id), *user_ids),) if user_ids else ()


async def read_users(lane: Lane, session_id: str, *, scan: bool) -> list[str]:
    """The users noted under a session.

    `scan`: where none is, the legacy registry is searched from end to end, for the old service notes none.
    """
    members = await lane.ask("SMEMBERS", keys.session(session_id))
    users = sorted(member.decode() for member in members)
    return users if users or not scan else await _scan_users(lane, session_id)


async def _scan_users(lane: Lane, session_id: str) -> list[str]:
    wanted, prefix = session_id.encode(), keys.legacy_user("")
    users: set[str] = set()
    cursor = b"0"
    while True:
        cursor, found = await lane.ask("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", _SCAN_BATCH)
        sessions = await lane.run(*(("HGET", key, "session_id") for key in found))
        users |= {
            key.decode().removeprefix(prefix) for key, session in zip(found, sessions, strict=True) if session == wanted
        }
        if cursor == b"0":
            return sorted(users)
