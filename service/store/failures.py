"""`pinnokio:failures`: the last tasks that failed, one sorted set of bounded size, written with the end of each."""

from datetime import datetime

import msgspec
from redis.asyncio.client import Pipeline

from contract import keys
from service.domain.failures import Failure


def add_failure(pipeline: Pipeline, failure: Failure, at: datetime) -> None:
    """Written again after a broken connection, it is the same member."""
    pipeline.zadd(keys.FAILURES, {msgspec.json.encode(failure.shortened()): round(at.timestamp() * 1000)})
    pipeline.zremrangebyrank(keys.FAILURES, 0, -keys.FAILURES_MAX - 1)
    pipeline.expire(keys.FAILURES, keys.FAILURES_TTL_S)


def parse_failure(raw: bytes) -> Failure | None:
    """None: an older or newer version's, during an update."""
    try:
        return msgspec.json.decode(raw, type=Failure)
    except msgspec.DecodeError:
        return None
