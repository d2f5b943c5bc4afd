"""Sockets counted in a real Valkey, and leases that move from a dead holder to exactly one other."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from contract import keys
from service.settings import Settings
from service.store.chat_positions import HANDOVER_S, ChatPositions
from service.store.client import Valkey
from service.store.lane import Lane
from service.store.leases import Leases
from service.store.presence import PresenceStore
from tests.service.waiting import eventually

HOLD_S = 0.3


@pytest.fixture
async def lane(settings: Settings) -> AsyncIterator[Lane]:
    opened = Lane(settings.valkey)
    yield opened
    await opened.close()


@pytest.fixture
def store(lane: Lane) -> PresenceStore:
    return PresenceStore(lane, HOLD_S)


async def test_sockets_are_counted_over_replicas(lane: Lane, store: PresenceStore) -> None:
    other = PresenceStore(lane, HOLD_S)
    await store.hold({"u1": ["a", "b"], "u2": ["c"]})
    await other.hold({"u1": ["d"]})
    assert await store.drop({"u1": ["a", "b"], "u2": ["c"]}) == {"u1": 1, "u2": 0}
    assert await other.drop({"u1": ["d"]}) == {"u1": 0}


async def test_a_socket_that_is_not_renewed_counts_no_more(store: PresenceStore) -> None:
    await store.hold({"u1": ["a"]})
    assert await store.drop({"u1": ()}) == {"u1": 1}

    async def count() -> bool:
        return await store.drop({"u1": ()}) == {"u1": 0}

    await eventually(count)


async def test_one_caller_learns_that_the_last_sockets_are_dead(store: PresenceStore) -> None:
    await store.hold({"u1": ["a", "b"], "u2": ["c"]})
    assert await store.reap(["u1", "u2", "never"]) == []
    told: list[str] = []

    async def reap() -> bool:
        await store.hold({"u2": ["c"]})
        told.extend(await store.reap(["u1", "u2", "never"]))
        told.extend(await store.reap(["u1", "u2", "never"]))
        return bool(told)

    await eventually(reap)
    assert told == ["u1"]


async def test_many_users_at_once(store: PresenceStore) -> None:
    users = {f"u{number}": ["a"] for number in range(1_000)}
    await store.hold(users)
    assert set((await store.drop(users)).values()) == {0}


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def build_leases(lane: Lane, clock: Callable[[], float]) -> Callable[..., Leases]:
    def make(holder: str, ttl_s: float = 60.0) -> Leases:
        return Leases(lane, holder, ttl_s=ttl_s, clock=clock)

    return make


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(lane: Lane, clock: Clock) -> Callable[..., Leases]:
    return build_leases(lane, clock)


async def test_a_lease_has_one_holder(make: Callable[..., Leases]) -> None:
    one, two = make("one"), make("two")
    await one.renew()
    await two.renew()
    assert await one.claim(["u1", "u2"]) == {"u1": "one", "u2": "one"}
    assert await two.claim(["u1", "u3"]) == {"u1": "one", "u3": "two"}
    await one.release(["u1", "u3"])
    assert await two.claim(["u1", "u3"]) == {"u1": "two", "u3": "two"}


async def test_a_dead_holder_is_replaced_by_one(make: Callable[..., Leases], clock: Clock) -> None:
    dead = make("dead", ttl_s=0.1)
    await dead.renew()
    await dead.claim(["u1"])
    takers = [make(f"t{number}") for number in range(5)]
    for taker in takers:
        await taker.renew()
    # A process that has just come trusts its picture of the living only after a while.
    assert {holder for taker in takers for holder in (await taker.claim(["u1"])).values()} == {"dead"}
    clock.now += 61

    async def is_taken() -> bool:
        for taker in takers:
            await taker.renew()
        claims = await asyncio.gather(*(taker.claim(["u1"]) for taker in takers))
        return {claim["u1"] for claim in claims} != {"dead"}

    await eventually(is_taken)
    holders = {holder for taker in takers for holder in (await taker.claim(["u1"])).values()}
    assert len(holders) == 1
    assert holders < {taker.holder for taker in takers}


async def test_a_holder_that_could_not_renew_holds_nothing(make: Callable[..., Leases], clock: Clock) -> None:
    leases = make("one")
    seen = [leases.is_valid]
    await leases.renew()
    seen.append(leases.is_valid)
    clock.now += 60
    seen.append(leases.is_valid)
    assert seen == [False, True, False]


async def test_lost_data_is_noticed(make: Callable[..., Leases], valkey: Valkey) -> None:
    leases = make("one")
    await leases.renew()
    await leases.renew()
    assert leases.lapses == 1
    await valkey.delete(keys.LISTENER_HOLDERS)
    await leases.renew()
    assert leases.lapses == 2


async def test_who_resigns_is_dead_at_once(make: Callable[..., Leases], clock: Clock) -> None:
    one, two = make("one"), make("two")
    await two.renew()
    clock.now += 61
    await one.renew()
    await two.renew()
    assert not two.is_dead("one")
    await one.resign()
    await two.renew()
    assert two.is_dead("one")


async def test_chat_positions(lane: Lane) -> None:
    positions = ChatPositions(lane)
    assert await positions.read("u1:s:t") is None
    await positions.write("u1:s:t", "-M1")
    assert await positions.read("u1:s:t") == "-M1"
    await positions.let_go(["u1:s:t"])
    assert await positions.read("u1:s:t") == "-M1"
    assert 0 < await lane.ask("TTL", keys.chat_position("u1:s:t")) <= HANDOVER_S
