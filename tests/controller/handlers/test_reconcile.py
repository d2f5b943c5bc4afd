"""What a reconcile tells and does where the cluster is not what it seems."""

from collections.abc import AsyncIterator

import pytest

from controller.model.status import FLAG_ROLLOUT, READY, Status
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
