"""Flower as a part of the image: behind a password, or not at all; it sees the workers through the same broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.settings import SettingsError
from service.worker.flower import run_flower
from tests.service.conftest import MakeSettings
from tests.service.running_worker import Worker, running_worker
from tests.service.tls_front import tls_front
from tests.service.valkey_server import RunningValkey, free_port, running_valkey
from tests.service.waiting import eventually

LOGIN = ("ann", "open")
START_S = 60.0
PASSWORD = "p@ss/w:rd#%41 é"


@contextmanager
def running_flower(valkey: RunningValkey, folder: Path, **environ: str) -> Iterator[str]:
    """Its URL; it may not answer yet."""
    port = free_port()
    folder.mkdir()
    own = {"CONTAINER_TYPE": "flower", "FLOWER_BASIC_AUTH": ":".join(LOGIN), "FLOWER_PORT": str(port), **environ}
    flower = Worker(valkey, folder, "service", own)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        flower.stop()


async def ask(http: httpx.AsyncClient, path: str, auth: tuple[str, str] | None) -> int:
    """0: it does not listen yet."""
    try:
        return (await http.get(path, auth=auth, timeout=20)).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("login", ["", "open", ":open", "ann:"])
def test_without_a_login_it_does_not_start(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    monkeypatch.setenv("FLOWER_BASIC_AUTH", login)
    with pytest.raises(SettingsError, match="FLOWER_BASIC_AUTH"):
        run_flower(make_settings(CONTAINER_TYPE="flower"))


async def test_it_asks_for_its_login_and_shows_workers_below_its_prefix(tmp_path: Path) -> None:
    """Over TLS and a password that is no plain word, as in production."""
    with (
        running_valkey(password=PASSWORD, cluster=False) as valkey,
        tls_front(valkey.port, tmp_path) as port,
    ):
        environ = {
            "LISTENERS_REDIS_PORT": str(port),
            "LISTENERS_REDIS_PASSWORD": PASSWORD,
            "LISTENERS_REDIS_TLS": "true",
            "LISTENERS_REDIS_TLS_VERIFY": "false",
        }
        (tmp_path / "worker").mkdir()
        with (
            running_worker(valkey, tmp_path / "worker", **environ),
            running_flower(valkey, tmp_path / "flower", FLOWER_URL_PREFIX="flower", **environ) as url,
        ):
            async with httpx.AsyncClient(base_url=f"{url}/flower") as http:
                assert await eventually(lambda: ask(http, "/workers", None), deadline_s=START_S) == 401
                assert await ask(http, "/workers", ("ann", "wrong")) == 401
                assert await ask(http, "/workers", LOGIN) == 200
                assert await ask(http, "/broker", LOGIN) == 200

                async def seen() -> list[str]:
                    answer = await http.get("/api/workers?refresh=1", auth=LOGIN, timeout=20)
                    return list(answer.json()) if answer.status_code == 200 else []

                (worker,) = await eventually(seen, deadline_s=START_S)
                assert worker.startswith("celery@")


async def test_it_may_be_told_to_ask_for_none(valkey_server: RunningValkey, tmp_path: Path) -> None:
    with running_flower(valkey_server, tmp_path / "flower", FLOWER_BASIC_AUTH="disabled") as url:
        async with httpx.AsyncClient(base_url=url) as http:
            assert await eventually(lambda: ask(http, "/workers", None), deadline_s=START_S) == 200
