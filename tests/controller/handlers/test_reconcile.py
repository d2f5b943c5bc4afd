"""What a reconcile tells and does where the cluster is not what it seems."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from controller.model.kinds import DEPLOYMENT
from controller.model.status import FLAG_ROLLOUT, READY, Status
from tests.controller.builders import KEY
from tests.controller.handlers.kept_api import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    await made.close()


def _word(status: Status, kind: str) -> tuple[str, str]:
    condition = status.condition(kind)
    assert condition is not None
    return condition.status, condition.reason


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
    "spec", [{}, {"queues": "none"}], ids=["its objects are missing", "its status cannot be written"]
)
async def test_a_service_whose_deletion_nobody_saw_is_forgotten(bench: Bench, spec: dict[str, Any]) -> None:
    bench.write()
    await bench.settle()
    bench.write(**spec)
    bench.lose()
    assert await bench.reconciler.reconcile(KEY) is None
    assert not bench.reconciler.services
    assert not list(bench.scaler.live_views())
    assert not bench.api.kept


async def test_a_service_that_is_deleted_while_its_status_is_written_stays_forgotten(bench: Bench) -> None:
    bench.write()
    bench.api.meanwhile = bench.reconciler.services.clear
    await bench.reconciler.reconcile(KEY)
    assert not bench.reconciler.services


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
