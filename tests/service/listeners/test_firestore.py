"""The client and the watch against the emulator; companies; what is configured."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from service.gateways.firestore.access import FirebaseMisconfigured, FirestoreAccess, read_access
from service.gateways.firestore.client import FirestoreClient
from service.gateways.firestore.companies import AuthorizedCompanies
from service.gateways.firestore.model import FirestoreFault, Merge, Query
from service.gateways.firestore.ping import build_token, ping_firestore
from service.gateways.firestore.targets import Snapshot, Target
from service.gateways.firestore.watch import MAX_TARGETS, Watch
from service.settings import Settings
from tests.firestore.emulator import PROJECT, FirestoreEmulator, running_emulator
from tests.service.listeners.conftest import SLOW_S
from tests.service.waiting import eventually

VALUES: dict[str, Any] = {
    "text": "ü",
    "whole": 7,
    "real": 1.5,
    "yes": True,
    "nothing": None,
    "map": {"inner": [1, "two", {"three": 3}]},
    "empty": [],
}


@pytest.fixture
async def client(firestore: FirestoreEmulator) -> AsyncIterator[FirestoreClient]:
    opened = FirestoreClient(FirestoreAccess(PROJECT, firestore.host, None))
    yield opened
    await opened.close()


async def test_values_come_back_as_they_went(client: FirestoreClient) -> None:
    await client.write([Merge("things/a", VALUES, server_times=("at",))])
    found = await client.read("things/a")
    assert found is not None
    fields = dict(found.fields)
    assert fields.pop("at").tzinfo is not None
    assert fields == VALUES


async def test_a_merge_leaves_the_rest(client: FirestoreClient) -> None:
    await client.write([Merge("things/a", {"one": 1, "two": 2})])
    await client.write([Merge("things/a", {"two": 3})])
    found = await client.read("things/a")
    assert found is not None
    assert found.fields == {"one": 1, "two": 3}
    assert await client.read("things/never") is None


async def test_query(client: FirestoreClient) -> None:
    await client.write([Merge(f"c/u/n/{name}", {"read": name == "b"}) for name in "abc"])
    assert [each.doc_id for each in await client.query(Query("c/u", "n", ("read", False)))] == ["a", "c"]
    assert len(await client.query(Query("c/u", "n"))) == 3
    assert await client.query(Query("c/never", "n")) == []


async def test_a_refused_request_is_a_fault(client: FirestoreClient) -> None:
    with pytest.raises(FirestoreFault, match="INVALID_ARGUMENT"):
        await client.write([Merge("things", {"a": 1})])


async def test_more_targets_than_a_stream_carries(client: FirestoreClient, firestore: FirestoreEmulator) -> None:
    watch = Watch(client)
    told: dict[int, list[Snapshot[Any]]] = {number: [] for number in range(MAX_TARGETS + 20)}
    targets = [
        Target(Query(f"c/u{number}", "n"), lambda document: dict(document.fields), snapshots.append)
        for number, snapshots in told.items()
    ]
    for target in targets:
        watch.add(target)
    assert (watch.streams, watch.targets) == (2, MAX_TARGETS + 20)
    await eventually(lambda: all(told.values()), deadline_s=SLOW_S)
    await client.write([Merge("c/u3/n/x", {"v": 1}), Merge("c/u110/n/x", {"v": 2})])
    await eventually(lambda: targets[3].entries and targets[110].entries, deadline_s=SLOW_S)
    assert {number for number, snapshots in told.items() if len(snapshots) > 1} == {3, 110}
    for target in targets[5:]:
        watch.remove(target)
    assert watch.streams == 1
    await client.write([Merge("c/u3/n/x", {"v": 3}), Merge("c/u110/n/x", {"v": 4})])
    await eventually(lambda: targets[3].entries == {"x": {"v": 3}}, deadline_s=SLOW_S)
    assert targets[110].entries == {"x": {"v": 2}}
    await watch.close()


async def test_many_listen_streams_hold_up_no_request() -> None:
    """Against a stand-in that carries 100 requests at once over a connection, as Google does, the emulator not."""
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 100)])
    server.add_generic_rpc_handlers((_FewAtOnce(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    client = FirestoreClient(FirestoreAccess(PROJECT, f"127.0.0.1:{port}", None))
    try:
        calls = [client.listen() for _ in range(250)]
        async with asyncio.timeout(SLOW_S):
            assert await asyncio.gather(*(call.read() for call in calls)) == [b"open"] * len(calls)
            assert await client.read("things/a") is not None
        for call in calls[:100]:
            call.cancel()
        await eventually(lambda: sum(each.streams for each in client._listening) == 150)
        for _ in range(100):
            client.listen()
        assert [each.streams for each in client._listening] == [90, 90, 70]
    finally:
        await client.close()
        await server.stop(None)


class _FewAtOnce(grpc.GenericRpcHandler):  # type: ignore[misc] # it has no types
    """Streams that stay open, and one empty document."""

    def service(self, details: Any) -> Any:
        if details.method.endswith("Listen"):
            return grpc.stream_stream_rpc_method_handler(self._listen)
        return grpc.unary_unary_rpc_method_handler(self._get)

    async def _listen(self, *_: Any) -> AsyncIterator[bytes]:
        yield b"open"
        await asyncio.Event().wait()

    async def _get(self, *_: Any) -> bytes:
        return b""


async def test_a_query_that_is_refused_leaves_its_neighbours_alone(client: FirestoreClient) -> None:
    watch = Watch(client)
    good: Target[Any] = Target(Query("c/u", "n"), lambda document: document.doc_id, lambda _: None)
    watch.add(Target(Query("c/u", "n", ("..no field", True)), lambda document: document.doc_id, lambda _: None))
    watch.add(good)
    await eventually(lambda: good.is_known, deadline_s=SLOW_S)
    await watch.close()


async def test_after_an_outage_everything_is_told_again() -> None:
    """The emulator is stopped and started again, and has lost its data."""
    with running_emulator() as emulator:
        client = FirestoreClient(FirestoreAccess(PROJECT, emulator.host, None))
        watch = Watch(client)
        told: list[Snapshot[Any]] = []
        target: Target[Any] = Target(Query("c/u", "n"), lambda document: document.fields["v"], told.append)
        await asyncio.to_thread(emulator.write, "c/u/n/old", {"v": 1})
        watch.add(target)
        await eventually(lambda: target.entries == {"old": 1}, deadline_s=SLOW_S)
        emulator.stop()
        await eventually(lambda: not watch.is_connected(target), deadline_s=SLOW_S)
        with pytest.raises(FirestoreFault):
            await client.read("c/u")
        await asyncio.to_thread(emulator.start)
        await asyncio.to_thread(emulator.write, "c/u/n/new", {"v": 2})
        started = asyncio.get_running_loop().time()
        await eventually(lambda: target.entries == {"new": 2}, deadline_s=SLOW_S)
        assert asyncio.get_running_loop().time() - started < 5
        assert any(snapshot.is_resync for snapshot in told)
        await watch.close()
        await client.close()


async def test_companies(client: FirestoreClient, firestore: FirestoreEmulator) -> None:
    now = [0.0]
    companies = AuthorizedCompanies(client, clock=lambda: now[0])
    assert await companies.read("u1") == ()
    await asyncio.to_thread(firestore.write, "listeners_registry/u1", {"status": "online"})
    await companies.merge("u1", ["c2", "c1"])
    await companies.merge("u1", [])
    assert await companies.read("u1") == ("c2", "c1")
    document = await asyncio.to_thread(firestore.read, "listeners_registry/u1")
    assert document == {"status": "online", "authorized_companies_ids": ["c2", "c1"]}
    await asyncio.to_thread(firestore.write, "listeners_registry/u1", {"authorized_companies_ids": ["c9"]})
    assert await companies.read("u1") == ("c2", "c1")
    now[0] += 60
    assert await companies.read("u1") == ("c9",)


ACCOUNT = '{"client_email": "a@b.c", "private_key": "k", "token_uri": "https://t"}'


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"GOOGLE_PROJECT_ID": "p"}, None),
        ({"FIREBASE_ADMIN_JSON": ACCOUNT}, None),
        ({"FIRESTORE_EMULATOR_HOST": "h:1"}, None),
        ({"GOOGLE_PROJECT_ID": "p", "FIRESTORE_EMULATOR_HOST": "h:1"}, "h:1"),
        ({"GOOGLE_PROJECT_ID": "p", "FIREBASE_ADMIN_JSON": ACCOUNT}, "google"),
    ],
)
def test_what_is_configured(environ: dict[str, str], expected: str | None) -> None:
    access = read_access(Settings.from_env(environ).firebase)
    assert (access and (access.emulator_host or "google")) == expected
    assert "private" not in repr(access)


@pytest.mark.parametrize("text", ["no json", "[]", '{"client_email": "a"}'])
def test_a_broken_account_is_named_and_not_repeated(text: str) -> None:
    environ = {"GOOGLE_PROJECT_ID": "p", "FIREBASE_ADMIN_JSON": text}
    with pytest.raises(FirebaseMisconfigured, match=r"^FIREBASE_ADMIN_JSON is no") as caught:
        read_access(Settings.from_env(environ).firebase)
    assert text not in str(caught.value)


async def test_a_ping_over_rest(firestore: FirestoreEmulator) -> None:
    await ping_firestore(FirestoreAccess(PROJECT, firestore.host, None), 10.0)


def test_a_ping_to_google_brings_a_token_that_was_signed_here() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"client_email": "a@b.test", "private_key": pem, "private_key_id": "1", "token_uri": "https://t.test"}
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims: Any = jwt.decode(build_token(account), certs=public)  # type: ignore[no-untyped-call]
    assert (claims["iss"], claims["aud"]) == ("a@b.test", "https://firestore.googleapis.com/")
