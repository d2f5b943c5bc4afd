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

    def __init__(self, authority: bytes) -> None:
        self.reads = 0
        self._values = {"login": {"password": PASSWORD.encode()}, "authority": {"ca.crt": authority}}

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:
        self.reads += 1
        values = self._values.get(name) if (kind.name, namespace) == ("Secret", "place") else None
        return values and {"data": {key: base64.b64encode(raw).decode() for key, raw in values.items()}}


@pytest.fixture(scope="module")
def valkey() -> Iterator[RunningValkey]:
    with running_valkey(password=PASSWORD) as server:
        yield server


@pytest.fixture
def port(valkey: RunningValkey, tmp_path: Path) -> Iterator[int]:
    with tls_front(valkey.port, tmp_path) as front:
        yield front


def _connections(tmp_path: Path, authority: bytes | None = None) -> tuple[ValkeyConnections, TwoSecretsApi]:
    api = TwoSecretsApi(_read_certificate(tmp_path) if authority is None else authority)
    return ValkeyConnections(api), api


def _read_certificate(folder: Path) -> bytes:
    raw = (folder / "certificate.pem").read_bytes()
    return raw[raw.find(b"-----BEGIN CERTIFICATE") :]


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


async def test_comments_around_an_authority_are_in_any_language(port: int, tmp_path: Path) -> None:
    connections, _ = _connections(tmp_path, "# AC Raíz\n".encode() + _read_certificate(tmp_path))
    endpoint = Endpoint("127.0.0.1", port, tls=True, password_ref=LOGIN, ca_ref=AUTHORITY)
    assert await connections.call(KEY, endpoint, "PING") == b"PONG"
    connections.close()


@pytest.mark.parametrize(
    ("authority", "words"),
    [
        (b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----", "authority holds no certificate in PEM"),
        ("Raíz".encode(), "authority holds no certificate in PEM"),
        (b"0\x82\x03\x0b0\x82\xff", "authority of place/demo: ca.crt is no text"),
    ],
    ids=["no PEM inside", "words", "DER"],
)
async def test_an_authority_that_is_no_certificate_is_said(
    port: int, tmp_path: Path, authority: bytes, words: str
) -> None:
    connections, _ = _connections(tmp_path, authority)
    endpoint = Endpoint("127.0.0.1", port, tls=True, password_ref=LOGIN, ca_ref=AUTHORITY)
    with pytest.raises(ValkeyUnavailable, match=words):
        await connections.call(KEY, endpoint, "PING")
    connections.close()


@pytest.mark.parametrize("ref", [LOGIN, KeyRef(name="none", key="a")], ids=["its password", "no such Secret"])
async def test_a_valkey_that_is_away_costs_the_api_server_next_to_nothing(tmp_path: Path, ref: KeyRef) -> None:
    connections, api = _connections(tmp_path, b"")
    for _ in range(5):
        with pytest.raises(ValkeyUnavailable):
            await connections.call(KEY, Endpoint("127.0.0.1", 1, password_ref=ref), "PING")
    assert api.reads == 1
    connections.close()
