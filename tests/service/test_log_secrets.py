"""What goes in by every way, and comes out in no line of the logs: secrets at any level, what was sent at INFO."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from contract import keys
from contract.env import VARIABLES
from contract.log_masks import Mask, build_trace
from service.settings import Settings
from tests.openai_server.faults import Fault
from tests.openai_server.server import API_KEY, UNKNOWN_MODEL, openai_beside
from tests.service.application import envelope
from tests.service.process import api_process
from tests.service.running_worker import User, listening_user, running_worker
from tests.service.valkey_server import RunningValkey, running_valkey
from tests.service.waiting import eventually

TOKEN: Final = "bearer-of-this-very-test"
PASSWORD: Final = 'valkey\'s "word" of a test'
KEY_LINE: Final = "lineOfNoPrivateKeyThatIsLongEnough0123456789"
SECRETS: Final = {
    "LISTENERS_SERVICE_TOKEN": TOKEN,
    "LISTENERS_REDIS_PASSWORD": PASSWORD,
    "OPENAI_API_KEY": API_KEY,
    "CHROMA_TOKEN": "token-of-no-chroma",
    "FIREBASE_ADMIN_JSON": json.dumps({"private_key": f"BEGIN\n{KEY_LINE}\nEND\n"}),
}
# What a secret looks like wherever it stands, in JSON or not.
FORMS: Final = {*SECRETS.values(), json.dumps(PASSWORD)[1:-1], json.dumps(json.dumps(PASSWORD)[1:-1])[1:-1], KEY_LINE}
SENT_LOGIN: Final = "sent-login-of-somebody"
DOCUMENT: Final = "Invoice of Madame Exemple, EUR 12.00, for her surgery"
PROMPT: Final = "What does Madame Exemple earn?"
# At DEBUG these two may hold the text of an error, which may quote what was sent.
MAY_QUOTE_AT_DEBUG: Final = {"rpc_failed", "task_failed_unexpectedly"}


class Books:
    """An owner's business class, whose errors say too much."""

    def book(self, document: str) -> None:
        try:
            raise ValueError(f"cannot read {document!r}")
        except ValueError as fault:
            raise LookupError(f"redis://:{SENT_LOGIN}@books:6379 refuses Authorization: Bearer {SENT_LOGIN}") from fault


@pytest.fixture
def locked_valkey() -> Iterator[RunningValkey]:
    """A server that asks for a password."""
    with running_valkey(cluster=False, password=PASSWORD) as server:
        yield server


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_no_line_holds_a_secret_or_what_was_sent(
    level: str, locked_valkey: RunningValkey, tmp_path: Path
) -> None:
    log = tmp_path / "api.log"
    with openai_beside() as openai:
        openai.faults.append(Fault(status=401, message=f"Incorrect API key provided: {API_KEY}"))
        environ = {
            **SECRETS,
            "UNIFIED_REGISTRY_ENABLED": "true",
            "REGISTRY_DEBUG": "true",
            "LISTENERS_DEBUG": "true",
            "LOG_LEVEL": level,
            "OPENAI_BASE_URL": openai.base_url,
            "GOOGLE_PROJECT_ID": "no-project",
            "CHROMA_HOST": "127.0.0.1",
            "CHROMA_PORT": "9",
            "RPC_NAMESPACES": "BOOKS=tests.service.test_log_secrets:Books",
        }
        with (
            running_worker(locked_valkey, tmp_path, CELERY_QUEUES="default,computation,llm", **environ) as worker,
            api_process(locked_valkey, log, **environ) as url,
        ):
            async with listening_user("u1", locked_valkey) as user:
                await _send_everything(url, user)
            await eventually(lambda: len(worker.logged("task_ended")) == 5, deadline_s=40)
            await eventually(lambda: "task_not_queued" in log.read_text(), deadline_s=40)
    lines = [*log.read_text().splitlines(), *worker.log.read_text().splitlines()]
    for event in ("rpc_failed", "task_failed_unexpectedly", "chroma_vector_failed", "task_ended"):
        assert any(event in line for line in lines), f"{event} was to be provoked"
    assert [line for line in lines if any(form in line for form in (*FORMS, SENT_LOGIN))] == []
    quoting = [line for line in lines if "Madame" in line]
    if level == "DEBUG":
        quoting = [line for line in quoting if json.loads(line)["event"] not in MAY_QUOTE_AT_DEBUG]
    assert quoting == []


