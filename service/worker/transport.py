"""kombu's Redis transport with one client a channel, and notes of messages that nobody waits for.

kombu makes a client for each message that it notes and acknowledges, twice 0.35 ms of the parent process that all of a
worker's messages pass through, and waits there each time until Valkey has answered.
"""

import time
from typing import Any, Final

import msgspec
from celery.worker import state
from kombu.transport import TRANSPORT_ALIASES, redis, virtual

from service.worker.notes import Notes

# A channel that closes lets each message go back to its queue within this.
RESTORE_S: Final = 1.0
# Notes of channels that broke, for the next one: a message that nobody acknowledges keeps its queue from sleeping.
_LEFT_OVER: list[bytes] = []


class QoS(redis.QoS):
    """Which messages were handed out, in kombu's own format, written by the channel's notes.

    Until a note has arrived its message has none: a worker that dies then loses it, as one does that dies between
    taking a message and noting it. Maintenance finds such a task and sends its message again.
    """

    channel: "Channel"

    def append(self, message: Any, delivery_tag: str) -> None:
        delivery = message.delivery_info
        noted = msgspec.json.encode([message._raw, delivery["exchange"], delivery["routing_key"]])
        prefix, notes = self.channel.global_keyprefix, self.channel.notes
        # The index first, and last when it goes: an index without its message is cleared away in time, a message
        # without its index would lie there for ever.
        notes.add("ZADD", prefix + self.unacked_index_key, time.time(), delivery_tag)
        notes.add("HSET", prefix + self.unacked_key, delivery_tag, noted)
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        prefix, notes = self.channel.global_keyprefix, self.channel.notes
        notes.add("HDEL", prefix + self.unacked_key, delivery_tag)
        notes.add("ZREM", prefix + self.unacked_index_key, delivery_tag)
        virtual.QoS.ack(self, delivery_tag)
        is_stopping = state.should_stop is not None or state.should_terminate is not None
        if is_stopping:
            # A task that outlived its worker's event loop: no turn of it sends this.
            notes.flush()
        elif self.channel.closed:
            # One that outlived its connection: the next channel sends it.
            _LEFT_OVER.extend(notes.take_back())

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if requeue:
            # Before all that wait, for it has waited its turn; kombu puts it behind them.
            self.restore_by_tag(delivery_tag)
            virtual.QoS.ack(self, delivery_tag)
        else:
            self.ack(delivery_tag)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        # kombu reads the note on another connection.
        self.channel.notes.settle()
        super().restore_by_tag(tag, client, leftmost)


class Channel(redis.Channel):
    """A channel whose commands share a client. A client holds no connection: each command borrows one of the pool."""

    QoS = QoS
    connection_errors: tuple[type[Exception], ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kombus: Any = super()
        # Made now: a channel that is closed because its connection broke has no address any more, and tasks that
        # outlive it are acknowledged all the same.
        self._commands = kombus._create_client()
        pool = self._commands.connection_pool
        self.notes = Notes(lambda: pool.connection_class(**pool.connection_kwargs))

    def close(self) -> None:
        try:
            super().close()
        except self.connection_errors:
            # It waited for a message on the connection that broke, and is half open still.
            super().close()
        finally:
            # Last: closing takes a message that has come already.
            _LEFT_OVER.extend(self.notes.close())

    def _restore(self, message: Any, leftmost: bool = False) -> None:
        # As in `restore_by_tag`; a channel that closes does this for each message that nobody has taken up.
        self.notes.settle(RESTORE_S)
        kombus: Any = super()
        kombus._restore(message, leftmost)

    def _receive(self) -> bool:
        # kombu waits for what its poll announced, without a limit and whatever it was.
        connection = self.subclient.connection
        if connection is not None and not connection.can_read(timeout=0):
            return False
        kombus: Any = super()
        return bool(kombus._receive())

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            # These keep a connection of their own: BRPOP and Pub/Sub.
            kombus: Any = super()
            return kombus._create_client(asynchronous=True)
        return self._commands

    def _after_fork(self) -> None:
        kombus: Any = super()
        kombus._after_fork()
        # The sockets are the parent's. While a child has one open, the parent's poll goes on telling of it after the
        # parent has closed it, under a number that is another's then. Not by `disconnect`: the poll is shared, too.
        self.notes.drop()
        for name in ("client", "subclient"):
            connection = getattr(self.__dict__.get(name), "connection", None)
            sock = getattr(connection, "_sock", None)
            if sock is not None:
                sock.close()


class Poller(redis.MultiChannelPoller):
    """kombu's, which also sends what was noted in a turn of the event loop, in one write, before it waits again."""

    _channels: set[Channel]

    def on_poll_start(self) -> None:
        for channel in self._channels:
            channel.notes.take_over(_LEFT_OVER)
            channel.notes.flush()
        super().on_poll_start()


class Transport(redis.Transport):
    """kombu's, with our channels."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()


def use_own_transport() -> None:
    """From now on `redis://` and `rediss://` are ours in this process; another scheme would misname the broker."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{Transport.__module__}:{Transport.__qualname__}"
