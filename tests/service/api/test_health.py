"""/healthz, /readyz, /version, /debug, /metrics and /openapi.json."""

import asyncio
import json
import time

import msgspec
import pytest

from contract.rpc import RpcRequest, RpcResponse
from service.api.openapi import build_openapi
from service.domain.health import DISABLED, ERROR, OK, OLD_S, Answer, HealthCheck
from service.store.health import HealthStore
from service.store.lane import Lane
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings
from tests.service.valkey_server import RunningValkey, settings_for

SECRET = "a-secret-of-a-test"


async def test_healthz(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(SERVICE_VERSION="1.2.3", AWS_REGION_NAME="eu-west-3")) as api:
        response = await api.http.get("/healthz")
    assert response.status_code == 200
    body = response.json()
    assert body.items() >= {
        "status": "ok",
        "version": "1.2.3",
        "listeners_count": 0,
        "workflow_listeners_count": 0,
        "redis": "ok",
        "uptime_s": 0,
        "region": "eu-west-3",
    }.items()  # fmt: skip


async def test_healthz_asks_valkey_once_for_a_crowd(own_valkey: RunningValkey) -> None:
    async with in_process(settings_for(own_valkey.settings)) as api:
        with own_valkey.client() as client:
            before = client.info("commandstats")["cmdstat_ping"]["calls"]
            responses = await asyncio.gather(*(api.http.get("/healthz") for _ in range(200)))
            after = client.info("commandstats")["cmdstat_ping"]["calls"]
    assert {response.json()["redis"] for response in responses} == {"ok"}
    assert after - before < 20


async def test_version(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(SERVICE_VERSION="1.2.3")) as api:
        assert (await api.http.get("/version")).json() == {"version": "1.2.3"}


async def test_readyz(api: Api) -> None:
    response = await api.http.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ok": True})


async def test_debug(make_settings: MakeSettings) -> None:
    secrets = {"LISTENERS_SERVICE_TOKEN": SECRET, "OPENAI_API_KEY": SECRET, "FIREBASE_ADMIN_JSON": SECRET}
    async with in_process(make_settings(**secrets)) as api:
        response = await api.http.get("/debug")
    assert SECRET not in response.text
    report = response.json()
    assert report["redis"]["status"] == "ok"
    assert report["firestore"] == {"status": "disabled"}
    assert report["workflow_listeners"] == {
        "status": "disabled", "enabled": False, "active_count": 0, "users": [], "cache_entries": 0,
    }  # fmt: skip
    assert report["gsm"] == {"status": "skipped"}


async def test_metrics(api: Api) -> None:
    response = await api.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "pinnokio_flag_revision" in response.text
    assert 'pinnokio_dependency_up{dependency="redis"} 1.0' in response.text
    assert 'dependency="chroma"' not in response.text


async def test_failures_have_their_series_before_there_are_any(api: Api) -> None:
    text = (await api.http.get("/metrics")).text
    method = 'method="UNIFIED_REGISTRY.get_company_active_users"'
    for cohort in ("on", "off"):
        assert f'pinnokio_rpc_requests_total{{code="UNAVAILABLE",cohort="{cohort}",{method}}} 0.0' in text
    assert 'pinnokio_registry_fallbacks_total{operation="claim_collection"}' in text


async def test_metrics_tell_of_the_last_health_check_while_it_is_true(api: Api, lane: Lane) -> None:
    answers = {"chroma": Answer(OK, 2.5), "firestore": Answer(ERROR, error="no answer"), "openai": Answer(DISABLED)}
    store = HealthStore(lane)
    await store.write(HealthCheck(time.time(), "worker", answers))
    text = (await api.http.get("/metrics")).text
    assert 'pinnokio_dependency_up{dependency="chroma"} 1.0' in text
    assert 'pinnokio_dependency_latency_seconds{dependency="chroma"} 0.0025' in text
    assert 'pinnokio_dependency_up{dependency="firestore"} 0.0' in text
    assert 'dependency="openai"' not in text

    await store.write(HealthCheck(time.time() - OLD_S - 1, "worker", answers))
    assert 'dependency="firestore"' not in (await api.http.get("/metrics")).text


@pytest.mark.parametrize("shape", [RpcRequest, RpcResponse])
def test_openapi_declares_every_field_of_rpc(shape: type[msgspec.Struct]) -> None:
    schemas = build_openapi("1", {})["components"]["schemas"]
    fields = msgspec.structs.fields(shape)
    assert set(schemas[shape.__name__]["properties"]) == {field.encode_name for field in fields}
    assert set(schemas[shape.__name__].get("required", [])) == {field.encode_name for field in fields if field.required}


async def test_openapi_names_every_path(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    served = {route.path for route in api.app.routes} - {"/ws", "/openapi.json"}  # type: ignore[attr-defined]
    assert set(document["paths"]) == served
    text = json.dumps(document)
    for name in ("RpcRequest", "RpcResponse", "RpcError", "Refusal", "Mismatch"):
        assert f"#/components/schemas/{name}" in text
        assert name in document["components"]["schemas"]


async def test_a_lane_closes_twice(lane: Lane) -> None:
    await lane.ask("PING")
    await lane.close()
    await lane.close()
