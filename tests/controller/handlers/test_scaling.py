"""What the scaler keeps between looks: samples of the cooldown, what was told, queues that left the spec."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from controller.cluster.apply import Applier
from controller.cluster.queues import QueueFigures, QueueReader
from controller.cluster.store import Store
from controller.cluster.valkey import Endpoint, ValkeyConnections
from controller.handlers.metrics import OperatorMetrics
from controller.handlers.scaling import RECENT_FOR_S, RETIRE_AFTER_S, TELL_AFTER_S, WAKE_ALONE_S, Scaler
from controller.manifests.target import Workers
from controller.manifests.worker import build_worker
from controller.model.errors import ValkeyUnavailable
from controller.model.observed import Observed
from controller.model.service import PinnokioService, ServiceKey
from controller.model.spec import QueueSpec
from controller.plan.children import plan_children
from controller.plan.scaling import Reason
from tests.controller.builders import KEY, UID, as_seen, build_pod, build_spec, build_target
from tests.controller.io.test_flag import SecretsOnlyApi

ENDPOINT = Endpoint("valkey", 6379)
COOLDOWN_S = 30
EMPTY = QueueFigures(0, 0, {})


class ScriptedReader(QueueReader):
    """A stand-in that answers what the test says; None: Valkey is away."""

    def __init__(self) -> None:
        super().__init__(ValkeyConnections(SecretsOnlyApi()))
        self.says: dict[str, QueueFigures] | None = {}

    async def read(
        self,
        key: ServiceKey,  # noqa: ARG002 - the signatures are the reader's
        endpoint: Endpoint,  # noqa: ARG002
        prefix: str,  # noqa: ARG002
        queues: Sequence[str],
    ) -> dict[str, QueueFigures]:
        if self.says is None:
            raise ValkeyUnavailable("away")
        return {name: self.says.get(name, EMPTY) for name in queues}


class Bench:
    """A scaler whose looks and clock the test drives."""

    def __init__(self) -> None:
        self.now = 0.0
        self.marks: list[ServiceKey] = []
        self.reader = ScriptedReader()
        self.metrics = OperatorMetrics()
        self.store = Store(lambda _: None)
        self.scaler = Scaler(self.reader, self.store, self.marks.append, self.metrics, lambda: self.now)

    def follow(
        self,
        *deployed: tuple[str, int],
        pause: str = "",
        endpoint: Endpoint | None = ENDPOINT,
        paused: bool = False,
        **queue: Any,
    ) -> Workers:
        queues: list[dict[str, Any]] = [{"name": "default"}]
        if queue:
            queues.append({"name": "bulk", "scaling": {"cooldownSeconds": COOLDOWN_S}} | queue)
        spec = build_spec(queues=queues)
        service = PinnokioService(KEY, UID, 1, paused, False, spec, None, scaling_pause=pause)
        documents = []
        for name, replicas in deployed:
            own = QueueSpec(name=name, min_replicas=replicas)
            documents.append(as_seen(build_worker(build_target(spec), own)))
        return self.scaler.follow(service, spec, endpoint, Observed.of(documents))

    async def look(self, after_s: float = 2.0, **says: QueueFigures) -> None:
        self.now += after_s
        self.reader.says = says
        await self._look()

    async def look_in_vain(self, after_s: float = 2.0) -> None:
        self.now += after_s
        self.reader.says = None
        await self._look()

    async def _look(self) -> None:
        watch = self.scaler._watches[KEY]
        await self.scaler._look(KEY, watch)

    def reason(self, queue: str = "bulk") -> Reason:
        return {name: view.decision.reason for _, name, view in self.scaler.live_views()}[queue]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.scaler.close()


ELASTIC: dict[str, Any] = {"minReplicas": 0, "maxReplicas": 4, "concurrency": 1}


async def test_growing_is_asked_for_at_once_and_shrinking_after_the_cooldown(bench: Bench) -> None:
    assert bench.follow(("bulk", 1), **ELASTIC).replicas == {"default": 1, "bulk": 1}
    await bench.look(bulk=QueueFigures(3, 0, {"a": 0}))
    assert bench.marks == [KEY]
    assert bench.follow(**ELASTIC).replicas["bulk"] == 3
    await bench.look(bulk=EMPTY)
    for _ in range(COOLDOWN_S // 2 - 2):
        await bench.look(bulk=EMPTY)
    assert bench.reason() is Reason.COOLDOWN
    assert bench.follow(("bulk", 3), **ELASTIC).replicas["bulk"] == 3
    await bench.look(bulk=EMPTY)
    assert bench.follow(("bulk", 3), **ELASTIC).replicas["bulk"] == 0


async def test_a_sleeping_queue_is_woken_by_one_worker_and_then_served_by_all(bench: Bench) -> None:
    waiting = QueueFigures(3, 0, {})
    bench.follow(**ELASTIC)
    await bench.look(bulk=waiting)
    await bench.look(0.25, bulk=waiting)
    assert bench.follow(**ELASTIC).replicas["bulk"] == 1
    await bench.look(0.25, bulk=QueueFigures(2, 1, {"a": 1}))
    assert bench.follow(**ELASTIC).replicas["bulk"] == 3


async def test_the_others_do_not_wait_long_for_the_first_worker(bench: Bench) -> None:
    waiting = QueueFigures(3, 0, {})
    bench.follow(**ELASTIC)
    await bench.look(bulk=waiting)
    await bench.look(WAKE_ALONE_S, bulk=waiting)
    assert bench.follow(**ELASTIC).replicas["bulk"] == 3


async def test_workers_of_tasks_too_short_to_be_seen_stay_for_the_cooldown(bench: Bench) -> None:
    workers = {"a": 0, "b": 0, "c": 0}
    used, unused = QueueFigures(0, 0, workers, {"a": 1, "b": 1, "c": 1}), QueueFigures(0, 0, workers)
    bench.follow(("bulk", 3), **ELASTIC)
    await bench.look(bulk=used)
    await bench.look(COOLDOWN_S, bulk=used)
    await bench.look(COOLDOWN_S - RECENT_FOR_S - 1, bulk=unused)
    assert bench.follow(**ELASTIC).replicas["bulk"] == 3
    await bench.look(1, bulk=unused)
    assert bench.follow(**ELASTIC).replicas["bulk"] == 0


async def test_a_valkey_that_is_away_is_told_when_it_stays_away_and_its_return_at_once(bench: Bench) -> None:
    bench.follow(**ELASTIC)
    await bench.look(bulk=EMPTY)
    await bench.look(TELL_AFTER_S, bulk=EMPTY)
    await bench.look_in_vain()
    assert bench.scaler.fault(KEY) is None
    await bench.look_in_vain(TELL_AFTER_S)
    assert bench.scaler.fault(KEY) == "away"
    bench.marks.clear()
    await bench.look(0.25, bulk=EMPTY)
    assert (bench.scaler.fault(KEY), bench.marks) == (None, [KEY])


async def test_a_valkey_that_is_not_there_yet_is_told_once_and_is_no_fault(bench: Bench) -> None:
    bench.follow(endpoint=None, **ELASTIC)
    for _ in range(10):
        await bench.look(TELL_AFTER_S, bulk=EMPTY)
    assert (bench.scaler.fault(KEY), bench.marks, bench.reason()) == (None, [KEY], Reason.UNREADABLE)


async def test_an_operator_that_begins_goes_on_with_what_runs(bench: Bench) -> None:
    assert bench.follow(("bulk", 3), **ELASTIC).replicas["bulk"] == 3
    await bench.look(bulk=EMPTY)
    assert (bench.follow(("bulk", 3), **ELASTIC).replicas["bulk"], bench.reason()) == (3, Reason.COOLDOWN)


async def test_what_someone_scaled_by_hand_is_not_taken_for_decided(bench: Bench) -> None:
    bench.follow(("bulk", 2), **ELASTIC)
    assert bench.follow(("bulk", 9), **ELASTIC).replicas["bulk"] == 2


async def test_an_unreadable_broker_holds_and_begins_the_cooldown_anew(bench: Bench) -> None:
    bench.follow(("bulk", 3), **ELASTIC)
    for _ in range(60):
        await bench.look_in_vain()
    assert (bench.follow(**ELASTIC).replicas["bulk"], bench.reason()) == (3, Reason.UNREADABLE)
    await bench.look(bulk=EMPTY)
    assert (bench.follow(**ELASTIC).replicas["bulk"], bench.reason()) == (3, Reason.COOLDOWN)
    await bench.look(COOLDOWN_S, bulk=EMPTY)
    assert bench.follow(**ELASTIC).replicas["bulk"] == 0


async def test_a_lower_maximum_and_a_pause_count_at_once(bench: Bench) -> None:
    bench.follow(("bulk", 4), **ELASTIC)
    assert bench.follow(("bulk", 4), pause="in", **(ELASTIC | {"maxReplicas": 2})).replicas["bulk"] == 4
    assert bench.follow(("bulk", 4), **(ELASTIC | {"maxReplicas": 2})).replicas["bulk"] == 2


async def test_a_blink_is_no_news_and_what_stays_is_told(bench: Bench) -> None:
    busy = QueueFigures(0, 1, {"w": 1})
    bench.follow(minReplicas=1, maxReplicas=1)
    await bench.look(bulk=EMPTY)
    await bench.look(TELL_AFTER_S, bulk=EMPTY)
    assert bench.marks == [KEY]
    await bench.look(bulk=busy)
    for _ in range(10):
        await bench.look(bulk=EMPTY)
    assert bench.marks == [KEY]
    await bench.look(bulk=busy)
    await bench.look(TELL_AFTER_S, bulk=busy)
    assert bench.marks == [KEY, KEY]
    told = bench.scaler.views(KEY)["bulk"]
    assert told.reading is not None
    assert told.reading.active == 1


async def test_a_queue_that_left_the_spec_is_kept_until_it_was_empty_for_a_while(bench: Bench) -> None:
    work = QueueFigures(2, 0, {})
    assert bench.follow(("bulk", 2)).kept == {"bulk"}
    await bench.look(bulk=work)
    await bench.look(60, bulk=work)
    assert (bench.follow(("bulk", 2)).kept, bench.reason()) == (frozenset({"bulk"}), Reason.RETIRING)
    await bench.look_in_vain(60)
    assert bench.follow(("bulk", 2)).kept == {"bulk"}
    await bench.look(bulk=EMPTY)
    await bench.look(RETIRE_AFTER_S, bulk=EMPTY)
    assert bench.follow(("bulk", 2)) == Workers({"default": 1})


async def test_a_queue_that_nobody_serves_gets_a_worker_until_it_is_empty(bench: Bench) -> None:
    assert bench.follow().adopted == ()
    await bench.look(llm=QueueFigures(1, 0, {}))
    assert (bench.follow().adopted, bench.reason("llm")) == (("llm",), Reason.ORPHANED)
    assert bench.follow(("llm", 1)).kept == {"llm"}
    await bench.look(llm=EMPTY)
    await bench.look(RETIRE_AFTER_S, llm=EMPTY)
    assert bench.follow(("llm", 1)) == Workers({"default": 1})


async def test_metrics_leave_out_what_is_not_known(bench: Bench) -> None:
    bench.metrics.queues = bench.scaler.live_views
    bench.follow(**ELASTIC)
    labels = {"namespace": KEY.namespace, "service": KEY.name, "queue": "bulk"}

    def value(name: str) -> float | None:
        return bench.metrics.registry.get_sample_value(f"pinnokio_operator_queue_{name}", labels)

    await bench.look(bulk=QueueFigures(2, 1, {"w": 1}))
    assert [value(name) for name in ("waiting", "in_flight", "unacked", "desired_replicas", "readable")] == [
        2,
        1,
        1,
        3,
        1,
    ]
    # Nobody looks at the queues of a paused service.
    bench.follow(paused=True, **ELASTIC)
    assert value("waiting") is None
    bench.follow(**ELASTIC)
    assert value("waiting") == 2
    await bench.look_in_vain()
    assert [value(name) for name in ("waiting", "in_flight", "unacked", "readable")] == [None, None, None, 0]
    decided = bench.metrics.registry.get_sample_value(
        "pinnokio_operator_scaling_decisions_total", labels | {"reason": "Backlog"}
    )
    assert decided == 1


async def test_the_figures_of_a_deleted_service_go_with_it(bench: Bench) -> None:
    bench.follow(**ELASTIC)
    await bench.look(bulk=QueueFigures(2, 1, {"w": 1}))
    series = next(iter(bench.metrics.decisions.collect())).samples
    bench.scaler.forget(KEY)
    assert series
    assert not next(iter(bench.metrics.decisions.collect())).samples


class PricingApplier(Applier):
    """A stand-in that remembers costs and tells nobody."""

    def __init__(self) -> None:
        super().__init__(SecretsOnlyApi(), Store(lambda _: None))
        self.costs: dict[str, int] = {}

    async def price_pod(self, key: ServiceKey, pod: str, cost: int) -> None:  # noqa: ARG002 - the signature is its
        self.costs[pod] = cost


async def test_the_cost_of_a_pod_stands_while_it_is_not_known_what_runs(bench: Bench) -> None:
    pod = build_pod("worker", "busy", "bulk")
    pod["metadata"]["labels"]["app.kubernetes.io/instance"] = KEY.name
    pod["metadata"]["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": "2"}
    bench.store.put(pod)
    target = build_target(queues=[{"name": "default"}, {"name": "bulk"}])
    many, one = (build_worker(target, QueueSpec(name="bulk", min_replicas=replicas)) for replicas in (3, 1))
    observed, applier = Observed.of([as_seen(many)]), PricingApplier()
    plan = plan_children(UID, [one], observed)
    bench.follow(("bulk", 3), **ELASTIC)
    await bench.scaler.prepare_removal(applier, KEY, plan, observed)
    await bench.look_in_vain()
    await bench.scaler.prepare_removal(applier, KEY, plan, observed)
    assert applier.costs == {}
    await bench.look(bulk=QueueFigures(0, 1, {"busy": 1}))
    await bench.scaler.prepare_removal(applier, KEY, plan, observed)
    assert applier.costs == {"busy": 1}
