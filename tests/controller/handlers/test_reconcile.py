"""What a reconcile tells and does where the cluster is not what it seems."""

# ruff: noqa: ARG002 - the signatures are the publisher's

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from contract.flag import FlagDocument
from controller.cluster.flag import FlagPublisher
from controller.cluster.queues import QueueFigures
from controller.cluster.valkey import Endpoint
from controller.model.errors import ApiRefused, ApiUnavailable, OperatorError, ValkeyUnavailable
from controller.model.kinds import CONFIG_MAP, DEPLOYMENT, INGRESS, SERVICE, SERVICE_RESOURCE, STATEFUL_SET
from controller.model.observed import ObjectRef
from controller.model.rollout_status import LegacyState
from controller.model.service import ServiceKey
from controller.model.status import DEGRADED, FLAG_ROLLOUT, READY, Status
from tests.controller.builders import KEY
from tests.controller.handlers.kept_api import Bench, KeptApi
from tests.controller.handlers.test_scaling import ScriptedReader


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.close()


def _word(status: Status, kind: str) -> tuple[str, str]:
    condition = status.condition(kind)
    assert condition is not None
    return condition.status, condition.reason


def _message(status: Status, kind: str) -> str:
    condition = status.condition(kind)
    assert condition is not None
    return condition.message


async def test_while_paused_the_status_tells_what_runs_and_not_what_the_spec_says(bench: Bench) -> None:
    bench.write(unifiedRegistry={"enabled": True})
    before = await bench.settle()
    bench.write(paused=True, unifiedRegistry={"enabled": True})
    assert _word(await bench.settle(), READY) == ("True", "AllReady")
    bench.write(paused=True, image="pinnokio:2", unifiedRegistry={"enabled": False})
    held = await bench.settle()
    assert _word(held, READY) == ("False", "NotApplied")
    assert "Deployment demo-api" in str(held.condition(READY))
    assert _word(held, FLAG_ROLLOUT) == ("False", "Paused")
    assert (held.flag, held.rollout) == (before.flag, before.rollout)
    assert held.summary is not None
    assert (held.summary.flag, held.summary.rollout) == ("on", "Direct")
    bench.write(image="pinnokio:2", unifiedRegistry={"enabled": False})
    after = await bench.settle()
    assert _word(after, READY) == ("True", "AllReady")
    assert _word(after, FLAG_ROLLOUT) == ("True", "Off")
    assert after.summary is not None
    assert after.summary.flag == "off"


@pytest.mark.parametrize(
    "change", [{}, {"paused": True}], ids=["its objects are missing", "its status cannot be written"]
)
async def test_a_service_whose_deletion_nobody_saw_is_forgotten(bench: Bench, change: dict[str, Any]) -> None:
    bench.write()
    await bench.settle()
    bench.write(**change)
    bench.lose()
    assert await bench.reconciler.reconcile(KEY) is None
    assert not bench.reconciler.services
    assert not list(bench.scaler.live_views())
    assert not bench.api.kept


async def test_the_percentage_is_what_is_published_while_live_users_are_copied_back(bench: Bench) -> None:
    bench.write(unifiedRegistry={"enabled": True})
    await bench.settle()
    service = bench.api.kept[SERVICE_RESOURCE, KEY.name]
    service["status"]["rollout"]["legacy"]["state"] = LegacyState.STOPPED.value
    bench.write(unifiedRegistry={"enabled": False})
    told = await bench.settle()
    assert told.flag is not None
    assert told.rollout is not None
    assert (told.rollout.legacy.state, told.flag.enabled) == (LegacyState.RESTORING, True)
    assert told.rollout.percent == 100


async def test_a_service_that_is_deleted_while_its_status_is_written_stays_forgotten(bench: Bench) -> None:
    bench.write()
    bench.api.meanwhile = bench.reconciler.services.clear
    await bench.reconciler.reconcile(KEY)
    assert not bench.reconciler.services


