"""Tasks through a Valkey behind TLS and a password that is no plain word; today's service fails at each."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.settings import Settings, ValkeySettings
from service.store.broker import broker_configuration, broker_url
from service.store.lane import Lane
from tests.service.running_worker import listening_user, running_worker
from tests.service.tls_front import tls_front
from tests.service.valkey_server import RunningValkey, running_valkey, settings_for

PASSWORD = "p@ss/w:rd#%41 é"


@pytest.fixture(scope="module")
def locked_valkey() -> Iterator[RunningValkey]:
    with running_valkey(password=PASSWORD) as server:
        yield server


@pytest.fixture
def settings(locked_valkey: RunningValkey) -> Settings:
    return settings_for(locked_valkey.settings)


async def test_a_task_runs_behind_tls_and_a_password(locked_valkey: RunningValkey, tmp_path: Path) -> None:
    with tls_front(locked_valkey.port, tmp_path) as port:
        environ = {
            "LISTENERS_REDIS_PORT": str(port),
            "LISTENERS_REDIS_PASSWORD": PASSWORD,
            "LISTENERS_REDIS_TLS": "true",
            "LISTENERS_REDIS_TLS_VERIFY": "false",
        }
        with running_worker(locked_valkey, tmp_path, **environ):
            async with listening_user("u1", locked_valkey, **environ) as user:
                await user.rpc.start_document_analysis("u1", {"content": "Total: 12.00 EUR"}, "job1")
                assert (await user.events_until_end("doc_analysis_job1"))[-1]["payload"]["status"] == "completed"


async def test_a_task_runs_behind_a_certificate_of_an_authority_of_ones_own(
    locked_valkey: RunningValkey, tmp_path: Path
) -> None:
    with tls_front(locked_valkey.port, tmp_path) as port:
        environ = {
            "LISTENERS_REDIS_PORT": str(port),
            "LISTENERS_REDIS_PASSWORD": PASSWORD,
            "LISTENERS_REDIS_TLS": "true",
            "LISTENERS_REDIS_TLS_CA_FILE": str(tmp_path / "certificate.pem"),
        }
        with running_worker(locked_valkey, tmp_path, **environ):
            async with listening_user("u1", locked_valkey, **environ) as user:
                await user.rpc.start_document_analysis("u1", {"content": "Total: 12.00 EUR"}, "job1")
                assert (await user.events_until_end("doc_analysis_job1"))[-1]["payload"]["status"] == "completed"


async def test_a_certificate_that_cannot_be_verified_is_refused(locked_valkey: RunningValkey, tmp_path: Path) -> None:
    with tls_front(locked_valkey.port, tmp_path) as port:
        async with listening_user("u1", locked_valkey) as user:
            verified = {"LISTENERS_REDIS_PORT": str(port), "LISTENERS_REDIS_TLS": "true"}
            settings = settings_for(locked_valkey.settings, **verified, UNIFIED_REGISTRY_ENABLED="true")
            user.starter._lane = Lane(settings.valkey)
            answer = await user.rpc.start_document_analysis("u1", {"content": "Total: 12.00 EUR"}, "job1")
            assert answer["success"] is False
            await user.starter._lane.close()


@pytest.mark.parametrize(
    ("password", "url"),
    [
        pytest.param(None, "redis://h:1/0", id="no login"),
        pytest.param("", "redis://h:1/0", id="empty"),
        pytest.param("a@b/c", "redis://:a%40b%2Fc@h:1/0", id="quoted"),
    ],
)
def test_the_brokers_url(password: str | None, url: str) -> None:
    assert broker_url(ValkeySettings("h", 1, 0, tls=False, tls_verify=False, password=password)) == url


@pytest.mark.parametrize(("verify", "requirement"), [(True, ssl.CERT_REQUIRED), (False, ssl.CERT_NONE)])
def test_the_brokers_tls(settings: Settings, verify: bool, requirement: ssl.VerifyMode) -> None:
    tls = replace(settings, valkey=replace(settings.valkey, tls=True, tls_verify=verify))
    options = broker_configuration(tls)
    assert options["broker_url"].startswith("rediss://")
    assert options["broker_use_ssl"] == {"ssl_cert_reqs": requirement, "ssl_check_hostname": verify}
