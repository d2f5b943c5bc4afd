"""The flag document in a real Valkey (cluster mode, with a password): read, published, never put back."""

import base64
from collections.abc import AsyncIterator, Iterator

import pytest

from contract import keys
from contract.flag import FlagDocument, encode
from controller.cluster.client import KubernetesApi
from controller.cluster.flag import FlagPublisher
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


@pytest.mark.parametrize("text", [b"not json", b"[]", b'{"revision":"x"}', b"\xff"])
async def test_what_cannot_be_read_is_written_over(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey, text: bytes
) -> None:
    with valkey.client() as client:
        client.set(keys.FLAG, text)
    assert await publisher.read(KEY, endpoint) is None
    assert await publisher.publish(KEY, endpoint, _on(1))


async def test_a_connection_that_went_stale_is_made_anew(
    publisher: FlagPublisher, endpoint: Endpoint, valkey: RunningValkey
) -> None:
    assert await publisher.publish(KEY, endpoint, _on(1))
    with valkey.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert await publisher.read(KEY, endpoint) == _on(1)


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
