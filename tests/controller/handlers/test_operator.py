"""The operator brings up each namespace by itself, and tells nothing once it has ended. kopf has no part in it here."""

# ruff: noqa: ARG002 - the signatures are the client's

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from contract import metrics as names
from controller.cluster import informer as informers
from controller.handlers.metrics import OperatorMetrics
from controller.handlers.operator import Operator, Round
from controller.handlers.probes import ACTING, STARTING, Probes
from controller.model.base import JsonObject
from controller.model.errors import ApiRefused
from controller.model.kinds import DEPLOYMENT, SERVICE_RESOURCE, Kind
from controller.settings import Settings
from tests.controller.builders import KEY
from tests.controller.handlers.kept_api import KeptApi, build_body

OTHER = "closed"
FIGURES = {
    names.OPERATOR_SERVICES,
    names.OPERATOR_SERVICE_PHASE,
    names.OPERATOR_API_DESIRED,
    names.OPERATOR_QUEUE_DESIRED,
    names.OPERATOR_ROLLOUT_PHASE,
}


class PlacesApi(KeptApi):
    """Lists nothing; `refused`: namespaces that it lets nobody into."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = {OTHER}

    async def list(self, kind: Kind, namespace: str | None, selector: str) -> tuple[list[JsonObject], str]:
        if namespace in self.refused:
            raise ApiRefused("Forbidden", "no such right")
        return [], "1"

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str
    ) -> AsyncIterator[tuple[str, JsonObject]]:
        await asyncio.Event().wait()
        yield "", {}

    async def close(self) -> None:
        pass


class Started:
    """An operator of two namespaces, one of which it may not look into."""

    def __init__(self) -> None:
        self.api, self.round, self.metrics, self.probes = PlacesApi(), Round(), OperatorMetrics(), Probes()
        settings = Settings((KEY.namespace, OTHER), "INFO", 1, 2, timedelta(minutes=10), "test")
        self.operator = Operator(settings, self.api, self.round, self.metrics, self.probes)
        self.operator.start()

    async def wait_for(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - several things bring it about
                await asyncio.sleep(0.02)


@pytest.fixture
async def started(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Started]:
    monkeypatch.setattr(informers, "BACKOFF_S", (0.02,))
    made = Started()
    yield made
    await made.operator.stop()


async def test_a_namespace_that_is_refused_keeps_no_other_waiting(started: Started) -> None:
    api, operator = started.api, started.operator
    operator.see("ADDED", api.put(SERVICE_RESOURCE, build_body(OTHER), "other"))
    operator.see("ADDED", api.put(SERVICE_RESOURCE, build_body(KEY.namespace), "mine"))
    assert started.probes.state == STARTING
    await started.wait_for(lambda: (DEPLOYMENT, "demo-api") in api.kept)
    assert started.probes.state == ACTING
    assert api.kept[DEPLOYMENT, "demo-api"]["metadata"]["namespace"] == KEY.namespace
    assert not started.round.ended.is_set()


async def test_a_namespace_that_may_be_read_at_last_is_begun_with_anew(started: Started) -> None:
    await started.wait_for(lambda: started.probes.state == ACTING)
    started.api.refused.clear()
    await started.wait_for(started.round.ended.is_set)
    assert started.round.renew


async def test_an_operator_that_ended_tells_no_figures(started: Started) -> None:
    def told() -> set[str]:
        families = started.metrics.registry.collect()
        return {each.name for each in families if each.name in FIGURES and each.samples}

    operator = started.operator
    operator.see("ADDED", started.api.put(SERVICE_RESOURCE, build_body(KEY.namespace), "mine"))
    await started.wait_for(lambda: told() == FIGURES)
    await operator.stop()
    assert not told()
