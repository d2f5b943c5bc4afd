"""A class as an owner may mount it by RPC_NAMESPACES: twenty public methods, sync and async, without our types."""

import asyncio
import threading
import time
from typing import Any


class Ledger:
    """Ten sync methods, which run beside the event loop, and ten async ones, which run on it."""

    attribute = "no method"

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    # Sync

    def add(self, amount: float, currency: str = "EUR") -> dict[str, Any]:
        self.entries.append({"amount": amount, "currency": currency})
        return self.entries[-1]

    def all(self) -> list[dict[str, Any]]:
        return self.entries

    def total(self, *amounts: float) -> float:
        return sum(amounts)

    def named(self, **names: Any) -> dict[str, Any]:
        return names

    def thread(self) -> str:
        return threading.current_thread().name

    def refuse(self, reason: str) -> None:
        raise ValueError(reason)

    def look_up(self, name: str) -> str:
        return {"a": "A"}[name]

    def wait(self, seconds: float) -> str:
        time.sleep(seconds)
        return "waited"

    @staticmethod
    def static(value: int) -> int:
        return value

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    # Async

    async def async_add(self, amount: float, currency: str = "EUR") -> dict[str, Any]:
        return self.add(amount, currency)

    async def async_all(self) -> list[dict[str, Any]]:
        return self.entries

    async def async_total(self, *amounts: float) -> float:
        return sum(amounts)

    async def async_named(self, **names: Any) -> dict[str, Any]:
        return names

    async def async_thread(self) -> str:
        return threading.current_thread().name

    async def async_refuse(self, reason: str) -> None:
        raise ValueError(reason)

    async def async_look_up(self, name: str) -> str:
        return {"a": "A"}[name]

    async def async_wait(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"

    async def async_nothing(self) -> None:
        return None

    async def async_odd(self) -> Any:
        return {"set": {1}, "bytes": b"x", "when": (1, 2)}

    # No method of it

    def _private(self) -> str:
        return "private"

    async def _async_private(self) -> str:
        return "private"


def make_ledger() -> Ledger:
    return Ledger()
