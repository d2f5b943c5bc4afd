"""What a worker process works with: its clients and stores, made when the process starts and closed when it ends."""

import os
import socket
from dataclasses import dataclass

from service.settings import Settings
from service.store.client import Valkey, connect
from service.store.events import EventStore
from service.store.lane import Lane
from service.store.payloads import PayloadStore
from service.store.tasks import TaskStore
from service.store.unified import UnifiedRegistry

# A process runs one task at a time; a step writes through one connection, a chore reads beside it.
CONNECTIONS = 4


def worker_name(settings: Settings) -> str:
    """Name of this pod, or of this machine where it is no pod."""
    return settings.pod_name if settings.pod_name != "local" else socket.gethostname()


@dataclass(frozen=True, slots=True)
class Services:
    """Clients and stores of one process."""

    settings: Settings
    worker_id: str
    valkey: Valkey
    lane: Lane
    tasks: TaskStore
    payloads: PayloadStore
    events: EventStore
    unified: UnifiedRegistry

    @classmethod
    def open(cls, settings: Settings) -> "Services":
        """Connects at the first command, in the event loop that runs it."""
        valkey = connect(settings.valkey, max_connections=CONNECTIONS)
        lane = Lane(settings.valkey)
        return cls(
            settings=settings,
            worker_id=f"{worker_name(settings)}:{os.getpid()}",
            valkey=valkey,
            lane=lane,
            tasks=TaskStore(valkey),
            payloads=PayloadStore(valkey),
            events=EventStore(valkey, settings),
            unified=UnifiedRegistry(lane),
        )

    async def close(self) -> None:
        await self.lane.close()
        await self.valkey.aclose()
