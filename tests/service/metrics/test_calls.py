"""What calls leave in their process's figures."""

from contract import metrics as names
from tests.service.application import Api
from tests.service.metrics.samples import Samples, scrape


def operations(before: Samples, after: Samples, registry: str) -> dict[str, float]:
    """What was added by operation."""
    found = {labels["operation"]: value for labels, value in after.all(names.REGISTRY_OPERATIONS, registry=registry)}
    added = {
        operation: value - before.count(names.REGISTRY_OPERATIONS, registry=registry, operation=operation)
        for operation, value in found.items()
    }
    return {operation: value for operation, value in added.items() if value}


async def test_registry_operations_are_counted_where_they_had_an_effect(api_on: Api) -> None:
    before = await scrape(api_on)
    await api_on.data("REGISTRY.register_user", "u", "s")
    await api_on.data("CHROMA_VECTOR.register_collection_user", "u", "c", "s")
    await api_on.data("UNIFIED_REGISTRY.update_user_heartbeat", "u")
    assert await api_on.data("UNIFIED_REGISTRY.update_user_heartbeat", "nobody") is False
    await api_on.data("REGISTRY.unregister_session", "s")
    after = await scrape(api_on)
    both = {"register_user": 1, "register_collection_user": 1, "unregister_session": 1}
    assert operations(before, after, "legacy") == both
    assert operations(before, after, "unified") == {**both, "claim_collection": 1, "update_user_heartbeat": 1}


async def test_calls_are_counted_by_method_code_and_cohort(api_on: Api) -> None:
    labels = {"method": "REGISTRY.register_user", "cohort": "on"}
    before = await scrape(api_on)
    await api_on.data("REGISTRY.register_user", "u", "s")
    await api_on.call("REGISTRY.register_user", "u")
    await api_on.call("REGISTRY.no_such_method")
    after = await scrape(api_on)

    def added(name: str, **labels: str) -> float:
        return after.count(name, **labels) - before.count(name, **labels)

    assert added(names.RPC_REQUESTS, **labels, code="OK") == 1
    assert added(names.RPC_REQUESTS, method="REGISTRY.register_user", cohort="none", code="INVALID_ARGS") == 1
    assert added(names.RPC_REQUESTS, method="unknown", code="METHOD_NOT_FOUND") == 1
    assert added(f"{names.RPC_DURATION}_count", **labels) == 1
    assert added(names.FLAG_DECISIONS, cohort="on", revision="0") >= 1
