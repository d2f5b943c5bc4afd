"""Which methods a namespace has, how arguments are bound, where methods run."""

import asyncio
import functools
import sys
import threading
import time
from typing import Annotated, Any

import pytest

from service.domain.errors import CallTimeout, InvalidArguments, MethodNotFound, NeverBegun
from service.domain.ids import Id
from service.rpc.router import Call, Dispatcher, current_call, public_methods
from tests.service.waiting import eventually


class Space:
    """A namespace with something of everything."""

    attribute = "no method"
    other_class = dict

    def __init__(self) -> None:
        self.on_instance = "no method"
        self.kept_function = lambda: "no method"
        self.touched: list[str] = []

    @property
    def secret(self) -> str:
        raise AssertionError("properties are not touched")

    def _private(self) -> str:
        return "private"

    def __call__(self) -> str:
        return "called"

    async def greet(self, name: str, times: int = 1, *, loud: bool = False) -> str:
        return " ".join([name.upper() if loud else name] * times)

    async def visit(self, user_id: Id, companies: list[Id] | None = None) -> str:
        return user_id if companies is not None else f"{user_id} alone"

    async def number(self, value: int | float | None = None, data: dict[str, Any] | None = None) -> Any:
        return data or value

    def thread(self) -> str:
        return threading.current_thread().name

    def trace(self) -> str | None:
        call = current_call.get()
        return call.trace_id if call else None

    @staticmethod
    def static() -> str:
        return "static"

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @functools.lru_cache  # noqa: B019 - a mounted class may do so
    def cached(self) -> str:
        return "cached"

    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    def slow_thread(self, seconds: float) -> str:
        time.sleep(seconds)
        return "done"

    async def own_timeout(self) -> None:
        raise TimeoutError("the method's own")

    def exits(self) -> None:
        sys.exit(1)

    def stops(self) -> None:
        raise StopIteration


@pytest.fixture
def space() -> Space:
    return Space()


@pytest.fixture
def dispatcher(space: Space) -> Any:
    dispatcher = Dispatcher({"SPACE": space})
    yield dispatcher
    dispatcher.close()


def test_public_methods_and_nothing_else(space: Space) -> None:
    assert {name for name, _ in public_methods(space)} == {
        "greet", "visit", "number", "thread", "trace", "static", "of_class", "cached", "slow", "slow_thread",
        "own_timeout", "exits", "stops",
    }  # fmt: skip


def test_a_modules_own_functions() -> None:
    import shutil

    names = {name for name, _ in public_methods(shutil)}
    assert "copytree" in names
    assert not names & {"os", "sys", "fnmatch", "Error", "namedtuple"}


class Table(dict[str, Any]):
    def rows(self) -> int:
        return len(self)


class Fault(Exception):
    def describe(self) -> str:
        return "a fault"


@pytest.mark.parametrize(("owner", "method", "answer"), [(Table(), "rows", 0), (Fault(), "describe", "a fault")])
async def test_what_a_builtin_class_brings_along_is_no_hindrance(owner: object, method: str, answer: Any) -> None:
    dispatcher = Dispatcher({}, {"SPACE": owner})
    assert await dispatcher.call(f"SPACE.{method}", [], {}) == answer
    dispatcher.close()


@pytest.mark.parametrize(
    "method",
    [
        "SPACE._private", "SPACE.__init__", "SPACE.__call__", "SPACE.attribute", "SPACE.secret", "SPACE.other_class",
        "SPACE.on_instance", "SPACE.nothing", "SPACE", "SPACE.", ".greet", "", "NONE.greet", "SPACE.greet.x", "greet",
    ],
)  # fmt: skip
def test_not_callable(dispatcher: Dispatcher, method: str) -> None:
    with pytest.raises(MethodNotFound) as raised:
        dispatcher.prepare(method, [], {})
    assert str(raised.value) == method


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "answer"),
    [
        ("greet", ["a"], {}, "a"),
        ("greet", ["a", 2], {}, "a a"),
        ("greet", ["a"], {"loud": True, "times": 2}, "A A"),
        ("greet", [], {"name": "a"}, "a"),
        ("visit", ["u", ["c", "d"]], {}, "u"),
        ("visit", ["u", None], {}, "u alone"),
        ("number", [1.5], {}, 1.5),
        ("number", [], {"value": None}, None),
        ("static", [], {}, "static"),
        ("of_class", [], {}, "Space"),
        ("cached", [], {}, "cached"),
    ],
)
async def test_calls(dispatcher: Dispatcher, method: str, args: list[Any], kwargs: dict[str, Any], answer: Any) -> None:
    assert await dispatcher.call(f"SPACE.{method}", args, kwargs) == answer


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "says"),
    [
        ("greet", [], {}, "missing a required argument: 'name'"),
        ("greet", ["a", 1, True], {}, "too many positional"),
        ("greet", ["a"], {"name": "b"}, "multiple values for argument 'name'"),
        ("greet", ["a"], {"shout": True}, "unexpected keyword argument 'shout'"),
        ("greet", ["a"], {"self": 1}, "unexpected keyword argument 'self'"),
        ("greet", [1], {}, "name: expected str, got int"),
        ("greet", [None], {}, "name: expected str, got null"),
        ("greet", ["a", "2"], {}, "times: expected int, got str"),
        ("greet", ["a"], {"loud": 1}, "loud: expected bool, got int"),
        ("number", ["1"], {}, r"value: expected int \| float \| null, got str"),
        ("number", [True], {}, "value: expected .* got bool"),
        ("number", [1, []], {}, "data: expected object"),
        ("visit", ["a:b"], {}, "user_id holds ':'"),
        ("visit", [""], {}, "user_id is empty"),
        ("visit", ["a", ["b", "c\x00"]], {}, "companies holds"),
        ("visit", ["a", [1]], {}, r"companies\[0\]: expected str, got int"),
    ],
)
def test_arguments_that_do_not_fit(
    dispatcher: Dispatcher, method: str, args: list[Any], kwargs: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidArguments, match=says):
        dispatcher.prepare(f"SPACE.{method}", args, kwargs)


