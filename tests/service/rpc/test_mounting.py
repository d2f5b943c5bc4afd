"""RPC_NAMESPACES: a class of the owner's, with twenty methods, through the API."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.rpc.mounting import MountError, mount
from service.rpc.router import Dispatcher
from tests.service.application import Api, in_process
from tests.service.conftest import MakeSettings

LEDGER = "tests.service.rpc.mounted_ledger:make_ledger"


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Api]:
    async with in_process(make_settings(RPC_NAMESPACES=f"LEDGER={LEDGER}")) as api:
        yield api


def test_twenty_methods() -> None:
    mounted = mount({"LEDGER": LEDGER}, frozenset({"TASK"}))
    methods = Dispatcher({}, mounted).methods
    assert len(methods) == 20
    assert sum(method.is_async for method in methods.values()) == 10


@pytest.mark.parametrize(
    ("name", "path", "says"),
    [
        ("TASK", LEDGER, "TASK is no free name"),
        ("lower", LEDGER, "lower is no free name"),
        ("A.B", LEDGER, "is no free name"),
        ("LEDGER", "tests.service.rpc.mounted_ledger", "takes package.module:factory"),
        ("LEDGER", "tests.service.rpc.mounted_ledger:nothing", "nothing"),
        ("LEDGER", "no.such.module:factory", "No module"),
    ],
)
def test_refused(name: str, path: str, says: str) -> None:
    with pytest.raises(MountError, match=says):
        mount({name: path}, frozenset({"TASK"}))


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "answer"),
    [
        ("add", [1.5], {}, {"amount": 1.5, "currency": "EUR"}),
        ("add", [], {"amount": 2, "currency": "CHF"}, {"amount": 2, "currency": "CHF"}),
        ("all", [], {}, []),
        ("total", [1, 2, 3], {}, 6),
        ("named", [], {"a": 1, "b": None}, {"a": 1, "b": None}),
        ("look_up", ["a"], {}, "A"),
        ("wait", [0], {}, "waited"),
    ],
)
async def test_sync_and_async_methods_answer_alike(
    ledger: Api, method: str, args: list[Any], kwargs: dict[str, Any], answer: Any
) -> None:
    for prefix in ("", "async_"):
        assert await ledger.data(f"LEDGER.{prefix}{method}", *args, kwargs=kwargs) == answer


async def test_the_others_answer(ledger: Api) -> None:
    assert await ledger.data("LEDGER.static", 3) == 3
    assert await ledger.data("LEDGER.of_class") == "Ledger"
    assert await ledger.data("LEDGER.async_nothing") is None
    assert (await ledger.data("LEDGER.async_odd"))["set"] == [1]


async def test_sync_methods_run_beside_the_event_loop(ledger: Api) -> None:
    assert await ledger.data("LEDGER.thread") != threading.current_thread().name
    assert await ledger.data("LEDGER.async_thread") == threading.current_thread().name


@pytest.mark.parametrize("prefix", ["", "async_"])
async def test_errors_are_mapped(ledger: Api, prefix: str) -> None:
    async def error(method: str, *args: Any, **fields: Any) -> tuple[str, str]:
        answer = await ledger.call(f"LEDGER.{prefix}{method}", *args, **fields)
        assert not answer["ok"]
        return answer["error"]["code"], answer["error"]["message"]

    assert await error("refuse", "not this one") == ("INTERNAL", "not this one")
    assert await error("look_up", "b") == ("INTERNAL", "'b'")
    assert (await error("wait", 5, timeout_ms=30))[0] == "TIMEOUT"
    assert (await error("add"))[0] == "INVALID_ARGS"
    assert (await error("add", 1, "EUR", 3))[0] == "INVALID_ARGS"
    assert (await error("add", 1, kwargs={"unknown": 1}))[0] == "INVALID_ARGS"


@pytest.mark.parametrize(
    "name", ["_private", "_async_private", "__init__", "__class__", "entries", "attribute", "", "add.__call__"]
)
async def test_nothing_else_of_it_can_be_called(ledger: Api, name: str) -> None:
    assert (await ledger.call(f"LEDGER.{name}"))["error"]["code"] == "METHOD_NOT_FOUND"
