"""How Celery reaches Valkey: one set of options for those who enqueue and those who work.

Both sides must agree on the key prefix and the visibility timeout, or one side's messages are lost to the other.
"""

from typing import Any
from urllib.parse import quote

from contract.queues import VISIBILITY_TIMEOUT_S
from service.settings import Settings, ValkeySettings
from service.store.client import tls_options

# A dead peer is noticed by a read that times out; a blocking pop answers each second, so 10 s is never a live one.
SOCKET_TIMEOUT_S = 10
CONNECT_TIMEOUT_S = 3
HEALTH_CHECK_S = 10


def broker_url(valkey: ValkeySettings) -> str:
    """URL with the password quoted, since it may hold `@`, `/` or `#`; without one no login is sent."""
    login = f":{quote(valkey.password, safe='')}@" if valkey.password else ""
    return valkey.url.replace("://", f"://{login}", 1)


def broker_configuration(settings: Settings) -> dict[str, Any]:
    """Celery's settings of the connection to Valkey."""
    configuration: dict[str, Any] = {
        "broker_url": broker_url(settings.valkey),
        "broker_connection_timeout": CONNECT_TIMEOUT_S,
        "broker_transport_options": {
            # One slot for all of Celery's keys: cluster mode refuses its multi-key commands otherwise.
            "global_keyprefix": settings.celery_key_prefix,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": HEALTH_CHECK_S,
            # No retry within redis-py: it would connect a broken Pub/Sub anew behind kombu's back and read there for
            # ever, and with it the worker's whole loop. A broken connection is Celery's to open again.
            "retry_on_timeout": False,
        },
    }
    if settings.valkey.tls:
        # A dict, not True: with True redis-py is left to guess, and the old service failed to send.
        configuration["broker_use_ssl"] = tls_options(settings.valkey)
    return configuration
