"""POST /rpc: who is let in, codes, idempotency, replies, limits."""

import asyncio
import datetime
import decimal
import hmac
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contract import keys
from contract.metrics import RPC_TURNED_AWAY, TURNED_AWAY_STATUSES
from contract.rpc import RpcError
from service.domain.errors import InvalidArguments, QuotaExceeded
from service.settings import Settings
from service.store.client import Valkey
from tests.service.application import Api, behind_uvicorn, envelope, in_process
from tests.service.conftest import MakeSettings
from tests.service.metrics.samples import scrape
from tests.service.waiting import eventually

TOKEN = "a-token-of-a-test"


def lines_of(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    return [record.msg for record in caplog.records if isinstance(record.msg, dict) and record.msg["event"] == event]


class Probe:
    """Methods that end in each way a call can."""

    def __init__(self) -> None:
        self.calls = 0

    async def count(self) -> int:
        self.calls += 1
        return self.calls

    async def fails(self) -> None:
        self.calls += 1
        raise RuntimeError("the ledger is closed")

    async def fails_silently(self) -> None:
        raise KeyError

    async def fails_with_bad_text(self) -> None:
        raise RuntimeError("bad \ud800 text")

    async def refuses(self) -> None:
        self.calls += 1
        raise InvalidArguments("not this one")

    async def over_quota(self) -> None:
        self.calls += 1
        raise QuotaExceeded("max_tasks_per_user is 10", retry_after_ms=1500)

    async def slow(self) -> str:
        self.calls += 1
        await asyncio.sleep(5)
        return "done"

    async def echo(self, value: Any = None) -> Any:
        return value

    async def rich(self) -> Any:
        class Text(str):
            """As Firestore's own kinds of values are."""

        class Moment(datetime.datetime):
            pass

        class Row:
            def __init__(self) -> None:
                self.amount = decimal.Decimal("1.50")
                self._hidden = 1

        at = Moment(2030, 1, 31, 12, tzinfo=datetime.UTC)
        return {"text": Text("a"), "at": at, "row": Row(), "rows": {1, 2}, "nan": float("nan"), 7: None}

    async def unanswerable(self) -> Any:
        return {"function": len}


def make_probe() -> Probe:
    return Probe()


MOUNT = {"RPC_NAMESPACES": f"PROBE={__name__}:make_probe"}


@pytest.fixture
async def probe(make_settings: MakeSettings) -> AsyncIterator[Api]:
    async with in_process(make_settings(**MOUNT)) as running:
        yield running


def error(answer: dict[str, Any]) -> tuple[str, str]:
    assert answer["ok"] is False
    assert answer["data"] is None
    return answer["error"]["code"], answer["error"]["message"]


# Who is let in


@pytest.mark.parametrize(
    ("header", "status", "detail"),
    [
        (None, 401, "missing_bearer_token"),
        ("Basic abc", 401, "missing_bearer_token"),
        ("Bearer", 401, "missing_bearer_token"),
        ("Bearer ", 401, "missing_bearer_token"),
        (TOKEN, 401, "missing_bearer_token"),
        ("Bearer wrong", 403, "invalid_token"),
        (f"Bearer {TOKEN}x", 403, "invalid_token"),
        ("Bearer é".encode("latin-1"), 403, "invalid_token"),
        (f"Bearer {TOKEN}", 200, None),
        (f"bearer {TOKEN}", 200, None),
    ],
)
async def test_token(make_settings: MakeSettings, header: Any, status: int, detail: str | None) -> None:
    async with in_process(make_settings(LISTENERS_SERVICE_TOKEN=TOKEN)) as api:
        del api.http.headers["authorization"]
        headers = {} if header is None else {"Authorization": header}
        for method, path in (("POST", "/rpc"), ("GET", "/debug")):
            body = envelope("REGISTRY.register_user", "u", "s")
            response = await api.http.request(method, path, json=body, headers=headers)
            assert response.status_code == status
            assert detail is None or response.json() == {"detail": detail}


async def test_who_is_turned_away_is_counted_and_told_seldom(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture
) -> None:
    async with in_process(make_settings(LISTENERS_SERVICE_TOKEN=TOKEN, RPC_MAX_BODY_BYTES="1000")) as api:
        before = await scrape(api)
        for headers in ({"Authorization": "Bearer old"}, {"Authorization": "Bearer old"}, {"Authorization": "none"}):
            await api.http.post("/rpc", json=envelope("NO.such"), headers=headers)
        for content in (b"{", b"{}", b"x" * 1001):
            await api.http.post("/rpc", content=content)
        after = await scrape(api)
    counts = {
        status: after.count(RPC_TURNED_AWAY, status=status) - before.count(RPC_TURNED_AWAY, status=status)
        for status in TURNED_AWAY_STATUSES
    }
    assert counts == {"401": 1, "403": 2, "400": 0, "408": 0, "413": 1, "422": 2}
    lines = lines_of(caplog, "rpc_turned_away")
    assert [line["status"] for line in lines] == [403, 401, 422, 413]
    assert "old" not in str(lines)


async def test_what_failed_is_told_with_its_trace(probe: Api, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        await probe.call("PROBE.slow", timeout_ms=10, trace_id=f"t-{number}")
    (line,) = lines_of(caplog, "rpc_not_answered")
    assert (line["level"], line["method"], line["code"], line["trace_id"]) == (
        "WARNING", "PROBE.slow", "TIMEOUT", "t-0"
    )  # fmt: skip


async def test_the_token_is_compared_in_constant_time(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(sent: bytes, token: bytes) -> bool:
        compared.append((sent, token))
        return hmac_compare(sent, token)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr("service.api.auth.hmac.compare_digest", compare)
    async with in_process(make_settings(LISTENERS_SERVICE_TOKEN="right")) as api:
        for sent, status in (("right", 200), ("righ", 403)):
            headers = {"Authorization": f"Bearer {sent}"}
            response = await api.http.post("/rpc", json=envelope("REGISTRY.unregister_session", "s"), headers=headers)
            assert response.status_code == status
    assert compared == [(b"right", b"right"), (b"righ", b"right")]


async def test_no_token_no_auth(api: Api) -> None:
    response = await api.http.post("/rpc", json=envelope("NO.such"), headers={"Authorization": "Bearer any"})
    assert response.status_code == 200


# Codes


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"api_version": "v2"}, "INVALID_API_VERSION", "expected v1"),
        ({"api_version": ""}, "INVALID_API_VERSION", "expected v1"),
        ({"idempotency_key": ""}, "INVALID_ARGS", "idempotency_key required"),
        ({"idempotency_key": "k" * 2000}, "INVALID_ARGS", "idempotency_key is longer than 1024 characters"),
        ({"method": "PROBE.nothing"}, "METHOD_NOT_FOUND", "PROBE.nothing"),
        ({"method": ""}, "METHOD_NOT_FOUND", ""),
        ({"method": "PROBE.__init__"}, "METHOD_NOT_FOUND", "PROBE.__init__"),
        ({"method": "PROBE.calls"}, "METHOD_NOT_FOUND", "PROBE.calls"),
        ({"method": "PROBE.fails"}, "INTERNAL", "the ledger is closed"),
        ({"method": "PROBE.fails_silently"}, "INTERNAL", "KeyError"),
        ({"method": "PROBE.fails_with_bad_text"}, "INTERNAL", "bad ? text"),
        ({"method": "PROBE.refuses"}, "INVALID_ARGS", "not this one"),
        ({"method": "PROBE.over_quota"}, "QUOTA_EXCEEDED", "max_tasks_per_user is 10"),
        ({"method": "PROBE.unanswerable"}, "INTERNAL", "builtin_function_or_method cannot be answered as JSON"),
        ({"method": "PROBE.count", "args": [1]}, "INVALID_ARGS", None),
        ({"method": "PROBE.count", "kwargs": {"a": 1}}, "INVALID_ARGS", None),
    ],
)
async def test_codes(probe: Api, fields: dict[str, Any], code: str, message: str | None) -> None:
    response = await probe.http.post("/rpc", json=envelope("PROBE.count") | fields)
    assert response.status_code == 200
    found = error(response.json())
    assert found[0] == code
    assert message is None or found[1] == message or (not message and found[1])


