"""RPC_NAMESPACES."""

import pytest

from service.rpc.mounting import MountError, mount
from service.rpc.router import Dispatcher
from tests.service.application import in_process
from tests.service.conftest import MakeSettings


class Ledger:
    """Twenty methods as an owner's business class may have them."""

    def __init__(self) -> None:
        self.entries: list[int] = []


def _add_methods(number: int) -> None:
    def sync(self: Ledger, value: int = number) -> dict[str, int]:
        self.entries.append(value)
        return {"value": value}

    async def coroutine(self: Ledger, value: int = number) -> dict[str, int]:
        self.entries.append(value)
        return {"value": value}

    setattr(Ledger, f"sync_{number}", sync)
    setattr(Ledger, f"async_{number}", coroutine)


for _number in range(10):
    _add_methods(_number)


def make_ledger() -> Ledger:
    return Ledger()


def test_twenty_methods() -> None:
    mounted = mount({"LEDGER": f"{__name__}:make_ledger"}, frozenset({"TASK"}))
    assert len(Dispatcher({}, mounted).methods) == 20


@pytest.mark.parametrize(
    ("name", "path", "says"),
    [
        ("TASK", f"{__name__}:make_ledger", "TASK is no free name"),
        ("lower", f"{__name__}:make_ledger", "lower is no free name"),
        ("A.B", f"{__name__}:make_ledger", "is no free name"),
        ("LEDGER", __name__, "takes package.module:factory"),
        ("LEDGER", f"{__name__}:nothing", "nothing"),
        ("LEDGER", "no.such.module:factory", "No module"),
    ],
)
def test_refused(name: str, path: str, says: str) -> None:
    with pytest.raises(MountError, match=says):
        mount({name: path}, frozenset({"TASK"}))


async def test_through_the_api(make_settings: MakeSettings) -> None:
    async with in_process(make_settings(RPC_NAMESPACES=f"LEDGER={__name__}:make_ledger")) as api:
        assert await api.data("LEDGER.sync_3") == {"value": 3}
        assert await api.data("LEDGER.async_4", 9) == {"value": 9}
        assert (await api.call("LEDGER.entries"))["error"]["code"] == "METHOD_NOT_FOUND"
        assert (await api.call("LEDGER.sync_1", 1, 2))["error"]["code"] == "INVALID_ARGS"