async def _send_everything(url: str, user: User) -> None:
    """Waits for the end of what it starts."""
    async with httpx.AsyncClient(base_url=url, timeout=60, headers={"Authorization": f"Bearer {TOKEN}"}) as client:

        async def call(method: str, *args: Any, **fields: Any) -> dict[str, Any]:
            answer: dict[str, Any] = (await client.post("/rpc", json=envelope(method, *args, **fields))).json()
            return answer

        refused = await client.post("/rpc", json={}, headers={"Authorization": f"Bearer {SENT_LOGIN}"})
        assert refused.status_code == 403
        answer = await call("BOOKS.book", DOCUMENT)
        assert SENT_LOGIN in answer["error"]["message"], "its caller is told"
        await call("BOOKS.book", kwargs={"document": DOCUMENT, "no_such": PROMPT})
        await call("CHROMA_VECTOR.add_documents", "texts", [DOCUMENT], [{"n": 1}])
        await call("TASK.start_document_analysis", "u1", {"content": DOCUMENT}, "job1")
        await user.events_until_end("doc_analysis_job1")
        # Refused in words that quote the key, then the prompt; then answered.
        for model in ("gpt-4", UNKNOWN_MODEL, "gpt-4"):
            started = await call("TASK.start_llm_conversation", "u1", "acme", PROMPT, kwargs={"model": model})
            await user.events_until_end(started["data"]["conversation_id"], 60)
        await user.start("test_fail", "failing", quoting=f"{DOCUMENT} {' '.join(FORMS)}")
        await user.events_until_end("failing")
        failures = str(await user.valkey.zrange(keys.FAILURES, 0, -1))
        assert "failing" in failures
        assert "Madame" not in failures
        await user.valkey.config_set("maxmemory", "1mb")
        answer = await call("TASK.start_document_analysis", "u1", {"content": DOCUMENT}, "too-much")
        assert not answer["data"]["success"]


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("connect redis://:pass@host:1/0 and https://u:p@h/x", "connect redis://***@host:1/0 and https://***@h/x"),
        ("GET https://host/a@b", "GET https://host/a@b"),
        ('{"Authorization": "Bearer abc.def-123"}', '{"Authorization": "Bearer ***"}'),
        ("authorization: Basic dXNlcjpwYXNz", "authorization: Basic ***"),
        ("a bearer of news", "a bearer of news"),
        ("AUTHORIZATION: BEARER abc.def-123", "AUTHORIZATION: BEARER ***"),
        ("redis://:pa/ss@host:6379", "redis://***@host:6379"),
        ('"WebSocket /ws?uid=u&access_token=abc" [accepted]', '"WebSocket /ws?uid=u&access_token=***" [accepted]'),
        ("Incorrect key sk-proj-abc_123", "Incorrect key ***"),
        (
            "Command # 2 (EVAL a\nb (c)) of pipeline caused error: OOM",
            "Command # 2 of pipeline caused error: OOM",
        ),
    ],
)
def test_masks(line: str, masked: str) -> None:
    assert Mask()(line) == masked


def test_a_secret_is_masked_in_each_form() -> None:
    mask = Mask([PASSWORD, f'{{"private_key": "BEGIN\\n{KEY_LINE}\\nEND"}}', "tiny"])
    assert mask(f"a {PASSWORD} b") == "a *** b"
    assert json.loads(mask(json.dumps({"error": PASSWORD})))["error"] == "***"
    assert mask(f"key: {KEY_LINE}") == "key: ***"
    assert mask("tiny words stay") == "tiny words stay"


def test_settings_know_every_secret_of_the_contract() -> None:
    secret = {variable.name: f"secret-{variable.name}" for variable in VARIABLES if variable.secret}
    settings = Settings.from_env(secret)
    assert set(settings.secrets) == set(secret.values())
    assert "secret-" not in repr(settings)


def test_a_trace_says_where_and_not_what() -> None:
    try:
        Books().book(DOCUMENT)
    except LookupError as fault:
        trace, full = build_trace(fault, with_texts=False), build_trace(fault, with_texts=True)
    assert "Madame" not in trace
    assert SENT_LOGIN not in trace.replace('Bearer {SENT_LOGIN}"', "").replace(":{SENT_LOGIN}@", "")
    assert trace.index("ValueError") < trace.index("LookupError")
    assert "in book" in trace
    assert "Madame" in full
    assert logging.getLogger("openai").level == logging.WARNING
