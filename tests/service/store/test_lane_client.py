"""redis-py's calls over the lane: the same answers as over its own connections, errors raised, one write a pipeline."""

import pytest
from redis.exceptions import ResponseError

from service.store.client import Valkey
from service.store.lane import Lane
from service.store.lane_client import LaneClient
from service.store.scripts import script


@pytest.fixture
def quick(lane: Lane) -> Valkey:
    return LaneClient(lane)


async def test_it_answers_as_redis_py_does(quick: Valkey, valkey: Valkey) -> None:
    await quick.hset("h", mapping={"a": 1, "b": "two"})
    await quick.zadd("z", {"first": 1, "second": 2.5})
    await quick.set("s", b"\xff", ex=60)
    for client in (quick, valkey):
        assert await client.hgetall("h") == {b"a": b"1", b"b": b"two"}
        assert await client.hgetall("none") == {}
        assert await client.zrange("z", 0, -1, withscores=True) == [(b"first", 1.0), (b"second", 2.5)]
        assert await client.get("s") == b"\xff"
        assert await client.exists("s") == 1
        assert await client.expire("s", 30) is True
        pipeline = client.pipeline(transaction=False)
        pipeline.hgetall("h")
        pipeline.get("none")
        pipeline.hmget("h", "a", "c")
        assert await pipeline.execute() == [{b"a": b"1", b"b": b"two"}, None, [b"1", None]]
        assert await client.pipeline(transaction=False).execute() == []


async def test_the_first_error_of_a_pipeline_is_raised_and_the_rest_is_done(quick: Valkey) -> None:
    pipeline = quick.pipeline(transaction=False)
    pipeline.set("s", "text")
    pipeline.hget("s", "field")
    pipeline.set("after", "done")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await pipeline.execute()
    assert await quick.get("after") == b"done"


async def test_scripts_are_known_when_it_connects(quick: Valkey, valkey: Valkey) -> None:
    """So that none runs behind what was sent after it."""
    await valkey.script_flush()
    release = script("task_release")
    await quick.ping()
    assert await valkey.script_exists(release.digest) == [True]
    assert await quick.eval(release, 1, "registry:task:none", "1") == [b"none", b"0"]
