"""What the applier makes of answers that are no success."""

import pytest

from controller.cluster.apply import Applier
from controller.cluster.client import KubernetesApi
from controller.cluster.store import Store
from controller.model.base import JsonObject
from controller.model.errors import ApiNotFound, ApiRefused, ApiUnavailable, OperatorError
from controller.model.kinds import Kind
from controller.model.service import ServiceKey

KEY = ServiceKey("place", "demo")


class FailingApi(KubernetesApi):
    """A stand-in whose every patch fails as the test says."""

    def __init__(self, error: OperatorError) -> None:
        self.error = error
        self.patched: list[str] = []

    async def patch(self, kind: Kind, namespace: str, name: str, patch: JsonObject) -> JsonObject:
        self.patched.append(f"{kind.name} {namespace}/{name} {patch}")
        raise self.error


@pytest.mark.parametrize("error", [ApiNotFound("gone"), ApiRefused("Forbidden", "no such right")])
async def test_shrinking_does_not_wait_for_a_pods_cost(error: OperatorError) -> None:
    api = FailingApi(error)
    await Applier(api, Store(lambda _: None)).price_pod(KEY, "w", 2)
    assert len(api.patched) == 1


async def test_an_api_server_that_is_away_is_asked_again() -> None:
    with pytest.raises(ApiUnavailable):
        await Applier(FailingApi(ApiUnavailable("away")), Store(lambda _: None)).price_pod(KEY, "w", 2)
