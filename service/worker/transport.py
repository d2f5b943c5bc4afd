"""kombu's Redis transport with one client a channel: kombu makes one for each message that it notes and acknowledges.

Making one takes 0.35 ms, twice a message, of the parent process that all of a worker's messages pass through.
"""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel whose commands share a client. A client holds no connection: each command borrows one of the pool."""

    _commands: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        kombus: Any = super()
        if asynchronous:
            # These keep a connection of their own: BRPOP and Pub/Sub.
            return kombus._create_client(asynchronous=True)
        if self._commands is None or self._commands.connection_pool is not self.pool:
            self._commands = kombus._create_client()
        return self._commands


class Transport(redis.Transport):
    """kombu's, with our channels."""

    Channel = Channel


def use_own_transport() -> None:
    """From now on `redis://` and `rediss://` are ours in this process; another scheme would misname the broker."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{Transport.__module__}:{Transport.__qualname__}"
