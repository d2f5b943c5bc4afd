"""Commands to Valkey whose answers nobody waits for, on one connection of their own, in the order they were asked for.

A worker's parent process notes each message that it takes and drops the note when its task is done. All messages pass
through that process: while it waited for Valkey, twice a message, it took no other.
"""

import contextlib
import select
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.store.broker import SOCKET_TIMEOUT_S

_READ_BYTES: Final = 65_536
_LOOK_EVERY_MS: Final = 50
_CLOSE_S: Final = 1.0
_SILENT: Final = "Valkey does not answer to notes"
_NOTHING: Final = object()


class Notes:
    """Keeps commands until `flush`. `flush` and `settle` raise redis-py's errors: of now, or an earlier answer.

    `make_connection`: one of redis-py, which is connected, read and closed here.
    """

    def __init__(self, make_connection: Callable[[], Any]) -> None:
        self._make_connection = make_connection
        self._connection: Any = None
        self._reader = _new_reader()
        # What broke with its connection is sent again: each may be made twice.
        self._unsent: list[bytes] = []
        self._unanswered: deque[bytes] = deque()
        # When something was last heard, or sent where nothing was to be heard.
        self._heard_at = 0.0

    def add(self, *command: str | bytes | float) -> None:
        # hiredis declares its argument as a tuple of one.
        self._unsent.append(hiredis.pack_command(cast(Any, command)))

    def flush(self) -> None:
        """Sends what was added, and looks at the answers that have come."""
        try:
            if self._unanswered:
                self._read()
            if self._unsent:
                self._send()
        except (RedisConnectionError, RedisTimeoutError):
            self._hang_up()
            raise

    def settle(self, patience_s: float = SOCKET_TIMEOUT_S) -> None:
        """Sends what was added and waits for its answers: what another connection asks for now comes after it."""
        until = time.monotonic() + patience_s
        self.flush()
        while self._unanswered:
            if time.monotonic() > until:
                self._hang_up()
                raise RedisTimeoutError(_SILENT)
            readable = select.poll()
            readable.register(self._connection._sock, select.POLLIN)
            readable.poll(_LOOK_EVERY_MS)
            self.flush()

    def close(self) -> list[bytes]:
        """Lets what was added arrive, where Valkey answers at once; what did not, for another to take over."""
        # Whatever is wrong: who closes has no use for it.
        with contextlib.suppress(Exception):
            self.settle(_CLOSE_S)
        return self.take_back()

    def take_back(self) -> list[bytes]:
        """What was added and has not surely arrived, for another to take over."""
        self._hang_up()
        left, self._unsent = self._unsent, []
        return left

    def take_over(self, left: list[bytes]) -> None:
        """Adds what another could not send, and empties its list."""
        self._unsent += left
        left.clear()

    def drop(self) -> None:
        """Forgets what was added and what is unanswered."""
        self._hang_up()
        self._unsent.clear()

    def _hang_up(self) -> None:
        """What is unanswered is unsent again; the next flush connects anew."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
        self._reader = _new_reader()
        self._unsent[:0] = self._unanswered
        self._unanswered.clear()

    def _send(self) -> None:
        if self._connection is None:
            self._connection = self._make_connection()
            self._connection.connect()
            self._connection._sock.setblocking(False)
        if not self._unanswered:
            self._heard_at = time.monotonic()
        try:
            self._connection._sock.sendall(b"".join(self._unsent))
        except OSError as fault:
            # Also where its buffers are full: thousands of notes lie there that Valkey does not read.
            raise RedisConnectionError("Valkey takes no notes") from fault
        self._unanswered += self._unsent
        self._unsent.clear()

    def _read(self) -> None:
        try:
            data = self._connection._sock.recv(_READ_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError):
            if time.monotonic() - self._heard_at > SOCKET_TIMEOUT_S:
                raise RedisTimeoutError(_SILENT) from None
            return
        except OSError as fault:
            raise RedisConnectionError("the connection to Valkey broke") from fault
        if not data:
            raise RedisConnectionError("the connection to Valkey broke")
        self._heard_at = time.monotonic()
        self._reader.feed(data)
        refusal: ResponseError | None = None
        while (answer := self._reader.gets()) is not _NOTHING:
            self._unanswered.popleft()
            if isinstance(answer, ResponseError):
                refusal = answer
        if refusal is not None:
            raise refusal


def _new_reader() -> hiredis.Reader:
    return hiredis.Reader(replyError=ResponseError, notEnoughData=_NOTHING)
