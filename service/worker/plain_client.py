"""The client of threads that beat beside the event loop: synchronous, one connection, nothing tried twice."""

from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.settings import Settings
from service.store.client import tls_options

# A beat is worth about its interval of waiting, no more: the next one says the same.
TIMEOUT_S: Final = 1.0


def connect_plainly(settings: Settings) -> redis.Redis:
    """Connects at its first command; who uses it closes it."""
    valkey = settings.valkey
    return redis.Redis(
        host=valkey.host,
        port=valkey.port,
        db=valkey.db,
        password=valkey.password,
        socket_connect_timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        ssl=valkey.tls,
        **(tls_options(valkey) if valkey.tls else {}),
    )
