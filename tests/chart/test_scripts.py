"""The scripts of `helm test`, run as its pod runs them, against a stand-in for the API that gives fixed answers."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from tests.chart.rendering import CHART

DEADLINE_S = 60.0


@dataclass
class FixedAnswers:
    """What the stand-in answers, one after the other, the last one for ever; and what it was asked."""

    answers: list[tuple[int, Any]]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    url: str = ""

    def next(self) -> tuple[int, Any]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class StandIn(http.server.BaseHTTPRequestHandler):
    """Answers in JSON; `$session` in an answer becomes the second argument of the call."""

    script: ClassVar[FixedAnswers]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.bodies.append(body)
        self.script.tokens.append(self.headers["Authorization"])
        self._answer(str(body["args"][-1]))

    def do_GET(self) -> None:
        self._answer("")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Says nothing."""

    def _answer(self, session: str) -> None:
        status, data = self.script.next()
        payload = json.dumps(data).replace("$session", session).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[FixedAnswers]:
    script = FixedAnswers(list(request.param))
    handler = type("Handler", (StandIn,), {"script": script})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}/rpc"
        yield script
        server.shutdown()
        thread.join()


REGISTERED = (200, {"ok": True, "data": {"session_id": "$session"}, "error": None})
UNREGISTERED = (200, {"ok": True, "data": True, "error": None})


@pytest.mark.parametrize("served", [[REGISTERED, UNREGISTERED]], ids=["ok"], indirect=True)
def test_a_call_that_is_answered_passes(served: FixedAnswers) -> None:
    result = run("call_rpc.py", served.url, token="a-token")
    assert (result.returncode, result.stdout) == (
        0,
        f"PASS: REGISTRY.register_user at {served.url} answered ok: true\n",
    )
    assert [body["method"] for body in served.bodies] == [
        "REGISTRY.register_user",
        "REGISTRY.unregister_session",
    ]
    assert served.tokens == ["Bearer a-token"] * 2


@pytest.mark.parametrize("served", [[REGISTERED, UNREGISTERED]], ids=["ok"], indirect=True)
def test_without_a_token_none_is_sent(served: FixedAnswers) -> None:
    assert run("call_rpc.py", served.url).returncode == 0
    assert served.tokens == [None, None]


@pytest.mark.parametrize("served", [[(503, {}), (503, {}), REGISTERED, UNREGISTERED]], ids=["late"], indirect=True)
def test_an_api_that_is_not_up_yet_is_waited_for(served: FixedAnswers) -> None:
    assert run("call_rpc.py", served.url).returncode == 0
    assert len(served.bodies) == 4


@pytest.mark.parametrize(
    ("served", "message"),
    [
        pytest.param([(403, {"detail": "invalid_token"})], "HTTP 403: .*invalid_token", id="wrong-token"),
        pytest.param(
            [(200, {"ok": False, "data": None, "error": {"code": "INTERNAL", "message": "no store"}})],
            "INTERNAL.*no store",
            id="error",
        ),
        pytest.param([(200, {"ok": True, "data": {"duplicate": True}})], "duplicate", id="other-data"),
    ],
    indirect=["served"],
)
def test_a_wrong_answer_fails_at_once_and_says_why(served: FixedAnswers, message: str) -> None:
    result = run("call_rpc.py", served.url)
    assert result.returncode == 1
    assert len(served.bodies) == 1
    assert re.search(message, result.stdout), result.stdout


@pytest.mark.parametrize("served", [[(503, {}), (200, {})]], ids=["late"], indirect=True)
def test_an_operator_that_lives_passes(served: FixedAnswers) -> None:
    result = run("probe_operator.py", served.url)
    assert result.returncode == 0
    assert result.stdout == f"PASS: the operator is alive ({served.url} answered 200)\n"


def run(script: str, url: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """As the pod does: `python -c SOURCE URL`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RPC_", "LISTENERS_"))}
    if token is not None:
        environment["LISTENERS_SERVICE_TOKEN"] = token
    return subprocess.run(
        [sys.executable, "-c", (CHART / "files" / script).read_text(), url],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        env=environment,
    )
