"""One connection to a Valkey: commands out, answers in. Parsing is hiredis's.

redis-py would cost the operator 20 MB of memory for the few commands that it sends.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Final, Self

import hiredis

READ_BYTES: Final = 65_536
Command = tuple[str | int | bytes, ...]


class RespError(Exception):
    """Valkey cannot be reached, answers too late, or refuses; the connection is of no use any more."""


class RespTimeout(RespError):
    """Nothing came back in time: whoever asks again waits as long again."""


class RespConnection:
    """Answers are bytes, int, None or lists of them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._parser = hiredis.Reader()

    @classmethod
    async def open(
        cls, host: str, port: int, tls: ssl.SSLContext | None, password: str | None, timeout_s: float
    ) -> Self:
        """Connected and logged in. Raises RespError."""
        try:
            async with asyncio.timeout(timeout_s):
                streams = await asyncio.open_connection(host, port, ssl=tls)
        except (OSError, TimeoutError) as error:
            raise _fault("no connection", error) from error
        connection = cls(*streams, timeout_s)
        if password:
            try:
                await connection.call("AUTH", password)
            except RespError:
                connection.close()
                raise
        return connection

    async def call(self, *command: str | int | bytes) -> object:
        """Raises RespError."""
        (answer,) = await self.call_all([command])
        return answer

    async def call_all(self, commands: Sequence[Command]) -> list[object]:
        """Sends all at once; the answers in their order. Raises RespError, also where one of them is refused."""
        try:
            async with asyncio.timeout(self._timeout_s):
                for command in commands:
                    self._writer.write(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub knows one item
                await self._writer.drain()
                answers = [await self._read_answer() for _ in commands]
        except (OSError, TimeoutError, hiredis.ProtocolError) as error:
            raise _fault("no answer", error) from error
        for answer in answers:
            if isinstance(answer, hiredis.ReplyError):
                raise RespError(str(answer))
        return answers

    def close(self) -> None:
        """At once: no answer is waited for, and TLS's farewell would outlive whoever closes."""
        self._writer.transport.abort()

    async def _read_answer(self) -> object:
        while True:
            answer: object = self._parser.gets()
            # hiredis says False for "not whole yet"; no command sent here is answered with it.
            if answer is not False:
                return answer
            chunk = await self._reader.read(READ_BYTES)
            if not chunk:
                raise ConnectionResetError("the connection was closed")
            self._parser.feed(chunk)


def _fault(what: str, error: Exception) -> RespError:
    kind = RespTimeout if isinstance(error, TimeoutError) else RespError
    return kind(f"{what}: {str(error) or type(error).__name__}")
