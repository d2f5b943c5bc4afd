"""What a user with open tabs is told of Firestore and the Realtime Database, and what Firestore is told of the user."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract.metrics import LISTENERS
from service.listeners.presence import Presence
from service.store.client import Valkey
from tests.firestore.emulator import FirestoreEmulator
from tests.rtdb_standin.server import RtdbStandIn
from tests.service.application import Api, behind_uvicorn
from tests.service.conftest import MakeSettings
from tests.service.listeners.conftest import SLOW_S, listening_to, open_tab, status_of, until_status
from tests.service.metrics.samples import scrape
from tests.service.waiting import eventually

NOTIFICATION = {"read": False, "file_name": "a.pdf", "status": "error", "collection_id": "c1", "job_id": "j1"}


async def write(firestore: FirestoreEmulator, path: str, fields: dict[str, Any]) -> None:
    await asyncio.to_thread(firestore.write, path, fields)


async def test_the_document_says_online_while_a_tab_is_open(firestore: FirestoreEmulator, replica: Api) -> None:
    await write(firestore, "listeners_registry/u1", {"authorized_companies_ids": ["c1"], "status": "offline"})
    async with open_tab(replica.websocket_url):
        await until_status(firestore, "online")
        document = await asyncio.to_thread(firestore.read, "listeners_registry/u1")
        assert document is not None
        assert (document["ttl_seconds"], document["authorized_companies_ids"]) == (90, ["c1"])
        age = datetime.now(UTC) - datetime.fromisoformat(document["heartbeat_at"])
        assert timedelta(0) <= age < timedelta(seconds=SLOW_S)
        async with open_tab(replica.websocket_url) as second:
            await second.next("notif.sync")
        # The other tab is still open.
        assert await status_of(firestore) == "online"
    await until_status(firestore, "offline")


async def test_a_tab_on_another_replica_keeps_the_user_online(
    firestore: FirestoreEmulator, replica: Api, second_replica: Api
) -> None:
    async with open_tab(second_replica.websocket_url) as staying:
        await staying.next("notif.sync")
        async with open_tab(replica.websocket_url) as leaving:
            await leaving.next("notif.sync")
        await write(firestore, "clients/u1/notifications/n1", NOTIFICATION)
        await eventually(
            lambda: any(event["payload"]["count"] for event in staying.of("notif.sync")), deadline_s=SLOW_S
        )
        assert await status_of(firestore) == "online"
        # One listener, whichever replica it is on: nobody is told twice.
        counts = [(await api.http.get("/healthz")).json()["listeners_count"] for api in (replica, second_replica)]
        assert sorted(counts) == [0, 1]
    await until_status(firestore, "offline")


async def test_who_was_online_when_every_process_died_goes_offline(
    firestore: FirestoreEmulator, make_settings: MakeSettings, environ: dict[str, str]
) -> None:
    heard_at = datetime.now(UTC) - timedelta(minutes=5)
    died = {"status": "online", "heartbeat_at": heard_at, "ttl_seconds": 90, "authorized_companies_ids": ["c1"]}
    await write(firestore, "listeners_registry/left", died)
    # Another program's, which writes no heartbeat.
    await write(firestore, "listeners_registry/other", {"status": "online"})
    async with behind_uvicorn(make_settings(**environ, LISTENERS_TTL_SECONDS="2")):
        await until_status(firestore, "offline", "left")
    document = await asyncio.to_thread(firestore.read, "listeners_registry/left")
    assert document is not None
    assert document["authorized_companies_ids"] == ["c1"]
    assert await status_of(firestore, "other") == "online"


async def test_who_is_not_seen_online_yet_is_told_of_no_other_company(
    firestore: FirestoreEmulator, replica: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(firestore, "listeners_registry/u1", {"authorized_companies_ids": ["c1"], "status": "offline"})
    await write(firestore, "clients/u1/notifications/n1", NOTIFICATION)
    await write(firestore, "clients/u1/notifications/n2", {**NOTIFICATION, "collection_id": "c2"})
    # As where Firestore does not take the writes of presence.
    monkeypatch.setattr(Presence, "opened", lambda *_: None)
    async with open_tab(replica.websocket_url) as tab:
        told = await tab.next("notif.sync")
    assert [each["collection_id"] for each in told["payload"]["notifications"]] == ["c1"]


async def test_who_writes_offline_is_contradicted(firestore: FirestoreEmulator, replica: Api) -> None:
    """An older service marks a user offline when one of two tabs closes."""
    async with open_tab(replica.websocket_url) as tab:
        await tab.next("notif.sync")
        await write(firestore, "listeners_registry/u1", {"status": "offline"})
        await until_status(firestore, "online")


async def test_heartbeats_are_renewed(
    firestore: FirestoreEmulator, make_settings: MakeSettings, environ: dict[str, str]
) -> None:
    settings = make_settings(**environ, LISTENERS_HEARTBEAT_INTERVAL="1", LISTENERS_TTL_SECONDS="6")
    async with behind_uvicorn(settings) as api, open_tab(api.websocket_url) as tab:
        await tab.next("notif.sync")
        beats: set[str] = set()

        async def has_beaten() -> bool:
            document = await asyncio.to_thread(firestore.read, "listeners_registry/u1")
            beats.add((document or {})["heartbeat_at"])
            return len(beats) >= 3

        await eventually(has_beaten, deadline_s=SLOW_S)


async def test_notifications(firestore: FirestoreEmulator, replica: Api, valkey: Valkey) -> None:
    await write(firestore, "listeners_registry/u1", {"authorized_companies_ids": ["c1"]})
    await write(firestore, "clients/u1/notifications/n1", NOTIFICATION)
    await write(firestore, "clients/u1/notifications/read", {**NOTIFICATION, "read": True})
    await write(firestore, "clients/u1/notifications/foreign", {**NOTIFICATION, "collection_id": "c2"})
    await write(firestore, "clients/u2/notifications/other", NOTIFICATION)
    async with listening_to(valkey, "user:u1") as published, open_tab(replica.websocket_url) as tab:
        first = await tab.next("notif.sync")
        assert (first["uid"], first["payload"]["count"]) == ("u1", 1)
        assert first["payload"]["notifications"][0]["message"] == "a.pdf - error"
        await told(published, "notif.sync")
        await write(firestore, "clients/u1/notifications/n2", {**NOTIFICATION, "status": "done"})
        await eventually(lambda: tab.of("notif.sync")[-1]["payload"]["count"] == 2, deadline_s=SLOW_S)
        await write(firestore, "clients/u1/notifications/n1", {"read": True})
        await eventually(lambda: ids(tab.of("notif.sync")[-1]) == ["n2"], deadline_s=SLOW_S)
        # More companies: more is seen.
        await write(firestore, "listeners_registry/u1", {"authorized_companies_ids": ["c1", "c2"]})
        await eventually(lambda: set(ids(tab.of("notif.sync")[-1])) == {"n2", "foreign"}, deadline_s=SLOW_S)


async def test_messages(database: RtdbStandIn, replica: Api) -> None:
    database.put("clients/u1/direct_message_notif", {"m1": {"file_name": "x", "status": "new"}})
    async with open_tab(replica.websocket_url) as tab:
        assert ids(await tab.next("msg.sync"), "messages") == ["m1"]
        database.put("clients/u1/direct_message_notif/m2", {"file_name": "y"})
        await eventually(lambda: len(ids(tab.of("msg.sync")[-1], "messages")) == 2, deadline_s=SLOW_S)
        database.put("clients/u1/direct_message_notif", None)
        await eventually(lambda: tab.of("msg.sync")[-1]["payload"]["count"] == 0, deadline_s=SLOW_S)


@pytest.mark.parametrize("place", ["here", "there"])
async def test_a_second_tab_gets_its_own_states(
    firestore: FirestoreEmulator, database: RtdbStandIn, replica: Api, second_replica: Api, place: str
) -> None:
    await write(firestore, "clients/u1/notifications/n1", NOTIFICATION)
    database.put("clients/u1/direct_message_notif/m1", {"file_name": "x"})
    async with open_tab(replica.websocket_url) as first:
        await first.next("notif.sync")
        await first.next("msg.sync")
        told = len(first.events)
        other = replica if place == "here" else second_replica
        async with open_tab(other.websocket_url) as second:
            assert ids(await second.next("notif.sync")) == ["n1"]
            assert ids(await second.next("msg.sync"), "messages") == ["m1"]
        # It was told to the new one alone.
        assert len(first.events) == told


async def test_workflow(firestore: FirestoreEmulator, replica: Api) -> None:
    before = {"document": {"initial_data": {"currency": "EUR", "sender": "A"}}, "APBookeeper_step_status": {"x": 1}}
    await write(firestore, "clients/u1/task_manager/j1", before)
    async with open_tab(replica.websocket_url) as tab:
        await eventually(lambda: cached(replica), deadline_s=SLOW_S)
        after = {"document": {"initial_data": {"currency": "CHF", "sender": "A"}}, "APBookeeper_step_status": {"x": 2}}
        await write(firestore, "clients/u1/task_manager/j1", after)
        steps = await tab.next("workflow.step_update")
        (invoice,) = tab.of("workflow.invoice_update")
        assert (invoice["uid"], invoice["job_id"]) == ("u1", "j1")
        assert invoice["payload"] == {"invoice_changes": {"currency": "CHF"}}
        assert steps["payload"] == {"step_changes": {"APBookeeper_step_status": {"x": 2}}}
        report = (await replica.http.get("/debug")).json()
        assert report["firestore"]["status"] == "ok"
        assert report["workflow_listeners"] == {
            "status": "ok", "enabled": True, "active_count": 1, "users": ["u1"], "cache_entries": 1,
        }  # fmt: skip
        health = (await replica.http.get("/healthz")).json()
        assert (health["listeners_count"], health["workflow_listeners_count"]) == (1, 1)
        held = {labels["kind"]: count for labels, count in (await scrape(replica)).all(LISTENERS)}
        assert held == {"user": 1, "workflow": 1, "chat": 0}


async def test_workflow_can_be_turned_off(
    firestore: FirestoreEmulator, make_settings: MakeSettings, environ: dict[str, str]
) -> None:
    settings = make_settings(**environ, WORKFLOW_LISTENER_ENABLED="false")
    async with behind_uvicorn(settings) as api, open_tab(api.websocket_url) as tab:
        await tab.next("notif.sync")
        report = (await api.http.get("/debug")).json()["workflow_listeners"]
        assert (report["status"], report["enabled"], report["active_count"]) == ("disabled", False, 0)
        assert (await api.http.get("/healthz")).json()["workflow_listeners_count"] == 0


@pytest.mark.parametrize(
    ("age_s", "is_text", "is_heard"), [(0, False, True), (0, True, True), (200, False, False)],
    ids=["time", "text", "too old"],
)  # fmt: skip
async def test_who_writes_the_document_does_not_matter(
    firestore: FirestoreEmulator, replica: Api, valkey: Valkey, age_s: int, is_text: bool, is_heard: bool
) -> None:
    """A user without a socket here, whose document another program keeps."""
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    document = {"status": "online", "heartbeat_at": at.isoformat() if is_text else at, "ttl_seconds": 90}
    await write(firestore, "clients/u1/notifications/n1", NOTIFICATION)
    async with listening_to(valkey, "user:u1") as published:
        await write(firestore, "listeners_registry/u1", document)
        # Whoever comes after is heard, so that who came before would have been.
        await write(firestore, "listeners_registry/u2", {**document, "heartbeat_at": datetime.now(UTC)})
        await eventually(lambda: listened_count(replica, 1 + is_heard), deadline_s=SLOW_S)
        if is_heard:
            await told(published, "notif.sync")
        assert is_heard or published.empty()


async def told(published: "asyncio.Queue[str]", kind: str) -> None:
    """Waits until an event of a kind was published."""
    async with asyncio.timeout(SLOW_S):
        while json.loads(await published.get())["type"] != kind:
            pass


async def listened_count(api: Api, count: int) -> bool:
    return bool((await api.http.get("/healthz")).json()["listeners_count"] == count)


async def cached(api: Api) -> bool:
    return bool((await api.http.get("/debug")).json()["workflow_listeners"]["cache_entries"])


def ids(event: dict[str, Any], name: str = "notifications") -> list[str]:
    return [item["doc_id"] for item in event["payload"][name]]
