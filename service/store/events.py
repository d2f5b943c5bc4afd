"""Publishes events and keeps the last of each user's, for whoever missed some.

One script an event: it appends to the user's stream and publishes on the relay channel and the contract's. One that is
not kept is only published. Who relays to sockets is `service.api.relay`.
"""

import re
from dataclasses import dataclass
from typing import Any

from redis.asyncio.client import Pipeline

from contract import keys
from service.domain.events import Event, build_envelope, channels_of
from service.settings import Settings
from service.store.client import Valkey
from service.store.scripts import script

_PUBLISH = script("publish")
# Where a publication is looked for that may have been made: a user's last events.
_LOOK_AMONG = 100
_STREAM_ID = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
START = (0, 0)

StreamId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Replay:
    """Events after an id, oldest first, as (id, envelope). `is_complete` False: some between are gone."""

    events: list[tuple[StreamId, bytes]]
    is_complete: bool


def parse_stream_id(text: str) -> StreamId | None:
    """`1700000000000-0` as numbers; None where it is no stream id."""
    match = _STREAM_ID.fullmatch(text)
    return (int(match[1]), int(match[2] or 0)) if match else None


def write_stream_id(stream_id: StreamId) -> str:
    return f"{stream_id[0]}-{stream_id[1]}"


class EventStore:
    """Reads and writes `events:{uid}` and the channels."""

    def __init__(self, valkey: Valkey, settings: Settings) -> None:
        self._valkey = valkey
        self._channel_prefix = settings.channel_prefix
        self._chat_prefix = settings.chat_channel_prefix

    async def publish(self, event: Event) -> str:
        """Publishes one that is kept, now and in one round trip; the answer is the event's id."""
        answer: bytes = await self._valkey.eval(_PUBLISH, 1, *self._arguments(event, build_envelope(event)))
        return answer.decode()

    def add_publish(self, pipeline: Pipeline, event: Event, name: str = "", *, is_again: bool = False) -> int:
        """Adds the publication to `pipeline`; how many bytes it publishes.

        `is_again`: it may have been made before, and is not made twice where it is found by its `name`.
        """
        body = build_envelope(event)
        if event.is_kept:
            pipeline.eval(_PUBLISH, 1, *self._arguments(event, body, name, _LOOK_AMONG if is_again else 0))
        else:
            for channel in self._channels(event):
                pipeline.publish(channel, body)
        return len(body)

    async def read_last_id(self, user_id: str) -> StreamId:
        """Id of a user's newest event; START where there is none."""
        newest: Any = await self._valkey.xrevrange(keys.events(user_id), count=1)
        return _read_id(newest[0][0]) if newest else START

    async def read_after(self, user_id: str, since: StreamId) -> Replay:
        """What came after `since`.

        Complete where `since` itself lies within the stream, for then nothing after it can have been trimmed or lost.
        START asks for all there is, and is complete while nothing was ever trimmed.
        """
        key = keys.events(user_id)
        pipeline = self._valkey.pipeline(transaction=False)
        pipeline.xrange(key, min="-", max="+", count=1)
        pipeline.xrange(key, min=f"({write_stream_id(since)}", max="+")
        pipeline.xrevrange(key, count=1)
        first, after, last = await pipeline.execute()
        events = [(_read_id(entry_id), envelope(entry_id, fields[b"e"])) for entry_id, fields in after]
        if not first:
            return Replay(events, is_complete=since == START)
        if since == START:
            return Replay(events, is_complete=not await self._was_trimmed(key))
        return Replay(events, is_complete=_read_id(first[0][0]) <= since <= _read_id(last[0][0]))

    async def _was_trimmed(self, key: str) -> bool:
        about = await self._valkey.xinfo_stream(key)
        return bool(about["entries-added"] > about["length"])

    def _arguments(self, event: Event, body: bytes, name: str = "", look_among: int = 0) -> tuple[str | bytes, ...]:
        return (
            keys.events(event.uid),
            str(keys.EVENTS_MAX_ENTRIES),
            str(keys.EVENTS_TTL_S),
            body,
            name,
            str(look_among),
            *self._channels(event),
        )

    def _channels(self, event: Event) -> tuple[str, ...]:
        return (keys.relay_channel(event.uid), *channels_of(event, self._channel_prefix, self._chat_prefix))


def envelope(entry_id: bytes, stored: bytes) -> bytes:
    """An event as it was published: the stored envelope with its id in front (as lua/publish.lua does)."""
    return b'{"id":"' + entry_id + b'",' + stored[1:]


def _read_id(entry_id: bytes) -> StreamId:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)
