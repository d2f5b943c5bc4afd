"""Valkey behind TLS, verified and not: before a real server stands a proxy with a certificate that nobody knows."""

import asyncio
import os
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from service.settings import ValkeySettings
from service.store.client import connect, tls_context
from service.store.lane import Lane
from tests.service.valkey_server import RunningValkey


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `key.pem` and `cert.pem`."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=nobody"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def certificate(files: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files / "cert.pem", files / "key.pem")
    return context


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def tls_before(port: int, certificate: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a proxy that speaks TLS."""
    tasks: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=certificate)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    await server.wait_closed()


def settings_at(port: int, *, verify: bool) -> ValkeySettings:
    return ValkeySettings("127.0.0.1", port, 0, tls=True, tls_verify=verify, password=None)


async def test_without_verification(valkey_server: RunningValkey, certificate: ssl.SSLContext) -> None:
    async with tls_before(valkey_server.port, certificate) as port:
        lane = Lane(settings_at(port, verify=False))
        assert await lane.ask("SET", "a", "b" * 200_000) == b"OK"
        assert len(await lane.ask("GET", "a")) == 200_000
        await lane.close()
        client = connect(settings_at(port, verify=False))
        assert len(await client.get("a") or "") == 200_000
        await client.aclose()


async def test_an_unknown_certificate_is_refused(valkey_server: RunningValkey, certificate: ssl.SSLContext) -> None:
    async with tls_before(valkey_server.port, certificate) as port:
        lane = Lane(settings_at(port, verify=True))
        with pytest.raises(RedisConnectionError):
            await lane.ask("PING")
        await lane.close()
        client = connect(settings_at(port, verify=True))
        with pytest.raises(RedisConnectionError):
            await client.get("a")
        await client.aclose()


def test_the_authorities_are_read_once_and_again_when_they_change(files: Path) -> None:
    authority = files / "cert.pem"
    settings = replace(settings_at(1, verify=True), tls_ca_file=str(authority))
    context = tls_context(settings)
    assert tls_context(settings) is context
    os.utime(authority, ns=(1, 1))
    assert tls_context(settings) is not context
