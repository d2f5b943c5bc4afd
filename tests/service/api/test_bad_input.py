"""Bad input by the table of issue 4: whatever is sent to whichever method, a clear error of the contract, never a 500,
and never a touched key of another user."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from service.store.client import Valkey
from tests.service.application import Api, envelope, in_process
from tests.service.conftest import MakeSettings

# Arguments that fit, by name; what a method has beside them is left out.
FITTING: Final[dict[str, Any]] = {
    "user_id": "u", "session_id": "s", "company_id": "acme", "collection_name": "c", "task_id": "t", "job_id": "j",
    "authorized_companies": ["acme"], "service_name": "mail", "service_data": {}, "task_type": "audit",
    "document_data": {"content": "text"}, "documents": ["text"], "metadatas": None, "query_texts": ["text"],
    "prompt": "p", "status": "processing", "report_type": "usage", "source": {"content": "a", "format": "csv"},
    "target": {"format": "json"}, "data": [{"date": "2024-05-12", "amount": 1, "account": "1"}],
    "model_type": "forecast",
}  # fmt: skip
BAD_IDS: Final[dict[str, Any]] = {
    "number": 7,
    "object": {},
    "list": [["u"]],
    "bool": True,
    "empty": "",
    "null byte": "u\x00",
    "newline": "u\nx",
    "escape": "\x1b[31m",
    "long": "u" * 10_000,
}
# A pattern or a space is a good id: it names itself, and nobody else.
ODD_IDS: Final = ("*", "?", "[a-z]*", "a b", "bystande?", "bystander*", "'; DROP", "{pinnokio}", "é", "../x")


@pytest.fixture(params=["off", "on"])
async def with_bystander(
    request: pytest.FixtureRequest, make_settings: MakeSettings, valkey: Valkey
) -> AsyncIterator[Api]:
    """The application, with a registered user beside; their entries must not change."""
    on = str(request.param == "on").lower()
    async with in_process(make_settings(UNIFIED_REGISTRY_ENABLED=on, RPC_MAX_BODY_BYTES="20000000")) as api:
        await api.data("UNIFIED_REGISTRY.register_user_session", "bystander", "theirs", "home", ["home"], "r")
        await api.data("REGISTRY.register_user", "bystander", "theirs", "r")
        await api.data("CHROMA_VECTOR.register_collection_user", "bystander", "col", "theirs")
        before = await _theirs(valkey)
        assert len(before) >= 4
        yield api
        assert await _theirs(valkey) == before


async def _theirs(valkey: Valkey) -> dict[bytes, Any]:
    """What the entries of the bystander, their session and their company hold, byte by byte."""
    found: Any = await valkey.keys("registry:*")
    own = [key for key in sorted(found) if key.split(b":")[2] in (b"bystander", b"theirs", b"home")]
    return {key: await valkey.dump(key) for key in own}


async def test_an_id_that_is_none(with_bystander: Api) -> None:
    """Every id of every method, by name, in every wrong form."""
    tried = 0
    for name, method in _methods(with_bystander).items():
        for parameter, kind in method.ids:
            bad = BAD_IDS if kind.has_colon else BAD_IDS | {"colon": "u:v"}
            for what, value in bad.items():
                if parameter == "authorized_companies" and what == "list":
                    continue
                kwargs = _fitting(method) | {parameter: value}
                answer = await with_bystander.call(name, kwargs=kwargs)
                assert answer["error"], (name, parameter, what)
                assert answer["error"]["code"] == "INVALID_ARGS", (name, parameter, what, answer)
                assert len(answer["error"]["message"]) < 300
                tried += 1
    assert tried > 150


async def test_an_odd_id_names_itself_alone(with_bystander: Api) -> None:
    for name, method in _methods(with_bystander).items():
        if name == "UNIFIED_REGISTRY.cleanup_expired_entries":
            continue
        for odd in ODD_IDS:
            kwargs = _fitting(method) | {parameter: odd for parameter, _ in method.ids if parameter in _fitting(method)}
            if "authorized_companies" in kwargs:
                kwargs["authorized_companies"] = [odd]
            answer = await with_bystander.call(name, kwargs=kwargs)
            assert answer["ok"] or answer["error"]["code"] in {"INVALID_ARGS", "QUOTA_EXCEEDED"}, (name, odd, answer)


async def test_arguments_that_do_not_fit(with_bystander: Api) -> None:
    """None at all, too many, unknown names, each argument of a wrong type."""
    for name, method in _methods(with_bystander).items():
        refused = [await with_bystander.call(name)] if method.signature.parameters else []
        refused.append(await with_bystander.call(name, *range(30)))
        refused.append(await with_bystander.call(name, kwargs=_fitting(method) | {"no such": 1}))
        for answer in refused:
            assert answer["error"]["code"] == "INVALID_ARGS", (name, answer)


@pytest.mark.parametrize(
    "method",
    ["", ".", "REGISTRY", "REGISTRY.", ".register_user", "registry.register_user", "NO.such", "REGISTRY.__init__",
     "REGISTRY._lane", "REGISTRY.register_user.__call__", "REGISTRY.register_user\n", "REGISTRY.*", "é" * 10_000],
)  # fmt: skip
async def test_a_method_that_is_none(with_bystander: Api, method: str) -> None:
    answer = await with_bystander.call(method, "bystander", "theirs")
    assert answer["error"]["code"] == "METHOD_NOT_FOUND"
    assert answer["error"]["message"] == method[:2_000]


@pytest.mark.parametrize("place", ["args", "kwargs", "extra"])
async def test_json_nested_a_hundred_deep(with_bystander: Api, place: str) -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep] if place == "args" else {"a": deep}
    fields = {"args": {"args": deep}, "kwargs": {"kwargs": deep}, "extra": {"extra": deep}}[place]
    response = await with_bystander.http.post("/rpc", json=envelope("REGISTRY.register_user") | fields)
    # An unknown key is ignored, however deep.
    assert response.status_code == (200 if place == "extra" else 400)


@pytest.mark.parametrize("place", ["user_id", "session_id", "backend_route"])
async def test_a_string_of_ten_megabytes(with_bystander: Api, place: str) -> None:
    kwargs = {"user_id": "u", "session_id": "s"} | {place: "x" * 10_000_000}
    answer = await with_bystander.call("REGISTRY.register_user", kwargs=kwargs)
    assert answer["error"]["code"] == "INVALID_ARGS"


async def test_a_body_of_eleven_megabytes(make_settings: MakeSettings) -> None:
    async with in_process(make_settings()) as api:
        body = json.dumps(envelope("REGISTRY.register_user", "x" * 11_000_000, "s"))
        assert (await api.http.post("/rpc", content=body)).status_code == 413


def _methods(api: Api) -> dict[str, Any]:
    return dict(api.app.state.services.dispatcher.methods)  # type: ignore[attr-defined]


def _fitting(method: Any) -> dict[str, Any]:
    return {name: FITTING[name] for name in method.signature.parameters if name in FITTING}