async def test_sync_methods_run_in_threads_with_the_calls_context(dispatcher: Dispatcher) -> None:
    current_call.set(Call(None, None, "trace-1", 0.0))
    assert (await dispatcher.call("SPACE.thread", [], {})).startswith("rpc")
    assert await dispatcher.call("SPACE.trace", [], {}) == "trace-1"


async def test_threads_are_few(dispatcher: Dispatcher) -> None:
    await asyncio.gather(*(dispatcher.call("SPACE.slow_thread", [0.001], {}) for _ in range(200)))
    assert sum(thread.name.startswith("rpc") for thread in threading.enumerate()) <= 8


@pytest.mark.parametrize("method", ["slow", "slow_thread"])
async def test_timeout(dispatcher: Dispatcher, method: str) -> None:
    with pytest.raises(CallTimeout):
        await dispatcher.call(f"SPACE.{method}", [0.3], {}, timeout_s=0.02)


async def test_a_call_whose_time_is_over_is_not_begun(dispatcher: Dispatcher) -> None:
    with pytest.raises(NeverBegun):
        await dispatcher.call("SPACE.greet", ["a"], {}, timeout_s=0)


async def test_a_timeout_of_the_methods_own_is_its_own(dispatcher: Dispatcher) -> None:
    with pytest.raises(TimeoutError, match="the method's own"):
        await dispatcher.call("SPACE.own_timeout", [], {})


@pytest.mark.parametrize("method", ["exits", "stops"])
async def test_what_would_end_the_process_is_an_error(dispatcher: Dispatcher, method: str) -> None:
    with pytest.raises(RuntimeError, match=method):
        await dispatcher.call(f"SPACE.{method}", [], {})


async def test_a_call_that_still_waits_for_a_thread_is_not_started(space: Space) -> None:
    ran: list[int] = []
    release = threading.Event()

    class Blocking:
        def block(self) -> None:
            release.wait(5)

        def run(self) -> None:
            ran.append(1)

    dispatcher = Dispatcher({}, {"B": Blocking()})
    blocked = [asyncio.create_task(dispatcher.call("B.block", [], {})) for _ in range(8)]
    await asyncio.sleep(0)
    with pytest.raises(NeverBegun):
        await dispatcher.call("B.run", [], {}, timeout_s=0.05)
    release.set()
    await asyncio.gather(*blocked)
    dispatcher.close()
    await eventually(lambda: not any(thread.name.startswith("rpc") for thread in threading.enumerate()))
    assert ran == []


class Mounted:
    """Somebody else's: annotations that nobody enforced, defaults that they contradict."""

    def implicit_optional(self, limit: int = None, note: "Unknown" = None) -> Any:  # type: ignore # noqa: F821, PGH003, RUF013
        return note or limit

    def anything(self, *args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    async def coroutine(self, name: Annotated[str, "a note"]) -> Any:
        return name

    def _hidden(self) -> None: ...


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "answer"),
    [
        ("implicit_optional", [None], {}, None),
        ("implicit_optional", ["5"], {}, "5"),
        ("anything", [1, 2], {"a": 3}, [[1, 2], {"a": 3}]),
        ("coroutine", [7], {}, 7),
    ],
)
async def test_a_mounted_namespace_is_taken_as_it_is(
    method: str, args: list[Any], kwargs: dict[str, Any], answer: Any
) -> None:
    dispatcher = Dispatcher({}, {"MOUNTED": Mounted()})
    assert await dispatcher.call(f"MOUNTED.{method}", args, kwargs) == answer
    with pytest.raises(InvalidArguments):
        dispatcher.prepare("MOUNTED.coroutine", [], {})
    with pytest.raises(MethodNotFound):
        dispatcher.prepare("MOUNTED._hidden", [], {})
    dispatcher.close()


def test_our_own_methods_name_their_arguments() -> None:
    class Sloppy:
        def anything(self, *args: Any) -> None: ...

    with pytest.raises(TypeError, match=r"SLOPPY\.anything"):
        Dispatcher({"SLOPPY": Sloppy()})
