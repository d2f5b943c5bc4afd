"""The API's figures. What each is stands in `contract.metrics`; the worker's own figures are the worker's.

Labels are bounded: `method` is a known method or `unknown`, `code` an RPC code or `OK`, `cohort` tells for whom the
unified registry was on when the call ran (`none`: the call asked for no user's flag), `revision` is the newest alone.
"""

import itertools
from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from contract import metrics as names
from service.domain.unified import QUOTAS
from service.tallies import CallTally, Tally

RPC_CALLS = CallTally()
RPC_TURNED_AWAY = Counter(*names.declare(names.RPC_TURNED_AWAY))
for _status in names.TURNED_AWAY_STATUSES:
    RPC_TURNED_AWAY.labels(_status)
REGISTRY_OPERATIONS = Tally(names.REGISTRY_OPERATIONS)
REGISTRY_FALLBACKS = Counter(*names.declare(names.REGISTRY_FALLBACKS))
REGISTRY_DUAL_WRITE_ERRORS = Counter(*names.declare(names.REGISTRY_DUAL_WRITE_ERRORS))
FLAG_REVISION = Gauge(*names.declare(names.FLAG_REVISION))
FLAG_DECISIONS = Tally(names.FLAG_DECISIONS)
WS_CONNECTIONS = Gauge(*names.declare(names.WS_CONNECTIONS))
EVENTS_DELIVERED = Counter(*names.declare(names.EVENTS_DELIVERED))
EVENTS_DROPPED = Counter(*names.declare(names.EVENTS_DROPPED))
EVENTS_REPLAYED = Counter(*names.declare(names.EVENTS_REPLAYED))
EVENT_RESYNCS = Counter(*names.declare(names.EVENT_RESYNCS))
EVENT_DELIVERY = Histogram(
    *names.declare(names.EVENT_DELIVERY), buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
)
TASKS_STARTED = Counter(*names.declare(names.TASKS_STARTED))
QUOTA_REFUSALS = Counter(*names.declare(names.QUOTA_REFUSALS))
for _quota in QUOTAS:
    # At 0 from the start: Prometheus sees no rise in a series that begins with its first event.
    QUOTA_REFUSALS.labels(_quota)


def begin_at_zero(methods: Iterable[str], operations: Iterable[str]) -> None:
    """Makes the series of failures before there are any.

    Prometheus' `increase` knows no growth before a series' first sample: a rollout would be judged without the first
    failure of each.
    """
    for method, code, on in itertools.product(methods, names.FAILURE_CODES, (names.COHORT_ON, names.COHORT_OFF)):
        RPC_CALLS.begin(method, code, on)
    for operation in operations:
        REGISTRY_FALLBACKS.labels(operation)


def begin_revision(revision: int) -> None:
    """The series of another revision end, for each would stay for ever."""
    FLAG_DECISIONS.clear()
    for cohort in (names.COHORT_OFF, names.COHORT_ON):
        FLAG_DECISIONS.begin(cohort, revision)