async def test_an_operator_that_dies_before_its_status_stands_has_told_its_events(bench: Bench) -> None:
    bench.write(unifiedRegistry={"enabled": True})
    await bench.settle()
    bench.api.kept[SERVICE_RESOURCE, KEY.name]["status"]["rollout"]["legacy"]["state"] = LegacyState.STOPPED.value
    bench.write(unifiedRegistry={"enabled": False})
    bench.api.faults[SERVICE_RESOURCE, KEY.name] = ApiUnavailable("as if it died here")
    with pytest.raises(ApiUnavailable):
        await bench.reconciler.reconcile(KEY)
    assert "LegacyRestoring" in [event["reason"] for event in bench.api.events]


async def test_a_successor_of_the_same_name_is_looked_at_instead(bench: Bench) -> None:
    bench.write()
    await bench.settle()
    former = bench.reconciler.services[KEY]
    bench.lose()
    bench.write("another-uid")
    successor = bench.reconciler.services[KEY]
    bench.reconciler.services[KEY] = former
    bench.api.meanwhile = lambda: bench.reconciler.services.update({KEY: successor})
    assert await bench.reconciler.reconcile(KEY) == timedelta()
    await bench.settle()
    assert bench.api.kept[DEPLOYMENT, "demo-api"]["metadata"]["ownerReferences"][0]["uid"] == "another-uid"


class SharedPublisher(FlagPublisher):
    """A stand-in for a Valkey that is `owner`'s; None: it is away. `published`: what stands there."""

    def __init__(self, owner: str = "place/owner") -> None:
        super().__init__(KeptApi())
        self.owner: str | None = owner
        self.published: FlagDocument | None = None

    def is_on(self) -> bool:
        return self.published is not None and self.published.enabled

    async def claim(self, key: ServiceKey, endpoint: Endpoint) -> str:
        if self.owner is None:
            raise ValkeyUnavailable("away")
        return self.owner

    async def read(self, key: ServiceKey, endpoint: Endpoint) -> FlagDocument | None:
        return self.published

    async def publish(self, key: ServiceKey, endpoint: Endpoint, document: FlagDocument) -> bool:
        self.published = document
        return True

    async def read_acknowledgements(self, key: ServiceKey, endpoint: Endpoint) -> dict[str, int]:
        return {}


EXTERNAL: dict[str, Any] = {"mode": "external", "external": {"host": "127.0.0.1", "port": 1}}
ON, OFF = {"enabled": True}, {"enabled": False}
REFUSED = ApiRefused("WebhookFailed", 'failed calling webhook "images.example.com"')
BROKEN = ApiUnavailable("patch: 500 etcdserver: request is too large")


@pytest.mark.parametrize(
    ("fault", "degraded"), [(REFUSED, ("True", "WebhookFailed")), (BROKEN, ("False", "AsExpected"))], ids=str
)
async def test_an_object_that_cannot_be_applied_keeps_no_other_waiting(
    fault: OperatorError, degraded: tuple[str, str]
) -> None:
    """Not the other objects, nor the flag, nor the status."""
    publisher = SharedPublisher(str(KEY))
    bench = Bench(publisher)
    bench.write(valkey=EXTERNAL, unifiedRegistry=ON)
    await bench.settle()
    bench.api.faults = dict.fromkeys([(CONFIG_MAP, "demo-flag"), (DEPLOYMENT, "demo-api")], fault)
    bench.write(image="pinnokio:2", valkey=EXTERNAL, unifiedRegistry=OFF)
    with contextlib.nullcontext() if isinstance(fault, ApiRefused) else pytest.raises(type(fault)):
        await bench.reconciler.reconcile(KEY)
    assert not publisher.is_on()
    images = {
        name: bench.api.kept[DEPLOYMENT, name]["spec"]["template"]["spec"]["containers"][0]["image"]
        for name in ("demo-api", "demo-worker-default")
    }
    assert images == {"demo-api": "pinnokio:1", "demo-worker-default": "pinnokio:2"}
    told = bench.status()
    assert (_word(told, READY), _word(told, DEGRADED)) == (("False", "NotApplied"), degraded)
    message = str(told.condition(READY if fault is BROKEN else DEGRADED))
    assert "ConfigMap demo-flag" in message
    assert str(fault).removeprefix("WebhookFailed: ") in message
    bench.api.faults = {}
    assert _word(await bench.settle(), READY) == ("True", "AllReady")
    await bench.close()


