"""A TCP proxy between a client and its server that can be cut: the network as a fault.

Cut, it refuses new connections and breaks those that it has, or leaves them open and silent, as a firewall that drops
packets does.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Literal

Cut = Literal["refused", "silent"]


class Proxy:
    """Passes everything on to the target, from an event loop in a thread of its own."""

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self.port = 0
        self._target = target_host, target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None
        self._is_silent = False
        self._stalls = 0
        # How often a client spoke after it had been answered, or for the first time.
        self.round_trips = 0

    def start(self) -> None:
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        self._call(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def cut(self, how: Cut) -> Iterator[None]:
        """Nothing gets through until the block ends. What was silent meanwhile is broken then."""
        if how == "silent":
            self._is_silent = True
        else:
            self._call(self._hang_up())
        try:
            yield
        finally:
            self._is_silent = False
            self._call(self._hang_up())
            self._call(self._listen())

    def stall(self) -> None:
        """The connections of now stay open and carry nothing any more; new ones work."""
        self._stalls += 1

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        # Aborted transports close their sockets in the loop's next turns.
        await asyncio.sleep(0.05)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._target)
            talk, stalls = _Talk(self), self._stalls

            def passes() -> bool:
                return not self._is_silent and self._stalls == stalls

            await asyncio.gather(
                self._forward(reader, back_writer, talk.asked, passes),
                self._forward(back_reader, writer, talk.answered, passes),
            )
        except (OSError, asyncio.CancelledError):
            # One side has gone, or the cable was pulled: asyncio's server has nothing to log of that.
            pass
        finally:
            writer.transport.abort()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        noted: Callable[[], None],
        passes: Callable[[], bool],
    ) -> None:
        try:
            while data := await reader.read(65_536):
                noted()
                if passes():
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort()


class _Talk:
    """Who spoke last on one connection."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._is_asked = False

    def asked(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._proxy.round_trips += 1

    def answered(self) -> None:
        self._is_asked = False


@contextmanager
def running_proxy(target_port: int, target_host: str = "127.0.0.1") -> Iterator[Proxy]:
    proxy = Proxy(target_port, target_host)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
