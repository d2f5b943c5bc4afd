"""Makes Valkey clients from settings. Who uses one closes it; none is made at import.

`connect` gives redis-py's client: pipelines, Pub/Sub, everything. `service.store.lane` is the one for the short
commands of every request.
"""

import asyncio
import functools
import ssl
from pathlib import Path
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.settings import ValkeySettings

# Valkey answers in well under a millisecond on one network; a second without an answer is a fault.
CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 2.0
HEALTH_CHECK_S = 15
RETRIES = 1

Valkey = aioredis.Redis
# Valkey cannot be reached, or says itself that it cannot serve now. `redis` wraps the system's own errors.
VALKEY_DOWN = (
    RedisConnectionError,
    RedisTimeoutError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
VALKEY_FAULTS = (*VALKEY_DOWN, OSError)

# A Valkey that is nearly full, or one full shard of several, may refuse a large write and take the small one behind it.
# What others rely on goes first and alone where it is larger than this; a smaller one is not worth a round trip more.
LARGE_BYTES = 16 * 1024


def connect(settings: ValkeySettings, *, max_connections: int = 64, **options: Any) -> Valkey:
    """A pooled client that decodes nothing (values are bytes) and connects at its first command.

    A caller waits for a free connection as long as for an answer: more callers than connections are no fault.
    """
    connection: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "db": settings.db,
        "password": settings.password,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S,
        "health_check_interval": HEALTH_CHECK_S,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), RETRIES),
        **options,
    }
    if settings.tls:
        connection |= {"connection_class": aioredis.SSLConnection, **tls_options(settings)}
    pool = aioredis.BlockingConnectionPool(max_connections=max_connections, timeout=ANSWER_TIMEOUT_S, **connection)
    return aioredis.Redis.from_pool(pool)


async def end_tasks(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks that use a client, until each has ended.

    Once is not enough: redis-py 8.1 loses a cancellation that comes while it greets a new connection.
    """
    while pending := {task for task in tasks if not task.done()}:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.1)
    await asyncio.gather(*tasks, return_exceptions=True)


def tls_options(settings: ValkeySettings) -> dict[str, Any]:
    """TLS options of redis-py's connections; without verification neither name nor chain is checked."""
    if settings.tls_verify:
        authority = {"ssl_ca_certs": settings.tls_ca_file} if settings.tls_ca_file else {}
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **authority}
    return {"ssl_cert_reqs": ssl.CERT_NONE, "ssl_check_hostname": False}


def tls_context(settings: ValkeySettings) -> ssl.SSLContext | None:
    """The same for a connection of our own; None: no TLS. Made anew only where the authority's file has changed."""
    if not settings.tls:
        return None
    changed_ns = Path(settings.tls_ca_file).stat().st_mtime_ns if settings.tls_ca_file else 0
    return _build_context(settings, changed_ns)


# Reading the authorities takes 24 ms of the event loop, and connections are tried each 100 ms while Valkey is away.
@functools.lru_cache(maxsize=4)
def _build_context(settings: ValkeySettings, _changed_ns: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.tls_ca_file)
    if not settings.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