async def test_a_refused_object_keeps_nothing_that_is_to_go(bench: Bench) -> None:
    queues: list[dict[str, Any]] = [{"name": "default"}, {"name": "bulk", "minReplicas": 0, "maxReplicas": 2}]
    bench.write(queues=queues, api={"ingress": {"host": "api.example.com"}})
    await bench.settle()
    bench.api.faults = {(DEPLOYMENT, "demo-worker-heavy"): REFUSED}
    bench.write(queues=[queues[0], queues[1] | {"name": "heavy"}])
    assert _word(await bench.settle(), DEGRADED) == ("True", "WebhookFailed")
    left = {str(ObjectRef(kind, name)) for kind, name in bench.api.kept if kind in (DEPLOYMENT, INGRESS)}
    assert left == {"Deployment demo-api", "Deployment demo-beat", "Deployment demo-worker-default"}
    removed = [event["note"] for event in bench.api.events if event["reason"] == "Removed"]
    assert {"Ingress demo-api", "Deployment demo-worker-bulk"} <= set(removed[0].split(", "))


async def test_what_pods_still_use_stays_until_they_are_changed(bench: Bench) -> None:
    bench.write()
    await bench.settle()
    bench.api.faults = {(DEPLOYMENT, "demo-api"): REFUSED}
    bench.write(valkey=EXTERNAL)
    await bench.settle()
    assert (STATEFUL_SET, "demo-valkey") in bench.api.kept
    bench.api.faults = {}
    await bench.settle()
    assert (STATEFUL_SET, "demo-valkey") not in bench.api.kept


async def test_a_removal_that_is_refused_is_told(bench: Bench) -> None:
    bench.write(flower={"enabled": True})
    await bench.settle()
    bench.api.faults = {(DEPLOYMENT, "demo-flower"): REFUSED}
    bench.write()
    assert _word(await bench.settle(), DEGRADED) == ("True", "WebhookFailed")
    assert (SERVICE, "demo-flower") not in bench.api.kept


async def test_a_copy_back_that_cannot_run_is_told_with_the_way_out() -> None:
    bench = Bench(SharedPublisher(str(KEY)))
    bench.write(valkey=EXTERNAL, unifiedRegistry=ON)
    await bench.settle()
    rollout = bench.api.kept[SERVICE_RESOURCE, KEY.name]["status"]["rollout"]
    rollout["legacy"] = {"state": "Restoring", "attempt": 1, "copying": True, "message": ""}
    bench.write(valkey=EXTERNAL, unifiedRegistry=OFF)
    # Its Job is there, and no pod of it.
    await bench.settle()
    status = await bench.settle()
    assert _word(status, DEGRADED) == ("True", "FailedCreate")
    assert _word(status, FLAG_ROLLOUT) == ("False", "RestoringLegacy")
    for kind in (DEGRADED, FLAG_ROLLOUT):
        assert "Job demo-restore-1-" in _message(status, kind)
    assert _message(status, FLAG_ROLLOUT).endswith("kubectl pinnokio rollback --force")
    await bench.close()


INVALID: dict[str, Any] = {"beat": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}}


