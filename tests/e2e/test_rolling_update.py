"""A rolling update of the API under load, through its Service on the real cluster: no request fails, sockets return."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.e2e.client import read_token
from tests.e2e.conftest import Release

pytestmark = pytest.mark.cluster

CLIENTS, SOCKETS = 6, 4
DEADLINE_S = 150.0
PAUSE_S = 0.02


@dataclass
class Load:
    """Reflex's ways: connections that are kept, and sockets that come back when they are closed."""

    address: str
    token: str
    answered: int = 0
    versions: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    closings: list[int | None] = field(default_factory=list)
    open_sockets: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        callers = [self._call() for _ in range(CLIENTS)]
        await asyncio.gather(*callers, *(self._listen(f"rolled{number}") for number in range(SOCKETS)))

    async def _call(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=f"http://{self.address}", headers=headers, timeout=30) as client:
            while True:
                try:
                    await self._ask(client)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                await asyncio.sleep(PAUSE_S)

    async def _ask(self, client: httpx.AsyncClient) -> None:
        body = {
            "api_version": "v1",
            "method": "REGISTRY.register_user",
            "args": ["rolled", uuid.uuid4().hex],
            "idempotency_key": uuid.uuid4().hex,
        }
        response = await client.post("/rpc", json=body)
        if response.status_code != 200 or not response.json()["ok"]:
            self.failures.append(response.text)
        self.versions.add((await client.get("/version")).json()["version"])
        self.answered += 1

    async def _listen(self, user: str) -> None:
        while True:
            try:
                async with connect(f"ws://{self.address}/ws?uid={user}", compression=None) as socket:
                    self.open_sockets += 1
                    try:
                        await socket.wait_closed()
                    finally:
                        self.open_sockets -= 1
                    self.closings.append(socket.close_code)
            except OSError as error:
                self.failures.append(repr(error))


async def test_a_rolling_update_under_load_fails_no_request(released: Release) -> None:
    token = read_token(released.cluster, released.namespace, released.name)
    load = Load(f"{released.service_address('api')}:8090", token)
    running = asyncio.create_task(load.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await _until(lambda: load.answered > 20 and load.open_sockets == SOCKETS)
            await asyncio.to_thread(released.change, version="rolled")
            await _until(lambda: "rolled" in load.versions)
            load.versions.clear()
            before = load.answered
            await _until(lambda: load.answered > before + 20 and load.open_sockets == SOCKETS)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert load.failures == []
    # Each socket was closed by the pod that went, at least once, and opened again.
    assert len(load.closings) >= SOCKETS
    assert set(load.closings) == {1012}
    assert load.versions == {"rolled"}


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what it waits for happens in other processes
        await asyncio.sleep(0.05)