async def test_retry_after_stands_only_where_it_is_known(probe: Api) -> None:
    assert (await probe.call("PROBE.over_quota"))["error"]["retry_after_ms"] == 1500
    assert "retry_after_ms" not in (await probe.call("PROBE.fails"))["error"]


async def test_success_has_a_null_error(probe: Api) -> None:
    assert await probe.call("PROBE.echo", {"a": [1, None]}) == {"ok": True, "data": {"a": [1, None]}, "error": None}


async def test_other_api_version(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(RPC_API_VERSION="v7")) as api:
        assert error(await api.call("TASK.x")) == ("INVALID_API_VERSION", "expected v7")


async def test_what_a_mounted_object_returns_is_written_as_json(probe: Api) -> None:
    row = {"amount": 1.5}
    at = "2030-01-31T12:00:00+00:00"
    assert await probe.data("PROBE.rich") == {"text": "a", "at": at, "row": row, "rows": [1, 2], "nan": None, "7": None}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
async def test_any_content_type(api: Api, content_type: str) -> None:
    body = httpx.Request("POST", "http://x", json=envelope("NO.such")).content
    response = await api.http.post("/rpc", content=body, headers={"Content-Type": content_type})
    assert error(response.json()) == ("METHOD_NOT_FOUND", "NO.such")


