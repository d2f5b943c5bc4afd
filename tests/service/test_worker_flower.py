"""Flower as a part of the image: behind a password, or not at all."""

from pathlib import Path

import httpx
import pytest

from service.settings import SettingsError
from service.worker.flower import run_flower
from tests.service.conftest import MakeSettings
from tests.service.running_worker import Worker
from tests.service.valkey_server import RunningValkey, free_port
from tests.service.waiting import eventually


def test_without_a_password_it_does_not_start(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWER_BASIC_AUTH", raising=False)
    with pytest.raises(SettingsError, match="FLOWER_BASIC_AUTH"):
        run_flower(make_settings(CONTAINER_TYPE="flower"))


async def test_it_asks_for_its_password(valkey_server: RunningValkey, tmp_path: Path) -> None:
    port = free_port()
    environ = {"CONTAINER_TYPE": "flower", "FLOWER_BASIC_AUTH": "ann:open", "FLOWER_PORT": str(port)}
    flower = Worker(valkey_server, tmp_path, "service", environ)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

            async def answer(auth: tuple[str, str] | None) -> int:
                try:
                    return (await http.get("/workers", auth=auth)).status_code
                except httpx.TransportError:
                    return 0

            assert await eventually(lambda: answer(None), deadline_s=20) == 401
            assert await answer(("ann", "open")) == 200
    finally:
        flower.stop()
