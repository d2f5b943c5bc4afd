"""The OpenAPI document against the service it describes, by schemathesis: generated requests, right and wrong ones.

Whatever is sent: no 5xx, an answer of the declared shape, and nobody else's key touched.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.settings import Settings
from tests.service.application import in_process
from tests.service.process import api_process
from tests.service.valkey_server import RunningValkey

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
QUICK: Final[dict[str, Any]] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
BYSTANDER: Final = {"registry:user:bystander", "registry:unified:bystander", "registry:session:bystanders-session"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
# Ids that a search by pattern, a key made by hand or a careless log would trip over.
WORDS = st.sampled_from(["bystander", "*", "?", "a b", "a\n", "\x00", "", "x:y", "../..", "u", "s", "{pinnokio}:u"])


@pytest.fixture(scope="module")
def base_url(shared_valkey: RunningValkey) -> Iterator[str]:
    shared_valkey.flush()
    with api_process(shared_valkey, UNIFIED_REGISTRY_ENABLED="true") as url:
        yield url


@pytest.fixture(scope="module")
def document(base_url: str) -> Any:
    return schemathesis.openapi.from_url(f"{base_url}/openapi.json")


@pytest.fixture
def bystander(base_url: str, shared_valkey: RunningValkey) -> Iterator[None]:
    """A user who has nothing to do with it: their entries are the same before and after."""
    with shared_valkey.client() as client:
        entry: Any = {
            "user_id": "bystander",
            "session_id": "bystanders-session",
            "last_seen_at": "2030-01-01T00:00:00Z",
        }
        client.hset("registry:user:bystander", mapping=entry)
        client.hset("registry:unified:bystander", mapping=entry)
        client.sadd("registry:session:bystanders-session", "bystander")
        before = {key: client.dump(key) for key in BYSTANDER}
        yield
        assert {key: client.dump(key) for key in BYSTANDER} == before


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_any_request_of_rpc(document: Any, base_url: str, bystander: None, mode: GenerationMode) -> None:
    @given(case=document["/rpc"]["POST"].as_strategy(generation_mode=mode))
    @examples(max_examples=80, **QUICK)
    def answers(case: Any) -> None:
        case.call_and_validate(base_url=base_url, checks=CHECKS)

    answers()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/version", "/debug", "/metrics"])
def test_any_request_of_the_others(document: Any, base_url: str, path: str) -> None:
    @given(case=document[path]["GET"].as_strategy())
    @examples(max_examples=5, **QUICK)
    def answers(case: Any) -> None:
        case.call_and_validate(base_url=base_url, checks=CHECKS)

    answers()


async def test_any_arguments_of_any_method(settings: Settings, document: Any, base_url: str, bystander: None) -> None:
    """Known methods with arguments of every kind: refused or answered, never a failure of our own."""
    async with in_process(settings) as api:
        methods = sorted(api.app.state.services.dispatcher.methods)  # type: ignore[attr-defined]
    # This one is asked to remove what points nowhere, wherever it stands.
    methods.remove("UNIFIED_REGISTRY.cleanup_expired_entries")

    @given(
        case=document["/rpc"]["POST"].as_strategy(),
        method=st.sampled_from(methods),
        args=st.lists(WORDS.filter(lambda word: word != "bystander") | JSON, max_size=5),
        kwargs=st.dictionaries(st.sampled_from(["user_id", "session_id", "limit", "task_id"]), JSON, max_size=2),
    )
    @examples(max_examples=150, **QUICK)
    def answers(case: Any, method: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        case.body = {"api_version": "v1", "method": method, "args": args, "kwargs": kwargs}
        case.body["idempotency_key"] = f"{method} {args!r} {kwargs!r}"[:1000]
        response = case.call(base_url=base_url)
        case.validate_response(response, checks=CHECKS)
        # A lone surrogate is no JSON text; every other body parses.
        assert response.status_code == 200
        error = response.json()["error"]
        assert error is None or error["code"] in {"INVALID_ARGS", "UNAVAILABLE", "QUOTA_EXCEEDED"}, error

    answers()
