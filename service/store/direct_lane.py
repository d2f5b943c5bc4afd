"""The lane of a process that does one thing at a time: it waits for each answer where it stands.

A worker's process has nobody else to serve while Valkey answers, within a quarter of a millisecond; letting the event
loop turn for it takes as long again. Its promises are the lane's: commands leave in one write, each at most once.
"""

import socket
from typing import Any, Final

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, NoScriptError, ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.settings import ValkeySettings
from service.store.client import ANSWER_TIMEOUT_S, CONNECT_TIMEOUT_S, tls_context
from service.store.lane import NOTHING, Command, Lane, by_digest, greetings_of, pack, parse_error
from service.store.scripts import KNOWN

_READ_BYTES: Final = 65_536


class DirectLane(Lane):
    """Opens its connection at the first command and again after each loss; belongs to one thread."""

    def __init__(self, settings: ValkeySettings, *, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        super().__init__(settings, answer_timeout_s=answer_timeout_s)
        self._socket: socket.socket | None = None
        self._reader = _new_reader()

    async def run(self, *commands: Command) -> list[Any]:
        """As the lane's; only that nothing else in this thread runs meanwhile."""
        if not commands:
            return []
        try:
            answers = self._ask([by_digest(command) for command in commands])
            unknown = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if unknown:
                for place, answer in zip(unknown, self._ask([commands[place] for place in unknown]), strict=True):
                    answers[place] = answer
        except BaseException:
            # Also a signal's: an answer that is not read would be taken for the next command's.
            self._drop()
            raise
        if any(isinstance(answer, (ReadOnlyError, MasterDownError)) for answer in answers):
            # This server is a replica now; a new connection looks the name up again.
            self._drop()
        return answers

    async def close(self) -> None:
        self._drop()

    def _ask(self, commands: list[Command]) -> list[Any]:
        wire = self._socket or self._open()
        try:
            return self._exchange(wire, commands)
        except TimeoutError as fault:
            raise RedisTimeoutError(f"Valkey did not answer within {self._answer_timeout_s} s") from fault
        except OSError as fault:
            raise RedisConnectionError("the connection to Valkey broke") from fault
        except hiredis.HiredisError as fault:
            raise RedisConnectionError("Valkey's answer cannot be read") from fault

    def _exchange(self, wire: socket.socket, commands: list[Command]) -> list[Any]:
        wire.sendall(b"".join([pack(command) for command in commands]))
        answers: list[Any] = []
        while len(answers) < len(commands):
            data = wire.recv(_READ_BYTES)
            if not data:
                raise RedisConnectionError("the connection to Valkey broke")
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not NOTHING:
                answers.append(answer)
        return answers

    def _open(self) -> socket.socket:
        settings = self._settings
        try:
            wire = socket.create_connection((settings.host, settings.port), CONNECT_TIMEOUT_S)
            self._socket = wire
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = tls_context(settings)
            if context is not None:
                wire = self._socket = context.wrap_socket(wire, server_hostname=settings.host)
        except TimeoutError as fault:
            raise RedisTimeoutError(f"no connection to Valkey within {CONNECT_TIMEOUT_S} s") from fault
        except OSError as fault:
            raise RedisConnectionError("Valkey cannot be reached") from fault
        wire.settimeout(self._answer_timeout_s)
        greetings = greetings_of(settings)
        for answer in self._exchange(wire, [*greetings, *(("SCRIPT", "LOAD", script) for script in KNOWN.values())])[
            : len(greetings)
        ]:
            if isinstance(answer, RedisError):
                # A refused login is as good as no server: whoever sets the password right mends it.
                raise RedisConnectionError(str(answer))
        return wire

    def _drop(self) -> None:
        wire, self._socket = self._socket, None
        self._reader = _new_reader()
        if wire is not None:
            wire.close()


def _new_reader() -> hiredis.Reader:
    return hiredis.Reader(replyError=parse_error, notEnoughData=NOTHING)
