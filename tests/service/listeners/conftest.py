"""The Firestore emulator (one a session, emptied per test), the stand-in of the Realtime Database, and open tabs."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from service.settings import Settings
from service.store.client import Valkey
from tests.firestore.emulator import PROJECT, FirestoreEmulator, running_emulator
from tests.rtdb_standin.server import RtdbStandIn, running_standin
from tests.service.application import Api, behind_uvicorn
from tests.service.conftest import MakeSettings
from tests.service.waiting import eventually

# The emulator and its listeners share the machine with everything else that is tested.
SLOW_S = 30.0


@pytest.fixture(scope="session")
def shared_emulator() -> Iterator[FirestoreEmulator]:
    with running_emulator() as emulator:
        yield emulator


@pytest.fixture
def firestore(shared_emulator: FirestoreEmulator) -> FirestoreEmulator:
    shared_emulator.clear()
    return shared_emulator


@pytest.fixture
async def database() -> AsyncIterator[RtdbStandIn]:
    async with running_standin() as standin:
        yield standin


@pytest.fixture
def environ(firestore: FirestoreEmulator, database: RtdbStandIn) -> dict[str, str]:
    """What points a process at both."""
    return {
        "FIRESTORE_EMULATOR_HOST": firestore.host,
        "GOOGLE_PROJECT_ID": PROJECT,
        "FIREBASE_REALTIME_DB_URL": database.url,
    }


@pytest.fixture
def listening(make_settings: MakeSettings, environ: dict[str, str]) -> Settings:
    return make_settings(**environ)


@pytest.fixture
async def replica(listening: Settings) -> AsyncIterator[Api]:
    async with behind_uvicorn(listening) as running:
        yield running


@pytest.fixture
async def second_replica(listening: Settings) -> AsyncIterator[Api]:
    async with behind_uvicorn(listening) as running:
        yield running


class Tab:
    """An open WebSocket and what came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []

    async def read(self) -> None:
        async for text in self._socket:
            self.events.append(json.loads(text))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def next(self, kind: str, count: int = 1, *, deadline_s: float = SLOW_S) -> dict[str, Any]:
        """The `count`th event of a kind."""
        found: list[dict[str, Any]] = await eventually(
            lambda: len(self.of(kind)) >= count and self.of(kind), deadline_s=deadline_s
        )
        return found[count - 1]

    async def close(self) -> None:
        await self._socket.close()


@asynccontextmanager
async def open_tab(url: str, uid: str = "u1", query: str = "") -> AsyncIterator[Tab]:
    """`url`: of /ws."""
    async with connect(f"{url}?uid={uid}{query}") as socket:
        tab = Tab(socket)
        reading = asyncio.create_task(tab.read())
        try:
            yield tab
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def status_of(firestore: FirestoreEmulator, uid: str = "u1") -> Any:
    """What the user's document says; None: there is none."""
    return (await asyncio.to_thread(firestore.read, f"listeners_registry/{uid}") or {}).get("status")


async def until_status(firestore: FirestoreEmulator, status: str, uid: str = "u1") -> None:
    async def has_status() -> bool:
        return bool(await status_of(firestore, uid) == status)

    await eventually(has_status, deadline_s=SLOW_S)


@asynccontextmanager
async def listening_to(valkey: Valkey, channel: str) -> AsyncIterator["asyncio.Queue[str]"]:
    """What is published on a channel."""
    published: asyncio.Queue[str] = asyncio.Queue()

    async def follow(subscription: Any) -> None:
        async for message in subscription.listen():
            published.put_nowait(message["data"].decode())

    async with valkey.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe(channel)
        following = asyncio.create_task(follow(subscription))
        try:
            yield published
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
