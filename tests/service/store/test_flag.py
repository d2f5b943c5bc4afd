"""Where a process knows the flag from."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from contract import keys
from contract.flag import FlagAck, FlagDocument, ack_field, encode
from service.settings import Settings
from service.store.client import Valkey, connect
from service.store.flag import FlagSource
from tests.service.conftest import MakeSettings
from tests.service.valkey_server import RunningValkey, settings_for
from tests.service.waiting import eventually


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[FlagSource]:
    client = connect(settings.valkey)
    source = FlagSource(client, settings)
    await source.start()
    try:
        yield source
    finally:
        await source.stop()
        await client.aclose()


async def publish(valkey: Valkey, revision: int, **fields: Any) -> None:
    await valkey.set(keys.FLAG, encode(FlagDocument(revision=revision, **fields)))
    await valkey.publish(keys.FLAG_CHANNEL, str(revision))


@pytest.mark.parametrize("enabled", ["true", "false"])
async def test_environment_where_nothing_else_is(make_settings: MakeSettings, enabled: str) -> None:
    async with following(make_settings(UNIFIED_REGISTRY_ENABLED=enabled)) as source:
        assert source.is_on("u", None) is (enabled == "true")
        assert source.revision == 0


async def test_document_of_valkey_at_the_start(settings: Settings, valkey: Valkey) -> None:
    await publish(valkey, 7, enabled=True, users=("u",), routes={"ml_analysis": "gpu"}, debug=True)
    async with following(settings) as source:
        assert (source.revision, source.is_on("u"), source.is_on("v")) == (7, True, False)
        assert source.routes == {"ml_analysis": "gpu"}
        assert source.is_debug


async def test_a_change_is_heard_at_once(settings: Settings, valkey: Valkey) -> None:
    async with following(settings) as source:
        await eventually(lambda: _subscribers(valkey))
        started = time.monotonic()
        await publish(valkey, 1, enabled=True)
        await eventually(lambda: source.revision == 1)
        assert time.monotonic() - started < 0.5


async def test_a_change_that_was_not_heard_is_read(settings: Settings, valkey: Valkey) -> None:
    async with following(settings) as source:
        await valkey.set(keys.FLAG, encode(FlagDocument(revision=1, enabled=True)))
        await eventually(lambda: source.revision == 1, deadline_s=5)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"enabled":"yes","revision":9}', b"\xff", b'{"percent_bp":"all"}'])
async def test_what_is_no_document_changes_nothing(settings: Settings, valkey: Valkey, raw: bytes) -> None:
    await publish(valkey, 3, enabled=True)
    async with following(settings) as source:
        await eventually(lambda: _subscribers(valkey))
        await valkey.set(keys.FLAG, raw)
        await valkey.publish(keys.FLAG_CHANNEL, "x")
        await publish(valkey, 4, enabled=False)
        await eventually(lambda: source.revision == 4)


async def test_an_older_or_vanished_document_changes_nothing(settings: Settings, valkey: Valkey) -> None:
    await publish(valkey, 5, enabled=True)
    async with following(settings) as source:
        await eventually(lambda: _subscribers(valkey))
        await publish(valkey, 4)
        await source.reread()
        assert (source.revision, source.is_on("u")) == (5, True)
        await valkey.delete(keys.FLAG)
        await source.reread()
        assert source.is_on("u")


async def test_a_mounted_file_stands_in_and_is_followed(make_settings: MakeSettings, tmp_path: Path) -> None:
    path = tmp_path / "flag.json"
    path.write_bytes(encode(FlagDocument(revision=2, enabled=True)))
    async with following(make_settings(FLAG_FILE=str(path))) as source:
        assert source.revision == 2
        path.write_bytes(encode(FlagDocument(revision=3)))
        await eventually(lambda: source.revision == 3, deadline_s=5)


async def test_a_mounted_file_is_followed_while_valkey_is_gone(own_valkey: RunningValkey, tmp_path: Path) -> None:
    path = tmp_path / "flag.json"
    async with following(settings_for(own_valkey.settings, FLAG_FILE=str(path))) as source:
        own_valkey.stop()
        path.write_bytes(encode(FlagDocument(revision=3, enabled=True)))
        await eventually(lambda: source.revision == 3, deadline_s=10)


async def test_acknowledgement(make_settings: MakeSettings, valkey: Valkey) -> None:
    async with following(make_settings(POD_NAME="api-7")) as source:
        await publish(valkey, 1)
        await eventually(lambda: source.revision == 1)

        async def acknowledged() -> FlagAck | None:
            fields: Any = await valkey.hgetall(keys.FLAG_ACKS)
            (field,) = fields
            assert field.decode() == ack_field("api-7", int(field.decode().split("/")[1]))
            ack = FlagAck(**json.loads(fields[field]))
            return ack if ack.revision == 1 else None

        ack = await eventually(acknowledged)
        assert ack.pod == "api-7"
        assert abs(ack.seen_at - time.time()) < 60
    assert await valkey.exists(keys.FLAG_ACKS) == 0


async def test_a_full_valkey_takes_it(make_settings: MakeSettings, valkey: Valkey) -> None:
    async with following(make_settings(POD_NAME="api-7")) as source:
        await publish(valkey, 1)
        await eventually(lambda: source.revision == 1)
        await valkey.delete(keys.FLAG_ACKS)
        await valkey.config_set("maxmemory", 1)
        try:
            source._acknowledged = (0, 0.0)
            await source.reread()
        finally:
            await valkey.config_set("maxmemory", 0)
        assert await valkey.hlen(keys.FLAG_ACKS) == 1


async def _subscribers(valkey: Valkey) -> bool:
    ((_, count),) = await valkey.pubsub_numsub(keys.FLAG_CHANNEL)
    return bool(count)
