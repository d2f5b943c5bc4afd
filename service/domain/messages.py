"""Direct messages and chat messages: items, and the events `msg.sync` and `chat.message` (contract.md, "Events")."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from service.domain.events import MAX_ENVELOPE_BYTES, Event, build_envelope
from service.domain.notifications import Item, build_item, sort_newest_first

MSG_SYNC: Final = "msg.sync"
CHAT_MESSAGE: Final = "chat.message"
CHAT_MODES: Final = ("chats", "job_chats")
READ: Final = "read"

# What a key of the Realtime Database never holds, and `:`, which separates the parts of our own names.
_NO_KEY: Final = frozenset(".$#[]/:\x7f") | {chr(code) for code in range(32)}


@dataclass(frozen=True, slots=True)
class Chat:
    """A thread that a user has open. `mode` None: whichever of the two modes the thread exists in."""

    uid: str
    space_code: str
    thread_key: str
    mode: str | None

    @property
    def name(self) -> str:
        """Names the thread for its user; ids hold no `:`."""
        return f"{self.uid}:{self.space_code}:{self.thread_key}"


def is_key(text: str) -> bool:
    """Whether the Realtime Database takes it as a key."""
    return bool(text) and not _NO_KEY & {*text}


def parse_chat(uid: str, space_code: str | None, thread_key: str | None, mode: str | None) -> Chat | None:
    """The thread that a socket names; None where it names none, or one that cannot be a key."""
    if not space_code or not thread_key or not (is_key(space_code) and is_key(thread_key)):
        return None
    return Chat(uid, space_code, thread_key, mode if mode in CHAT_MODES else None)


def build_messages(children: Any) -> list[Item]:
    """Message items of `direct_message_notif`, newest first; what is no message is left out."""
    return sort_newest_first(build_item(key, fields) for key, fields in messages_in(children).items())


def messages_in(children: Any) -> dict[str, Mapping[str, Any]]:
    """The children that are objects, by key. The database answers keys 0, 1, 2… as a list."""
    if isinstance(children, list):
        children = {str(index): child for index, child in enumerate(children)}
    if not isinstance(children, Mapping):
        return {}
    return {key: child for key, child in children.items() if isinstance(child, Mapping)}


def build_msg_sync(uid: str, items: list[Item], now: datetime) -> Event:
    """The event that tells a user all direct messages."""
    return Event(MSG_SYNC, uid, {"messages": items, "count": len(items), "timestamp": now.isoformat()}, now)


def build_chat_message(chat: Chat, messages: Mapping[str, Mapping[str, Any]], now: datetime) -> Event:
    """The event that tells a user messages that appeared in a thread, oldest key first."""
    raw = [{**messages[key], "id": key} for key in sorted(messages)]
    payload = {"space_code": chat.space_code, "thread_key": chat.thread_key, "raw_messages": raw}
    return Event(CHAT_MESSAGE, chat.uid, payload, now)


def plan_chat_parts(chat: Chat, messages: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Mapping[str, Any]]]:
    """The messages in parts that each fit into one event, oldest key first.

    A message that is larger than an event is a part of its own: its texts are cut.
    """
    longest_time = datetime.max.replace(tzinfo=UTC)
    room = MAX_ENVELOPE_BYTES - len(build_envelope(build_chat_message(chat, {}, longest_time)))
    part: dict[str, Mapping[str, Any]] = {}
    size = 0
    for key in sorted(messages):
        # With the comma that separates it from the next.
        added = len(msgspec.json.encode({**messages[key], "id": key})) + 1
        if part and size + added > room:
            yield part
            part, size = {}, 0
        part[key] = messages[key]
        size += added
    if part:
        yield part
