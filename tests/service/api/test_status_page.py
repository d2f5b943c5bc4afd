"""GET /status: who is let in, what the page is made of, and that nothing that it shows can harm who reads it."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from contract import flag, keys
from contract.flag import FlagDocument
from service.domain.failures import Failure
from service.store.client import Valkey
from service.store.failures import add_failure
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings
from tests.service.valkey_server import RunningValkey, settings_for
from tests.service.waiting import eventually

TOKEN = "token-of-a-test"
SCRIPT = "<script>alert('x')</script>"


def basic(login: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}


@pytest.fixture
async def locked(make_settings: MakeSettings) -> AsyncIterator[Api]:
    async with in_process(make_settings(LISTENERS_SERVICE_TOKEN=TOKEN)) as api:
        del api.http.headers["Authorization"]
        yield api


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="nobody"),
        pytest.param(basic(f"anybody:{TOKEN}"), 200, id="the token as password"),
        pytest.param(basic(f":{TOKEN}"), 200, id="without a name"),
        pytest.param(basic(f"{TOKEN}:wrong"), 401, id="another password"),
        pytest.param(basic(TOKEN), 401, id="no password"),
        pytest.param(basic("a:"), 401, id="an empty password"),
        pytest.param({"Authorization": "Basic %%%"}, 401, id="no base64"),
        pytest.param({"Authorization": "Basic /w=="}, 401, id="no UTF-8"),
        pytest.param({"Authorization": "Bearer wrong"}, 403, id="another token"),
        pytest.param({"Authorization": "Digest x"}, 401, id="another scheme"),
    ],
)
async def test_who_is_let_in(locked: Api, headers: dict[str, str], status: int) -> None:
    response = await locked.http.get("/status", headers=headers)
    assert response.status_code == status
    assert ("Queues" in response.text) is (status == 200)
    if status == 401:
        assert response.headers["www-authenticate"] == 'Basic realm="Pinnokio", charset="UTF-8"'
    assert (await locked.http.get("/status", params={"token": TOKEN})).status_code == 401, "never by the address"


async def test_the_bearer_token_is_taken_too(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(LISTENERS_SERVICE_TOKEN="plain")) as api:
        assert (await api.http.get("/status")).status_code == 200


async def test_the_page_loads_and_runs_nothing(api: Api) -> None:
    response = await api.http.get("/status")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == ("no-store", "no-referrer")
    (style,) = re.findall(r"<style>(.*?)</style>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert f"style-src 'sha256-{digest}';" in policy
    assert "script" not in response.text
    assert not re.findall(r'(?:src|href)="(?!data:|/status)', response.text)
    assert "style=" not in response.text


@pytest.mark.parametrize(("asked", "is_taken"), [("10", True), ("1", False), ("10;url=http://x", False), ("", False)])
async def test_a_page_may_show_itself_anew(api: Api, asked: str, is_taken: bool) -> None:
    text = (await api.http.get("/status", params={"every": asked})).text
    assert ('http-equiv="refresh" content="10"' in text) is is_taken
    assert ("http-equiv" in text) is is_taken


async def test_others_words_are_escaped(api: Api, valkey: Valkey) -> None:
    async with valkey.pipeline(transaction=False) as pipeline:
        failure = Failure(f"task-{SCRIPT}", f"type-{SCRIPT}", 1, f"error-{SCRIPT}", f"trace-{SCRIPT}")
        add_failure(pipeline, failure, datetime.now(UTC))
        beat = {"active": 1, "slots": 2, "seen_at": datetime.now(UTC).timestamp(), "running": [[SCRIPT, SCRIPT, 1.0]]}
        pipeline.hset(keys.worker_heartbeats("default"), f"worker-{SCRIPT}", msgspec.json.encode(beat))
        await pipeline.execute()
    text = (await api.http.get("/status")).text
    escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"
    for name in ("task", "type", "error", "trace", "worker"):
        assert f"{name}-{escaped}" in text
    assert "<script" not in text


async def test_it_shows_the_flag_in_force(api: Api, valkey: Valkey) -> None:
    document = FlagDocument(revision=9, enabled=True, percent_bp=2500)
    await valkey.set(keys.FLAG, flag.encode(document))
    await valkey.publish(keys.FLAG_CHANNEL, "9")

    async def is_shown() -> bool:
        text = (await api.http.get("/status")).text
        return "25 %" in text and "<dd>9</dd>" in text and "1 of 1 API process" in text

    await eventually(is_shown)


async def test_it_searches_no_keys_and_reads_what_is_bounded(api: Api, valkey: Valkey) -> None:
    async with valkey.pipeline(transaction=False) as pipeline:
        for number in range(keys.FAILURES_MAX + 30):
            add_failure(pipeline, Failure(f"task-{number}", "x", number, "e"), datetime.now(UTC))
        await pipeline.execute()
    assert await valkey.zcard(keys.FAILURES) == keys.FAILURES_MAX
    assert 0 < await valkey.ttl(keys.FAILURES) <= keys.FAILURES_TTL_S
    await valkey.config_resetstat()
    text = (await api.http.get("/status")).text
    assert text.count("<code>task-") == keys.FAILURES_MAX
    used = set(await valkey.info("commandstats"))
    assert used.isdisjoint({"cmdstat_scan", "cmdstat_keys", "cmdstat_smembers"}), used


async def test_what_cannot_be_read_is_said(api: Api, valkey: Valkey) -> None:
    await valkey.set(keys.worker_heartbeats("llm"), "no hash")
    await valkey.set(keys.FAILURES, "no sorted set")
    await valkey.hset(keys.worker_heartbeats("default"), "odd", "{")
    await valkey.hset(keys.FLAG_ACKS, "odd", "[]")
    response = await api.http.get("/status")
    assert response.status_code == 200
    assert "queue llm could not be read" in response.text
    assert "not known" in response.text


async def test_without_valkey_the_page_says_so(own_valkey: RunningValkey) -> None:
    async with in_process(settings_for(own_valkey.settings, UNIFIED_REGISTRY_ENABLED="true")) as api:
        assert (await api.http.get("/status")).status_code == 200
        own_valkey.stop()
        response = await api.http.get("/status")
    assert response.status_code == 503
    assert "Valkey does not answer" in response.text
    assert "everybody" in response.text, "the flag that this process serves by"
    assert "Traceback" not in response.text
