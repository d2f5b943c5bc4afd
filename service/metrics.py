"""The API's figures. Names stand in `contract.metrics`; the worker's own figures are the worker's.

Labels are bounded: `method` is a known method or `unknown`, `code` an RPC code or `OK`, `cohort` tells for whom the
unified registry was on when the call ran (`none`: the call asked for no user's flag).
"""

import functools

from prometheus_client import Counter, Gauge, Histogram

from contract import metrics as names

RPC_REQUESTS = Counter(names.RPC_REQUESTS, "Calls of /rpc by outcome.", ("method", "code", "cohort"))
RPC_DURATION = Histogram(
    names.RPC_DURATION,
    "Seconds from the parsed request to its answer.",
    ("method", "cohort"),
    buckets=names.RPC_DURATION_BOUNDS_S,
)
REGISTRY_OPERATIONS = Counter(
    names.REGISTRY_OPERATIONS, "Registry operations that were carried out.", ("registry", "operation")
)
REGISTRY_FALLBACKS = Counter(
    names.REGISTRY_FALLBACKS,
    "Unified registry operations that failed or ran too long, while the legacy one answered.",
    ("operation",),
)
FLAG_REVISION = Gauge(names.FLAG_REVISION, "Revision of the flag document in force in this process.")
WS_CONNECTIONS = Gauge(names.WS_CONNECTIONS, "Open WebSockets of this process.")
EVENTS_DROPPED = Counter(names.EVENTS_DROPPED, "Events that were not sent because their socket read too slowly.")
TASKS_STARTED = Counter(names.TASKS_STARTED, "Tasks that were queued.", ("task_type",))


@functools.cache
def registered(registry: str, operation: str) -> Counter:
    """The counter of one registry's operation: found once, for looking up labels takes longer than counting."""
    return REGISTRY_OPERATIONS.labels(registry, operation)