async def test_an_invalid_spec_stops_no_scaling() -> None:
    reader = ScriptedReader()
    bench = Bench(SharedPublisher(str(KEY)), reader)
    spec: dict[str, Any] = {"valkey": EXTERNAL, "queues": [{"name": "default", "minReplicas": 0, "maxReplicas": 4}]}

    def replicas() -> int:
        found: int = bench.api.kept[DEPLOYMENT, "demo-worker-default"]["spec"]["replicas"]
        return found

    bench.write(**spec)
    await bench.settle()
    assert replicas() == 0
    bench.write(image="pinnokio:2", **spec | INVALID)
    status = await bench.settle()
    assert (_word(status, READY), _word(status, DEGRADED)) == (("False", "InvalidSpec"), ("True", "InvalidSpec"))
    assert _message(status, DEGRADED).endswith("until it is mended, all goes on by the spec as it was last valid")
    assert status.summary is not None
    assert status.summary.version == "1"
    reader.says = {"default": QueueFigures(3, 0, {})}
    async with asyncio.timeout(20):
        while not replicas():
            await asyncio.sleep(0.05)
            await bench.reconciler.reconcile(KEY)
    await bench.close()


@pytest.mark.parametrize(
    ("change", "phase"),
    [({"unifiedRegistry": OFF}, "Off"), ({"unifiedRegistry": ON, "rollback": "now"}, "RolledBack")],
    ids=["switched off", "rolled back by hand"],
)
async def test_an_invalid_spec_keeps_the_flag_from_no_off(change: dict[str, Any], phase: str) -> None:
    publisher = SharedPublisher(str(KEY))
    bench = Bench(publisher)
    bench.write(valkey=EXTERNAL, unifiedRegistry=ON)
    await bench.settle()
    bench.write(**INVALID, valkey=EXTERNAL, unifiedRegistry=ON)
    await bench.settle()
    assert publisher.is_on()
    bench.write(**INVALID, valkey=EXTERNAL, **change)
    status = await bench.settle()
    assert not publisher.is_on()
    assert status.rollout is not None
    assert status.rollout.phase == phase
    bench.write(image="pinnokio:1", valkey=EXTERNAL, unifiedRegistry=change["unifiedRegistry"])
    assert _word(await bench.settle(), READY) == ("True", "AllReady")
    await bench.close()


async def test_with_an_invalid_spec_alone_nothing_is_done(bench: Bench) -> None:
    bench.write(**INVALID)
    assert _message(await bench.settle(), DEGRADED) == (
        "spec.beat.resources: requests.cpu 2 is above limits.cpu 1: raise the limit;"
        " until it is mended, nothing is done"
    )
    assert {kind for kind, _ in bench.api.kept} == {SERVICE_RESOURCE}
    bench.write()
    await bench.settle()
    bench.write("another-uid", **INVALID)
    assert _message(await bench.settle(), DEGRADED).endswith("nothing is done")


async def test_no_worker_takes_the_tasks_of_a_valkeys_owner() -> None:
    publisher = SharedPublisher()
    bench = Bench(publisher)

    def replicas() -> tuple[int, bool]:
        worker = bench.api.kept[DEPLOYMENT, "demo-worker-default"]
        return worker["spec"]["replicas"], (DEPLOYMENT, "demo-beat") in bench.api.kept

    bench.write(valkey=EXTERNAL)
    assert _word(await bench.settle(), DEGRADED) == ("True", "ValkeyInUse")
    assert replicas() == (0, False)
    publisher.owner = None
    assert _word(await bench.settle(), DEGRADED) == ("True", "ValkeyInUse")
    assert replicas() == (0, False)
    publisher.owner = str(KEY)
    assert _word(await bench.settle(), DEGRADED) == ("False", "AsExpected")
    assert replicas() == (1, True)
    publisher.owner = "place/owner"
    bench.write(valkey=EXTERNAL, image="pinnokio:2")
    assert _word(await bench.settle(), DEGRADED) == ("True", "ValkeyInUse")
    assert replicas() == (1, True)
    await bench.close()
