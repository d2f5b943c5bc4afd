# ruff: noqa: ARG002 - the signatures are the client's
"""Two operators and one Lease, on an API server that keeps versions and can be away."""

import asyncio
import copy

import pytest

from controller.cluster.client import KubernetesApi
from controller.handlers import leadership as module
from controller.handlers.leadership import Leadership
from controller.model.base import JsonObject
from controller.model.errors import ApiConflict, ApiUnavailable
from controller.model.kinds import LEASE, Kind
from controller.plan.leadership import STOP_ACTING_AFTER_S, Holder

WITHIN_S = 10.0


class LeasesOnlyApi(KubernetesApi):
    """A stand-in for the API server: Leases with optimistic locking, and the pods that it is told of."""

    def __init__(self) -> None:
        self.lease: JsonObject | None = None
        self.pods: dict[str, JsonObject] = {}
        self.is_away = False
        self.version = 0

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject | None:
        self._answer()
        return copy.deepcopy(self.lease) if kind is LEASE else self.pods.get(name)

    async def create(self, kind: Kind, namespace: str, document: JsonObject) -> JsonObject:
        self._answer()
        if self.lease is not None:
            raise ApiConflict("there already")
        return self._keep(document)

    async def replace(self, kind: Kind, namespace: str, name: str, document: JsonObject) -> JsonObject:
        self._answer()
        assert self.lease is not None
        if document["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiConflict("changed")
        return self._keep(document)

    def _keep(self, document: JsonObject) -> JsonObject:
        self.version += 1
        self.lease = document | {"metadata": document["metadata"] | {"resourceVersion": str(self.version)}}
        return copy.deepcopy(self.lease)

    def _answer(self) -> None:
        if self.is_away:
            raise ApiUnavailable("away")


class Bench:
    """Operators that share an API server and a clock which the test drives."""

    def __init__(self) -> None:
        self.api = LeasesOnlyApi()
        self.now = 0.0
        self.told: list[tuple[str, bool]] = []

    def operator(self, name: str, pod_uid: str | None = None) -> Leadership:
        holder = Holder(name, pod_uid)
        return Leadership(
            self.api,
            "operator",
            "place",
            holder,
            lambda is_held: self.told.append((name, is_held)),
            lambda: self.now,
        )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("LOOK_EVERY_S", "RENEW_EVERY_S", "RETRY_S"):
        monkeypatch.setattr(module, name, 0.01)
    return Bench()


async def test_one_acts_and_the_other_takes_over_when_it_ends(bench: Bench) -> None:
    first, second = bench.operator("a"), bench.operator("b")
    await first.wait()
    waiting = asyncio.create_task(second.wait())
    await asyncio.sleep(0.05)
    assert bench.told == [("a", True), ("b", False)]
    await first.release()
    await asyncio.wait_for(waiting, WITHIN_S)
    assert bench.told == [("a", True), ("b", False), ("a", False), ("b", True)]


async def test_who_cannot_see_the_lease_does_not_say_that_it_stands_by(bench: Bench) -> None:
    """It is not ready: a missing right must be seen."""
    bench.api.is_away = True
    waiting = asyncio.create_task(bench.operator("a").wait())
    await asyncio.sleep(0.05)
    assert bench.told == []
    waiting.cancel()


async def test_a_holder_that_died_is_waited_for_until_its_lease_runs_out(bench: Bench) -> None:
    await bench.operator("a").wait()
    waiting = asyncio.create_task(bench.operator("b").wait())
    await asyncio.sleep(0.05)
    bench.now = 14.0
    await asyncio.sleep(0.05)
    assert not waiting.done()
    bench.now = 15.1
    await asyncio.wait_for(waiting, WITHIN_S)


async def test_a_holder_whose_pod_is_gone_is_not_waited_for(bench: Bench) -> None:
    bench.api.pods["a"] = {"metadata": {"uid": "uid-a"}, "status": {"phase": "Running"}}
    await bench.operator("a", "uid-a").wait()
    waiting = asyncio.create_task(bench.operator("b", "uid-b").wait())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    del bench.api.pods["a"]
    await asyncio.wait_for(waiting, WITHIN_S)


async def test_who_is_dispossessed_stops_acting(bench: Bench) -> None:
    first = bench.operator("a")
    await first.wait()
    keeping = asyncio.create_task(first.keep())
    await asyncio.sleep(0.05)
    assert not keeping.done()
    assert bench.api.lease is not None
    bench.api._keep(bench.api.lease | {"spec": bench.api.lease["spec"] | {"holderIdentity": "b"}})
    await asyncio.wait_for(keeping, WITHIN_S)
    assert bench.told[-1] == ("a", False)


async def test_a_change_of_the_lease_by_others_that_leaves_the_holder_costs_nothing(bench: Bench) -> None:
    first = bench.operator("a")
    await first.wait()
    keeping = asyncio.create_task(first.keep())
    assert bench.api.lease is not None
    bench.api._keep(copy.deepcopy(bench.api.lease))
    await asyncio.sleep(0.05)
    assert not keeping.done()
    keeping.cancel()


async def test_without_the_api_server_it_stops_acting_before_the_lease_runs_out(bench: Bench) -> None:
    first = bench.operator("a")
    await first.wait()
    keeping = asyncio.create_task(first.keep())
    bench.api.is_away = True
    bench.now = STOP_ACTING_AFTER_S - 0.5
    await asyncio.sleep(0.05)
    assert not keeping.done()
    bench.now = STOP_ACTING_AFTER_S + 0.1
    await asyncio.wait_for(keeping, WITHIN_S)
    # It is back: so is the lease.
    waiting = asyncio.create_task(first.wait())
    bench.api.is_away = False
    await asyncio.wait_for(waiting, WITHIN_S)
