"""One envelope for every event, the channels it goes to, and how one that is too large is shortened truthfully.

Publishing and keeping events is `service.store.events`; this is pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from contract.keys import EVENTS_MAX_BYTES

TASK_PROGRESS: Final = "task.progress_update"
RESYNC_REQUIRED: Final = "resync_required"
RECONNECT: Final = "reconnect"

# What stays of a text that is cut, and of a list within an item of a list: enough to recognise it, and of the type that
# the reader expects.
CUT_TEXT_CHARS: Final = 1_000
CUT_LIST_ITEMS: Final = 10
# A longer text is cut before any list is; and so much of a list stays although others are large too.
LONG_BYTES: Final = 8 * 1024
# Room for the `id` that Valkey gives the envelope.
ID_ROOM_BYTES: Final = 64
MAX_ENVELOPE_BYTES: Final = EVENTS_MAX_BYTES - ID_ROOM_BYTES


@dataclass(frozen=True, slots=True)
class Event:
    """Something that user `uid` is told. `job_id` stands beside `uid` in workflow events, else it is None.

    `is_kept` False: nobody can read it later, as the pieces of a streamed text, whose whole comes in another event. Its
    envelope has no id. `trace_id`: of the call that it comes of; None: of none that is known.
    """

    type: str
    uid: str
    payload: Mapping[str, Any]
    timestamp: datetime
    job_id: str | None = None
    is_kept: bool = True
    trace_id: str | None = None


def build_envelope(event: Event) -> bytes:
    """The envelope as JSON, at most EVENTS_MAX_BYTES with its id; Valkey puts `id` in front (store/lua/publish.lua).

    Where it is too large, texts and lists of the payload are cut, one after another until it fits: long texts first,
    else the largest. `payload.truncated` names their paths: an extracted text of 80 KB becomes its first 1,000
    characters and `"truncated": ["data.extracted_data.extracted_text"]`. In a list the texts of its items are cut
    likewise, and as many items stay as fit.
    """
    raw = _encode(event, event.payload)
    if len(raw) <= MAX_ENVELOPE_BYTES:
        return raw
    payload: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event.payload))
    cut: set[str] = set()
    while len(raw) > MAX_ENVELOPE_BYTES:
        leaf = max(_cuttable(payload), key=lambda leaf: (leaf.is_long_text, leaf.size), default=None)
        if leaf is None:
            # Nothing single is large: only very many small members are left, which no event of ours has.
            payload = {"truncated": ["*"]}
            return _encode(event, payload)
        cut.add(leaf.path)
        payload["truncated"] = sorted(cut)
        leaf.shorten(excess=len(_encode(event, payload)) - MAX_ENVELOPE_BYTES)
        raw = _encode(event, payload)
    return raw


def channels_of(event: Event, channel_prefix: str, chat_prefix: str) -> tuple[str, ...]:
    """The contract's pub/sub channels of an event: its chat's where it is a chat's, else its user's.

    Cases in order: type begins `chat` and the payload names space_code and thread_key → the chat; else the user.
    """
    payload = event.payload
    if event.type.startswith("chat") and payload.get("space_code") and payload.get("thread_key"):
        return (f"{chat_prefix}{event.uid}:{payload['space_code']}:{payload['thread_key']}",)
    return (f"{channel_prefix}{event.uid}",)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A text or list in a payload that can still be cut. `owner[key]` is its place."""

    owner: dict[str, Any]
    key: str
    path: str
    size: int

    @property
    def is_long_text(self) -> bool:
        return self.size > LONG_BYTES and isinstance(self.owner[self.key], str)

    def shorten(self, excess: int) -> None:
        """Takes away `excess` bytes where that is possible, and something in any case."""
        value = self.owner[self.key]
        if isinstance(value, str):
            self.owner[self.key] = value[:CUT_TEXT_CHARS]
        else:
            room = max(self.size - excess, min(LONG_BYTES, self.size // 2))
            self.owner[self.key] = _first_items(value, room)


def _first_items(items: list[Any], room: int) -> list[Any]:
    """As many items as fit into `room` bytes of JSON, their long texts cut."""
    kept: list[Any] = []
    # Two brackets; then each item with a comma, of which the last has none.
    room -= 1
    for item in map(_shortened, items):
        room -= len(msgspec.json.encode(item)) + 1
        if room < 0:
            break
        kept.append(item)
    return kept


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value[:CUT_TEXT_CHARS]
    if isinstance(value, list):
        return [_shortened(item) for item in value[:CUT_LIST_ITEMS]]
    if isinstance(value, dict):
        return {key: _shortened(member) for key, member in value.items()}
    return value


def _cuttable(node: dict[str, Any], path: str = "") -> Iterator[_Leaf]:
    for key, value in node.items():
        here = f"{path}.{key}" if path else key
        if here == "truncated":
            continue
        if isinstance(value, dict):
            yield from _cuttable(value, here)
        elif (isinstance(value, str) and len(value) > CUT_TEXT_CHARS) or (isinstance(value, list) and value):
            yield _Leaf(node, key, here, len(msgspec.json.encode(value)))


def _encode(event: Event, payload: Mapping[str, Any]) -> bytes:
    envelope = {
        "type": event.type,
        "uid": event.uid,
        "timestamp": event.timestamp.isoformat(),
        "payload": payload,
    }
    if event.job_id is not None:
        envelope["job_id"] = event.job_id
    if event.trace_id is not None:
        envelope["trace_id"] = event.trace_id
    return msgspec.json.encode(envelope)
