"""What tasks work with: clients and stores, made when a process starts and closed when it ends."""

import os
import socket
from dataclasses import dataclass

from service.gateways.chat import Chat
from service.gateways.chroma import Chroma
from service.gateways.embeddings import Embeddings
from service.gateways.openai import OpenAi
from service.gateways.vector_store import VectorStore
from service.settings import Settings
from service.store.checkpoints import CheckpointStore
from service.store.client import Valkey, connect
from service.store.conversations import ConversationStore
from service.store.events import EventStore
from service.store.lane import Lane
from service.store.lane_client import LaneClient
from service.store.limits import Limits
from service.store.payloads import PayloadStore
from service.store.queue import TaskQueue
from service.store.quotas import QuotaStore
from service.store.recovery import RecoveryStore
from service.store.storage import StorageStore
from service.store.tasks import TaskStore
from service.store.unified import UnifiedRegistry

# A process runs one task at a time; a step writes through one connection, a chore reads beside it.
CONNECTIONS = 4


def worker_name(settings: Settings) -> str:
    """Name of this pod, or of this machine where it is no pod."""
    return settings.pod_name if settings.pod_name != "local" else socket.gethostname()


@dataclass(frozen=True, slots=True)
class Gateways:
    """Clients of the servers beside Valkey: made at once, imported and connected at the first use."""

    chroma: Chroma
    openai: OpenAi
    chat: Chat
    vectors: VectorStore

    @classmethod
    def open(cls, settings: Settings) -> "Gateways":
        chroma, openai = Chroma(settings.chroma), OpenAi(settings.openai)
        vectors = VectorStore(chroma, Embeddings(openai, settings.openai.embeddings_model))
        return cls(chroma, openai, Chat(openai), vectors)

    async def close(self) -> None:
        await self.chroma.close()
        await self.openai.close()


@dataclass(frozen=True, slots=True)
class Services:
    """Clients and stores of one process."""

    settings: Settings
    worker_id: str
    valkey: Valkey
    lane: Lane
    # The lane again, as redis-py's client: for what comes with every task.
    quick: Valkey
    tasks: TaskStore
    payloads: PayloadStore
    checkpoints: CheckpointStore
    events: EventStore
    unified: UnifiedRegistry
    recovery: RecoveryStore
    limits: Limits
    quotas: QuotaStore
    storage: StorageStore
    conversations: ConversationStore
    queue: TaskQueue
    gateways: Gateways

    @classmethod
    def open(cls, settings: Settings, lane: Lane | None = None) -> "Services":
        """Connects at the first command, in the event loop that runs it. Who opens them closes them.

        `lane`: the one to use, for a process that has its own kind.
        """
        valkey = connect(settings.valkey, max_connections=CONNECTIONS)
        return cls.over(settings, valkey, lane or Lane(settings.valkey), Gateways.open(settings))

    @classmethod
    def over(
        cls,
        settings: Settings,
        valkey: Valkey,
        lane: Lane,
        gateways: Gateways,
        limits: Limits | None = None,
    ) -> "Services":
        """Stores over clients that somebody else closes. `limits` None: as Valkey has them."""
        limits = limits or Limits(valkey)
        storage = StorageStore(valkey, limits)
        quick = LaneClient(lane)
        return cls(
            settings=settings,
            worker_id=f"{worker_name(settings)}:{os.getpid()}",
            valkey=valkey,
            lane=lane,
            quick=quick,
            tasks=TaskStore(quick),
            payloads=PayloadStore(quick),
            checkpoints=CheckpointStore(valkey),
            events=EventStore(quick, settings),
            unified=UnifiedRegistry(lane),
            limits=limits,
            quotas=QuotaStore(lane, limits, storage),
            storage=storage,
            conversations=ConversationStore(valkey),
            recovery=RecoveryStore(valkey, settings.celery_key_prefix),
            queue=TaskQueue(settings, lane),
            gateways=gateways,
        )

    async def close(self) -> None:
        await self.gateways.close()
        await self.lane.close()
        await self.valkey.aclose()
