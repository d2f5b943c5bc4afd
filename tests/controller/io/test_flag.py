"""The flag document in a real Valkey (cluster mode, with a password): read, published, never put back."""

import base64
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import redis

from contract import keys
from contract.flag import FlagAck, FlagDocument, encode
from contract.restoring import RestoreProgress
from controller.cluster.client import KubernetesApi
from controller.cluster.flag import ACK_LIVES_S, ACK_SWEPT_S, OWNED_S, FlagPublisher
from controller.cluster.valkey import Endpoint
from controller.model.base import JsonObject
from controller.model.errors import ValkeyUnavailable
from controller.model.kinds import Kind
from controller.model.pod import KeyRef
from controller.model.service import ServiceKey
from tests.service.valkey_server import RunningValkey, running_valkey

KEY = ServiceKey("place", "demo")
PASSWORD = "open-sesame"


class SecretsOnlyApi(KubernetesApi):
    """A stand-in that knows one Secret: which one is read is all that matters here."""

    def __init__(self) -> None:
        self.reads = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:
        self.reads += 1
        data = {"password": base64.b64encode(PASSWORD.encode()).decode()}
        return {"data": data} if (kind.name, namespace, name) == ("Secret", "place", "login") else None


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningValkey]:
    with running_valkey(password=PASSWORD) as server:
        yield server


@pytest.fixture
def valkey(shared: RunningValkey) -> RunningValkey:
    shared.flush()
    return shared


@pytest.fixture
def api() -> SecretsOnlyApi:
    return SecretsOnlyApi()


@pytest.fixture
async def publisher(api: SecretsOnlyApi) -> AsyncIterator[FlagPublisher]:
    made = FlagPublisher(api)
    yield made
    made.close()


@pytest.fixture
def endpoint(valkey: RunningValkey) -> Endpoint:
    return Endpoint("127.0.0.1", valkey.port, password=PASSWORD)


def _on(revision: int) -> FlagDocument:
    return FlagDocument(revision=revision, enabled=True, users=("u1",))


