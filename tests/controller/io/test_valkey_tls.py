"""The operator's own way to an external Valkey behind TLS: its authority and password come from Secrets."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cluster.client import KubernetesApi
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.model.base import JsonObject
from controller.model.errors import ValkeyUnavailable
from controller.model.kinds import Kind
from controller.model.pod import KeyRef
from controller.model.service import ServiceKey
from tests.service.tls_front import tls_front
from tests.service.valkey_server import RunningValkey, running_valkey

KEY = ServiceKey("place", "demo")
PASSWORD = "open-sesame"
LOGIN, AUTHORITY = KeyRef(name="login", key="password"), KeyRef(name="authority", key="ca.crt")


class TwoSecretsApi(KubernetesApi):
    """A stand-in that knows two Secrets."""

    def __init__(self, authority: str) -> None:
        self.reads = 0
        self._values = {"login": {"password": PASSWORD}, "authority": {"ca.crt": authority}}

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:
        self.reads += 1
        values = self._values.get(name) if (kind.name, namespace) == ("Secret", "place") else None
        return values and {"data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}}


@pytest.fixture(scope="module")
def valkey() -> Iterator[RunningValkey]:
    with running_valkey(password=PASSWORD) as server:
        yield server


@pytest.fixture
def port(valkey: RunningValkey, tmp_path: Path) -> Iterator[int]:
    with tls_front(valkey.port, tmp_path) as front:
        yield front


def _connections(tmp_path: Path, authority: str | None = None) -> tuple[ValkeyConnections, TwoSecretsApi]:
    text = authority if authority is not None else (tmp_path / "certificate.pem").read_text()
    api = TwoSecretsApi(text[text.find("-----BEGIN CERTIFICATE") :])
    return ValkeyConnections(api), api


async def test_its_authority_and_password_are_those_of_the_secrets(port: int, tmp_path: Path) -> None:
    connections, api = _connections(tmp_path)
    endpoint = Endpoint("127.0.0.1", port, tls=True, password_ref=LOGIN, ca_ref=AUTHORITY)
    assert await connections.call(KEY, endpoint, "PING") == b"PONG"
    assert api.reads == 2
    connections.close()


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        pytest.param({}, "certificate verify failed", id="an unknown authority"),
        pytest.param({"ca_ref": AUTHORITY, "host": "localhost"}, "certificate verify failed", id="another host"),
        pytest.param({"ca_ref": KeyRef(name="authority", key="x")}, "has no key x: create it", id="no such key"),
    ],
)
async def test_what_cannot_be_verified_is_refused(
    port: int, tmp_path: Path, endpoint: dict[str, object], words: str
) -> None:
    connections, _ = _connections(tmp_path)
    said = {"host": "127.0.0.1", "port": port, "tls": True, "password_ref": LOGIN} | endpoint
    with pytest.raises(ValkeyUnavailable, match=words):
        await connections.call(KEY, Endpoint(**said), "PING")  # type: ignore[arg-type]
    connections.close()


async def test_without_verification_anyone_will_do(port: int, tmp_path: Path) -> None:
    connections, _ = _connections(tmp_path)
    endpoint = Endpoint("127.0.0.1", port, tls=True, tls_verify=False, password_ref=LOGIN)
    assert await connections.call(KEY, endpoint, "PING") == b"PONG"
    connections.close()


async def test_an_authority_that_is_no_certificate_is_said(port: int, tmp_path: Path) -> None:
    connections, _ = _connections(tmp_path, "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----")
    endpoint = Endpoint("127.0.0.1", port, tls=True, password_ref=LOGIN, ca_ref=AUTHORITY)
    with pytest.raises(ValkeyUnavailable, match="Secret authority holds no certificate in PEM"):
        await connections.call(KEY, endpoint, "PING")
    connections.close()


async def test_a_valkey_that_is_away_costs_the_api_server_next_to_nothing(tmp_path: Path) -> None:
    connections, api = _connections(tmp_path, "")
    for _ in range(5):
        with pytest.raises(ValkeyUnavailable):
            await connections.call(KEY, Endpoint("127.0.0.1", 1, password_ref=LOGIN), "PING")
    assert api.reads == 1
    connections.close()
