"""What operators filter the logs for, grepped in the output of the real process (contract.md, "Words in the logs")."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract import keys
from tests.service.application import envelope
from tests.service.process import api_process
from tests.service.valkey_server import RunningValkey

PROMPT = "a prompt that nobody else is to read"
TOKEN = "a-token-of-a-test"
PASSWORD_LIKE = "sk-key-of-a-test"


@pytest.fixture
def calls(own_valkey: RunningValkey, tmp_path: Path) -> Iterator[tuple[Path, "Calls"]]:
    """Where its output goes, and who calls it; the flag is on, and so is REGISTRY_DEBUG."""
    log = tmp_path / "api.log"
    environ = {
        "UNIFIED_REGISTRY_ENABLED": "true",
        "REGISTRY_DEBUG": "true",
        "LOG_LEVEL": "INFO",
        "LISTENERS_SERVICE_TOKEN": TOKEN,
        "OPENAI_API_KEY": PASSWORD_LIKE,
    }
    with api_process(own_valkey, log, **environ) as url:
        yield log, Calls(url)


class Calls:
    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, method: str, *args: Any) -> Any:
        response = httpx.post(
            f"{self._url}/rpc", json=envelope(method, *args), headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30
        )
        answer = response.json()
        assert answer["ok"], answer
        return answer["data"]


def grep(pattern: str, log: Path) -> list[dict[str, Any]]:
    """The lines that the operators' own tool finds."""
    found = subprocess.run(["grep", "-E", pattern, str(log)], capture_output=True, text=True, check=False).stdout
    return [json.loads(line) for line in found.splitlines()]


def test_each_filter_finds_its_lines(calls: tuple[Path, Calls], own_valkey: RunningValkey) -> None:
    log, call = calls
    call("REGISTRY.register_user", "u1", "s1")
    call("CHROMA_VECTOR.register_collection_user", "u1", "invoices", "s1")
    started = call("TASK.start_document_analysis", "u1", {"content": PROMPT}, "job1")
    # A user of before the flag: the unified entry is made from the legacy one.
    with own_valkey.client() as valkey:
        valkey.hset(keys.legacy_user("old"), mapping={"user_id": "old", "session_id": "s0", "backend_route": ""})
        # What is no hash cannot be written as one.
        valkey.set(keys.unified_user("broken"), "x")
    call("UNIFIED_REGISTRY.get_user_registry", "old")
    call("REGISTRY.register_user", "broken", "s2")
    call("CHROMA_VECTOR.register_collection_user", "broken", "invoices", "s2")

    decided = grep("registry_wrapper", log)
    assert {line["event"] for line in decided} >= {"registry_wrapper_decision", "registry_wrapper_written"}
    assert all(line["logger"] == "registry_wrapper" or "registry_wrapper" in line["event"] for line in decided)
    assert {line["event"] for line in grep("unified_registry", log)} >= {
        "unified_registry_fallback",
        "unified_registry_sync_from_legacy",
    }
    assert {line["operation"] for line in grep("sync.*ChromaDB", log)} >= {"register_collection_user"}
    assert {line["user_id"] for line in grep("sync.*ChromaDB", log)} == {"u1", "broken"}
    fallbacks = grep("fallback", log)
    assert [(line["level"], line["user_id"], line["operation"]) for line in fallbacks][:2] == [
        ("ERROR", "broken", "register_user"),
        ("ERROR", "broken", "register_collection_user"),
    ]
    assert {line["event"] for line in grep("ERROR", log)} == {"unified_registry_fallback"}

    (registered,) = [line for line in grep("user_registered", log) if line["user_id"] == "u1"]
    assert registered.keys() >= {"user_id", "company_id", "session_id", "timestamp"}
    (task,) = grep('"task_started"', log)
    assert {name: task[name] for name in ("task_id", "task_type", "user_id", "company_id", "isolation_namespace")} == {
        "task_id": started["task_id"],
        "task_type": "document_analysis",
        "user_id": "u1",
        "company_id": "default",
        "isolation_namespace": "u1_default",
    }
    assert task["timestamp"]


def test_no_secret_and_no_prompt_is_logged(calls: tuple[Path, Calls]) -> None:
    log, call = calls
    call("TASK.start_document_analysis", "u1", {"content": PROMPT}, "job1")
    call("CHROMA_VECTOR.add_documents", "texts", [PROMPT], [{"n": 1}])
    call("CHROMA_VECTOR.query_documents", "texts", [PROMPT])
    assert grep("task_started", log)
    for secret in (PROMPT, TOKEN, PASSWORD_LIKE):
        assert secret not in log.read_text()