# Idempotency


async def test_a_key_runs_once(probe: Api, valkey: Valkey) -> None:
    request = envelope("PROBE.count") | {"idempotency_key": "once *\n"}
    answers = [(await probe.http.post("/rpc", json=request)).json() for _ in range(3)]
    assert answers[0] == {"ok": True, "data": 1, "error": None}
    assert answers[1:] == [{"ok": True, "data": {"duplicate": True}, "error": None}] * 2
    assert await valkey.get(keys.idempotency("once *\n")) == b"1"
    assert 890 < await valkey.ttl(keys.idempotency("once *\n")) <= 900


async def test_a_key_runs_once_among_many_at_once(probe: Api) -> None:
    request = envelope("PROBE.count")
    responses = await asyncio.gather(*(probe.http.post("/rpc", json=request) for _ in range(50)))
    assert [response.json()["data"] for response in responses if response.json()["data"] == 1] == [1]
    assert await probe.data("PROBE.count") == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "PROBE.nothing"},
        {"method": "PROBE.count", "args": [1, 2, 3]},
        {"method": "PROBE.refuses"},
        {"method": "PROBE.over_quota"},
        {"api_version": "v0"},
        {"reply_to": "user:u"},
    ],
)
async def test_a_call_that_never_ran_gives_its_key_back(probe: Api, fields: dict[str, Any]) -> None:
    request = envelope("PROBE.echo", "hello")
    refused = (await probe.http.post("/rpc", json=request | fields)).json()
    assert refused["ok"] is False
    assert (await probe.http.post("/rpc", json=request)).json()["data"] == "hello"


async def test_a_call_whose_time_was_over_before_it_began_gives_its_key_back(probe: Api, valkey: Valkey) -> None:
    request = envelope("PROBE.count") | {"timeout_ms": 50}
    await probe.data("PROBE.echo")
    await valkey.client_pause(700)
    started = time.monotonic()
    assert error((await probe.http.post("/rpc", json=request)).json())[0] == "TIMEOUT"
    assert time.monotonic() - started < 0.6

    async def is_given_back() -> bool:
        return bool((await probe.http.post("/rpc", json=request | {"timeout_ms": None})).json()["data"] == 1)

    await eventually(is_given_back)


@pytest.mark.parametrize("fields", [{"method": "PROBE.fails"}, {"method": "PROBE.slow", "timeout_ms": 20}])
async def test_a_call_that_failed_while_running_keeps_its_key(probe: Api, fields: dict[str, Any]) -> None:
    request = envelope("PROBE.echo") | fields
    assert (await probe.http.post("/rpc", json=request)).json()["ok"] is False
    assert (await probe.http.post("/rpc", json=request)).json()["data"] == {"duplicate": True}


async def test_a_claimed_key_is_a_duplicate_also_for_a_call_that_cannot_run(probe: Api) -> None:
    request = envelope("PROBE.count")
    await probe.http.post("/rpc", json=request)
    answer = (await probe.http.post("/rpc", json=request | {"method": "PROBE.nothing"})).json()
    assert answer["data"] == {"duplicate": True}


@pytest.mark.parametrize(
    "environ", [{"RPC_IDEMP_DISABLE": "true"}, {"RPC_IDEMP_DISABLE_METHODS": "PROBE.echo, PROBE.count"}]
)
async def test_turned_off(make_settings: MakeSettings, environ: dict[str, str], valkey: Valkey) -> None:
    async with in_process(make_settings(**MOUNT, **environ)) as api:
        request = envelope("PROBE.count")
        answers = [(await api.http.post("/rpc", json=request)).json()["data"] for _ in range(2)]
        assert answers == [1, 2]
        assert await valkey.exists(keys.idempotency(request["idempotency_key"])) == 0


# Replies


async def test_reply_to(probe: Api, valkey: Valkey) -> None:
    async with valkey.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe("replies:7")
        await subscription.get_message(timeout=5)
        await probe.data("PROBE.echo", [1], reply_to="replies:7", trace_id="t-1")
        assert (await probe.call("PROBE.fails", reply_to="replies:7"))["ok"] is False
        await probe.data("PROBE.echo", 2, reply_to="replies:7")
        replies = [await subscription.get_message(timeout=5) for _ in range(2)]
    assert [reply["data"] for reply in replies if reply] == [
        b'{"ok":true,"data":[1],"trace_id":"t-1"}',
        b'{"ok":true,"data":2,"trace_id":null}',
    ]


@pytest.mark.parametrize(
    "channel",
    [
        "user:u",
        "chat:u:s:t",
        "pinnokio:relay:u",
        "pinnokio:flag:changed",
        "{pinnokio}:x",
        "__keyspace@0__:a",
        "c" * 2000,
    ],
)
async def test_reply_to_a_channel_of_the_services_own(probe: Api, channel: str) -> None:
    answer = await probe.call("PROBE.echo", 1, reply_to=channel)
    assert error(answer) == ("INVALID_ARGS", "reply_to names a channel that is not the caller's")


