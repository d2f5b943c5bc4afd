"""One connection to Valkey that all requests of a process share, for their short commands.

What is asked for in one turn of the event loop leaves in one write and is answered in order, so that a busy process
pays for a round trip once and not once a request. A command is sent at most once: one that was under way when the
connection broke fails with redis-py's ConnectionError, and the next opens a new connection.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, cast

import hiredis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.settings import ValkeySettings
from service.store.client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, tls_context
from service.store.scripts import KNOWN, Script

Command = Sequence[str | bytes | int | float]

# After an attempt to connect that failed, callers fail at once for this long instead of each trying again.
PAUSE_S: Final = 0.1
# The reader's word for an answer that has not come yet.
NOTHING: Final = object()
_ERRORS: Final[dict[str, type[RedisError]]] = {
    "CLUSTERDOWN": ClusterDownError,
    "CROSSSLOT": ClusterCrossSlotError,
    "LOADING": BusyLoadingError,
    "MASTERDOWN": MasterDownError,
    "NOAUTH": AuthenticationError,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
    "TRYAGAIN": TryAgainError,
    "WRONGPASS": AuthenticationError,
}


class Lane:
    """Sends commands; opens its connection at the first and again after each loss."""

    def __init__(self, settings: ValkeySettings, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._settings = settings
        self._answer_timeout_s = answer_timeout_s
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[_Wire] | None = None
        self._paused_until = 0.0
        self._last_fault: RedisError | None = None

    async def ask(self, *command: str | bytes | int | float) -> Any:
        """The answer to one command; an error answer is raised."""
        (answer,) = await self.run(command)
        if isinstance(answer, RedisError):
            raise answer
        return answer

    async def run(self, *commands: Command) -> list[Any]:
        """The answers to `commands`, which Valkey receives together and in this order.

        An error answer stands in its place, as an exception. Raises redis-py's ConnectionError or TimeoutError where
        Valkey does not answer. A script that Valkey does not know yet runs after the others.
        """
        wire = self._wire
        if wire is None or wire.is_lost:
            wire = await self._connected()
        answers = await wire.send([by_digest(command) for command in commands])
        unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            # Once a script and a server: from then on it is known by its digest.
            again = await wire.send([commands[place] for place in unknown])
            for place, answer in zip(unknown, again, strict=True):
                answers[place] = answer
        return answers

    async def close(self) -> None:
        """Waits for nothing: what is under way fails."""
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError, RedisError):
                await self._connecting
        if self._wire is not None:
            await self._wire.close()

    async def _connected(self) -> "_Wire":
        """Joins the attempt under way, so that a crowd opens one connection."""
        loop = asyncio.get_running_loop()
        if self._last_fault is not None and loop.time() < self._paused_until:
            raise RedisConnectionError(str(self._last_fault))
        if self._connecting is None:
            self._connecting = loop.create_task(self._connect(), name="valkey-lane-connect")
            self._connecting.add_done_callback(self._connect_done)
        return await asyncio.shield(self._connecting)

    def _connect_done(self, attempt: "asyncio.Task[_Wire]") -> None:
        self._connecting = None
        if attempt.cancelled():
            return
        fault = attempt.exception()
        if isinstance(fault, RedisError):
            self._last_fault = fault
            self._paused_until = asyncio.get_running_loop().time() + PAUSE_S
        elif fault is None:
            self._last_fault = None
            self._wire = attempt.result()

    async def _connect(self) -> "_Wire":
        settings = self._settings
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, wire = await loop.create_connection(
                    lambda: _Wire(loop, self._answer_timeout_s),
                    settings.host,
                    settings.port,
                    ssl=tls_context(settings),
                )
        except TimeoutError as fault:
            raise RedisTimeoutError(f"no connection to Valkey within {CONNECT_TIMEOUT_S} s") from fault
        except OSError as fault:
            raise RedisConnectionError("Valkey cannot be reached") from fault
        await self._greet(wire)
        # Nobody waits for these: what is asked next stands behind them. A script that had to be sent a second time
        # would run after what stands behind it.
        loading = wire.send([("SCRIPT", "LOAD", script) for script in KNOWN.values()])
        loading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return wire

    async def _greet(self, wire: "_Wire") -> None:
        for answer in await wire.send(greetings_of(self._settings)):
            if isinstance(answer, RedisError):
                await wire.close()
                # A refused login is as good as no server: whoever sets the password right mends it.
                raise RedisConnectionError(str(answer))


class _Wire(asyncio.Protocol):
    """One connection: packs, writes once a turn, and hands the answers out in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answer_timeout_s: float) -> None:
        self.is_lost = False
        self._loop = loop
        self._answer_timeout_s = answer_timeout_s
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(replyError=parse_error, notEnoughData=NOTHING)
        self._unsent: list[_Batch] = []
        self._waiting: deque[_Batch] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] = loop.create_future()

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        packed = b"".join([pack(command) for command in commands])
        due = self._loop.time() + self._answer_timeout_s
        batch = _Batch(self._loop.create_future(), packed, len(commands), due)
        if self.is_lost:
            batch.future.set_exception(RedisConnectionError("the connection to Valkey broke"))
            return batch.future
        if not commands:
            batch.future.set_result([])
            return batch.future
        if not self._unsent:
            self._loop.call_soon(self._flush)
        # One step: a worker's signal may raise between any two, and what is sent must have somebody who waits for it.
        self._unsent.append(batch)
        return batch.future

    async def close(self) -> None:
        self._lose(RedisConnectionError("the connection to Valkey was closed"))
        await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        is_demoted = False
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not NOTHING:
                batch = self._waiting[0]
                batch.answers.append(answer)
                is_demoted = is_demoted or isinstance(answer, (ReadOnlyError, MasterDownError))
                if len(batch.answers) == batch.size:
                    self._waiting.popleft()
                    if not batch.future.done():
                        batch.future.set_result(batch.answers)
        except (hiredis.HiredisError, IndexError):
            # Not the protocol, or an answer that nobody asked for: what follows cannot be matched any more.
            self._lose(RedisConnectionError("Valkey's answer cannot be read"))
        if is_demoted:
            # This server is a replica now; a new connection looks the name up again.
            self._lose(RedisConnectionError("Valkey's primary moved"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._lose(RedisConnectionError("the connection to Valkey broke"))
        if not self._closed.done():
            self._closed.set_result(None)

    def _flush(self) -> None:
        if self._transport is None or not self._unsent:
            return
        self._transport.write(b"".join([batch.packed for batch in self._unsent]))
        self._waiting += self._unsent
        self._unsent.clear()
        if self._watch is None:
            self._watch = self._loop.call_at(self._waiting[0].due, self._check)

    def _check(self) -> None:
        """One timer a connection, set to the oldest batch: a timer a batch would cost more than the command."""
        self._watch = None
        if not self._waiting:
            return
        due = self._waiting[0].due
        if due <= self._loop.time():
            self._lose(RedisTimeoutError(f"Valkey did not answer within {self._answer_timeout_s} s"))
        else:
            self._watch = self._loop.call_at(due, self._check)

    def _lose(self, fault: RedisError) -> None:
        self.is_lost = True
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._transport is not None:
            self._transport.abort()
        for batch in (*self._waiting, *self._unsent):
            if not batch.future.done():
                batch.future.set_exception(fault)
        self._waiting.clear()
        self._unsent.clear()


class _Batch:
    """Commands of one caller whose answers are awaited. `due`: time of the event loop's clock."""

    __slots__ = ("answers", "due", "future", "packed", "size")

    def __init__(self, future: "asyncio.Future[list[Any]]", packed: bytes, size: int, due: float) -> None:
        self.future = future
        self.packed = packed
        self.size = size
        self.due = due
        self.answers: list[Any] = []


def greetings_of(settings: ValkeySettings) -> list[Command]:
    """What logs in and picks the database, where the settings ask for it."""
    greetings: list[Command] = []
    if settings.password:
        greetings.append(("AUTH", settings.password))
    if settings.db:
        greetings.append(("SELECT", settings.db))
    return greetings


def by_digest(command: Command) -> Command:
    """`EVAL` with a script of ours as `EVALSHA`: forty bytes instead of two thousand, and none to be hashed there."""
    if command and command[0] == "EVAL" and isinstance(command[1], Script):
        return ("EVALSHA", command[1].digest, *command[2:])
    return command


def pack(command: Command) -> bytes:
    """A command as it goes over the wire."""
    # hiredis declares its argument as a tuple of one.
    packed: bytes = hiredis.pack_command(cast(Any, tuple(command)))
    return packed


def parse_error(text: str) -> RedisError:
    """redis-py's exception of an error answer."""
    return _ERRORS.get(text.partition(" ")[0], ResponseError)(text)
