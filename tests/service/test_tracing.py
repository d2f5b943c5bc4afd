"""The names of a request: which it gets, and that they stay with its task, across processes."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.keys import CELERY_PREFIX
from service.api.tracing import choose_trace
from tests.service.application import envelope
from tests.service.process import api_process
from tests.service.running_worker import listening_user, running_worker
from tests.service.valkey_server import RunningValkey
from tests.service.waiting import eventually

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("headers", "said", "trace_id", "request_id"),
    [
        pytest.param({}, "t-1", "t-1", None, id="the body's"),
        pytest.param({"traceparent": PARENT, "x-request-id": "r-1"}, "t-1", "t-1", "r-1", id="the body's first"),
        pytest.param({"traceparent": PARENT}, None, TRACE, None, id="traceparent"),
        pytest.param({"traceparent": f"01-{TRACE}-00f067aa0ba902b7-01-more"}, "", TRACE, None, id="a later version"),
        pytest.param({"x-request-id": "r-1"}, None, "r-1", "r-1", id="the request's"),
        pytest.param({"x-request-id": "r-1"}, "x" * 129, "r-1", "r-1", id="the body's is too long"),
        pytest.param({}, "two\nlines", None, None, id="the body's is not plain"),
        pytest.param({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, None, None, None, id="nobody's trace"),
        pytest.param({"traceparent": f"ff-{TRACE}-00f067aa0ba902b7-01"}, None, None, None, id="no version"),
        pytest.param({"traceparent": f"{PARENT}-more\n"}, None, None, None, id="no traceparent"),
        pytest.param({"x-request-id": "a b"}, None, None, None, id="a request id with a space"),
        pytest.param({"x-request-id": "r" * 129}, None, None, None, id="a request id that is too long"),
    ],
)
def test_names(headers: dict[str, str], said: str | None, trace_id: str | None, request_id: str | None) -> None:
    """None: a new one."""
    trace = choose_trace([(name.encode(), value.encode()) for name, value in headers.items()], said)
    assert trace.trace_id == (trace_id or trace.request_id)
    if request_id is None:
        assert len(trace.request_id) == 32
        assert trace != choose_trace([], said)
    else:
        assert trace.request_id == request_id


async def test_a_trace_goes_on_from_the_call_to_the_last_event(own_valkey: RunningValkey, tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with api_process(own_valkey, log, UNIFIED_REGISTRY_ENABLED="true", LOG_LEVEL="INFO") as url:
        async with listening_user("u1", own_valkey) as user, httpx.AsyncClient(timeout=30) as client:
            response = await client.post(
                f"{url}/rpc",
                json=envelope("TASK.start_document_analysis", "u1", {"content": "Total: EUR 12.00"}, "job1"),
                headers={"traceparent": PARENT, "X-Request-Id": "r-7"},
            )
            assert response.headers["x-request-id"] == "r-7"
            (started,) = [line for line in _lines(log) if line["event"] == "task_started"]
            assert (started["trace_id"], started["request_id"]) == (TRACE, "r-7")
            (message,) = await user.valkey.lrange(f"{CELERY_PREFIX}computation", 0, -1)
            assert json.loads(message)["headers"]["trace_id"] == TRACE

            with running_worker(own_valkey, tmp_path) as worker:
                events = await user.events_until_end("doc_analysis_job1")
                assert [event["trace_id"] for event in events] == [TRACE] * len(events)
                (ended,) = await eventually(lambda: worker.logged("task_ended"))
                assert (ended["trace_id"], ended["task_id"]) == (TRACE, "doc_analysis_job1")


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