async def test_event_channels_are_where_the_settings_put_them(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(**MOUNT, LISTENERS_CHANNEL_PREFIX="events/")) as api:
        assert error(await api.call("PROBE.echo", reply_to="events/u"))[0] == "INVALID_ARGS"
        assert (await api.call("PROBE.echo", reply_to="user:u"))["ok"] is True


# Limits


@pytest.mark.parametrize("timeout_ms", [30, "30", 30.0])
async def test_timeout_of_the_caller(probe: Api, timeout_ms: Any) -> None:
    assert error(await probe.call("PROBE.slow", timeout_ms=timeout_ms))[0] == "TIMEOUT"


async def test_timeout_of_the_service(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(**MOUNT, RPC_TIMEOUT_MS="30")) as api:
        assert error(await api.call("PROBE.slow"))[0] == "TIMEOUT"


@pytest.mark.parametrize("timeout_ms", [None, 0, -1, 10**300])
async def test_no_timeout_or_an_absurd_one(probe: Api, timeout_ms: int | None) -> None:
    assert await probe.data("PROBE.echo", 1, timeout_ms=timeout_ms) == 1


async def test_body_limit(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(RPC_MAX_BODY_BYTES="1000")) as api:

        async def unannounced() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 100

        for content in (b"x" * 1001, unannounced()):
            response = await api.http.post("/rpc", content=content)
            assert response.status_code == 413
            assert response.json() == {"detail": "the body is larger than 1000 bytes"}
        assert (await api.http.post("/rpc", json=envelope("NO.such"))).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"\xff", 400), (b"[" * 5000, 400), (b"", 422), (b"{}", 422), (b"[]", 422), (b"null", 422), (b"{", 422)],
)
async def test_bad_bodies(api: Api, body: bytes, status: int) -> None:
    response = await api.http.post("/rpc", content=body)
    assert response.status_code == status
    assert response.json()["detail"]


async def test_422_does_not_echo_the_input(api: Api) -> None:
    response = await api.http.post("/rpc", json={"method": ["open-sesame"], "api_version": "open-sesame"})
    assert response.status_code == 422
    assert "sesame" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/rpc", 405), ("POST", "/healthz", 405), ("GET", "/x", 404)]
)
async def test_other_paths_answer_in_the_same_shape(api: Api, method: str, path: str, status: int) -> None:
    response = await api.http.request(method, path)
    assert response.status_code == status
    assert isinstance(response.json()["detail"], str)


async def test_a_body_broken_off_is_no_server_error(server: Api, caplog: pytest.LogCaptureFixture) -> None:
    host, port = server.base_url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await server.http.get("/version")).status_code == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_call_ends_though_the_server_is_told_to_stop(make_settings: MakeSettings) -> None:
    async with behind_uvicorn(make_settings(**MOUNT)) as api:
        call = asyncio.create_task(api.call("PROBE.slow", timeout_ms=300))
        await eventually(lambda: _has_begun(api))
        assert api.server is not None
        api.server.should_exit = True
        assert error(await call)[0] == "TIMEOUT"


async def _has_begun(api: Api) -> bool:
    count: int = await api.data("PROBE.count")
    return count > 1


# Figures and logs


async def test_figures(probe: Api) -> None:
    await probe.call("PROBE.fails")
    await probe.call("PROBE.whatever")
    await probe.call("x" * 500)
    text = (await probe.http.get("/metrics")).text
    assert 'pinnokio_rpc_requests_total{code="INTERNAL",cohort="none",method="PROBE.fails"}' in text
    assert 'pinnokio_rpc_requests_total{code="METHOD_NOT_FOUND",cohort="none",method="unknown"}' in text
    assert "whatever" not in text
    assert "xxx" not in text


async def test_a_failure_is_logged_with_its_trace(probe: Api, caplog: pytest.LogCaptureFixture) -> None:
    await probe.call("PROBE.fails", trace_id="t-9")
    (record,) = [record for record in caplog.records if "rpc_failed" in str(record.msg)]
    assert record.levelname == "ERROR"
    assert isinstance(record.msg, dict)
    assert (record.msg["method"], record.msg["trace_id"]) == ("PROBE.fails", "t-9")


def test_error_codes_have_one_shape() -> None:
    assert RpcError(code="X", message="m").retry_after_ms is None


def test_settings_hide_the_token(make_settings: MakeSettings) -> None:
    settings: Settings = make_settings(LISTENERS_SERVICE_TOKEN=TOKEN)
    assert TOKEN not in repr(settings)
