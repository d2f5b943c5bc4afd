"""The outbox ends when it is told to, whatever its publisher makes of a cancellation."""

import asyncio
from datetime import UTC, datetime

from service.domain.events import Event
from service.listeners.outbox import Outbox
from service.store.client import VALKEY_FAULTS


class DeafPublisher:
    """Loses the first cancellation, as redis-py does with one that comes while it greets a new connection."""

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()

    async def publish(self, _: Event) -> str:
        is_first = not self.is_asked.is_set()
        self.is_asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not is_first:
                raise
        raise VALKEY_FAULTS[0]("the connection broke")


async def test_it_ends_although_a_cancellation_is_lost() -> None:
    publisher = DeafPublisher()
    outbox = Outbox(publisher, is_confirmed=lambda: True)
    outbox.start()
    outbox.put("u", lambda: [Event("notif.sync", "u", {}, datetime.now(UTC))])
    await publisher.is_asked.wait()
    async with asyncio.timeout(5):
        await outbox.stop()