async def test_what_is_published_is_read_and_told(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    with valkey.client() as client, client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(keys.FLAG_CHANNEL)
        heard.get_message(timeout=1)
        assert await publisher.read(KEY, endpoint) is None
        assert await publisher.publish(KEY, endpoint, _on(1))
        assert await publisher.read(KEY, endpoint) == _on(1)
        message = heard.get_message(timeout=2) or heard.get_message(timeout=2)
        assert message is not None
        assert message["data"] == b"1"


async def test_an_older_revision_is_never_written_over_a_newer_one(
    publisher: FlagPublisher, endpoint: Endpoint
) -> None:
    assert await publisher.publish(KEY, endpoint, _on(5))
    assert not await publisher.publish(KEY, endpoint, FlagDocument(revision=4))
    assert await publisher.publish(KEY, endpoint, FlagDocument(revision=5))
    assert await publisher.read(KEY, endpoint) == FlagDocument(revision=5)


@pytest.mark.parametrize("text", [b"not json", b"[]", b'{"revision":"x"}', b"\xff", b'{"revision":50,"enabled":"yes"}'])
async def test_what_cannot_be_read_is_written_over(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey, text: bytes
) -> None:
    with valkey.client() as client:
        client.set(keys.FLAG, text)
    assert await publisher.read(KEY, endpoint) is None
    assert await publisher.publish(KEY, endpoint, _on(1))
    assert await publisher.read(KEY, endpoint) == _on(1)


async def test_what_took_the_place_of_the_unreadable_is_not_written_over(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    with valkey.client() as client:
        client.set(keys.FLAG, b'{"revision":50,"enabled":"yes"}')
        assert await publisher.read(KEY, endpoint) is None
        client.set(keys.FLAG, encode(_on(51)))
    assert not await publisher.publish(KEY, endpoint, _on(1))


async def test_a_full_valkey_takes_it(publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey) -> None:
    with valkey.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(redis.OutOfMemoryError):
                client.set("x", "y")
            assert await publisher.publish(KEY, endpoint, FlagDocument(revision=7))
        finally:
            client.config_set("maxmemory", 0)
    assert await publisher.read(KEY, endpoint) == FlagDocument(revision=7)


async def test_a_connection_that_went_stale_is_made_anew(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    assert await publisher.publish(KEY, endpoint, _on(1))
    with valkey.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert await publisher.read(KEY, endpoint) == _on(1)


async def test_a_valkey_belongs_to_who_asks_first_for_as_long_as_it_goes_on_asking(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    other = ServiceKey("place", "other")
    assert await publisher.claim(KEY, endpoint) == "place/demo"
    assert await publisher.claim(other, endpoint) == "place/demo"
    assert await publisher.claim(KEY, endpoint) == "place/demo"
    with valkey.client() as client:
        ttl_s: Any = client.ttl(keys.OWNER)
        assert 0 < ttl_s <= OWNED_S
        client.delete(keys.OWNER)
    assert await publisher.claim(other, endpoint) == "place/other"
    publisher.forget(other)


async def test_the_password_of_an_external_valkey_comes_from_its_secret_once(
    publisher: FlagPublisher, api: SecretsOnlyApi, valkey: RunningValkey
) -> None:
    ref = KeyRef(name="login", key="password")
    external = Endpoint("127.0.0.1", valkey.port, password_ref=ref)
    for _ in range(3):
        assert await publisher.read(KEY, external) is None
    assert api.reads == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "WRONGPASS"),
        ({"password": None}, "NOAUTH"),
        ({"password": None, "password_ref": KeyRef(name="none", key="a")}, "Secret none of place/demo has no key a"),
        ({"port": 1}, "no connection"),
        ({"tls": True}, "no connection"),
    ],
    ids=["wrong password", "no password", "no Secret", "nobody there", "TLS towards a server without"],
)
async def test_a_valkey_that_cannot_be_used_says_why(
    publisher: FlagPublisher, endpoint: Endpoint, change: dict[str, object], words: str
) -> None:
    said = {"host": endpoint.host, "port": endpoint.port, "password": endpoint.password} | change
    with pytest.raises(ValkeyUnavailable, match=words):
        await publisher.read(KEY, Endpoint(**said))  # type: ignore[arg-type]


async def test_the_document_is_the_contracts(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    await publisher.publish(KEY, endpoint, _on(3))
    with valkey.client() as client:
        assert client.get(keys.FLAG) == encode(_on(3))


async def test_acknowledgements_are_those_of_processes_that_live(
    api: SecretsOnlyApi, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    """By what changes under the operator's eyes: its clock and a node's may be minutes apart."""
    now_s, node_s = 0.0, time.time() - 600
    publisher = FlagPublisher(api, lambda: now_s)
    assert await publisher.read_acknowledgements(KEY, endpoint) == {}
    acks = {
        "a/1": FlagAck(revision=7, pod="a", seen_at=node_s),
        # The process before, in the same pod.
        "b/1": FlagAck(revision=3, pod="b", seen_at=node_s - 80),
        "b/9": FlagAck(revision=8, pod="b", seen_at=node_s - 2),
    }
    with valkey.client() as client:
        client.hset(keys.FLAG_ACKS, mapping={name: msgspec.json.encode(ack) for name, ack in acks.items()})
        client.hset(keys.FLAG_ACKS, "garbage", "{")
        assert await publisher.read_acknowledgements(KEY, endpoint) == {"a": 7, "b": 8}
        assert set(client.hgetall(keys.FLAG_ACKS)) == {b"a/1", b"b/1", b"b/9"}
        now_s = ACK_LIVES_S + 1
        renewed = FlagAck(revision=9, pod="a", seen_at=node_s + 30)
        client.hset(keys.FLAG_ACKS, "a/1", msgspec.json.encode(renewed))
        assert await publisher.read_acknowledgements(KEY, endpoint) == {"a": 9}
        now_s = ACK_SWEPT_S + 1
        assert await publisher.read_acknowledgements(KEY, endpoint) == {}
        assert set(client.hgetall(keys.FLAG_ACKS)) == {b"a/1"}
    publisher.close()


async def test_how_far_the_copy_back_is_can_be_read(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    assert await publisher.read_restoring(KEY, endpoint) is None
    progress = RestoreProgress(server="s", scanned=3, live=2, restored=1)
    with valkey.client() as client:
        client.set(keys.RESTORE_LEGACY, msgspec.json.encode(progress))
        assert await publisher.read_restoring(KEY, endpoint) == (progress, client.dbsize())
        client.set(keys.RESTORE_LEGACY, "{")
        assert await publisher.read_restoring(KEY, endpoint) is None
