"""What is applied and removed, case by case."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from controller.manifests.target import Target
from controller.model.base import JsonObject
from controller.model.kinds import DEPLOYMENT, INGRESS
from controller.model.observed import ObjectRef, Observed
from controller.plan.children import Cause, ChildrenPlan, choose_removals, plan_children
from tests.controller.builders import UID, all_seen, as_seen, build_all, build_target

TARGET = build_target()
API = ObjectRef(DEPLOYMENT, "demo-api")


def _plan(observed: Observed) -> ChildrenPlan:
    return plan_children(UID, build_all(TARGET), observed)


def _with_api(change: dict[str, Any], *, settled: dict[ObjectRef, str] | None = None) -> Observed:
    """All objects as applied, with the API's Deployment changed: `a.b.c` → value (None: taken out)."""
    seen = all_seen(TARGET)
    document: JsonObject = copy.deepcopy(seen.objects[API].document)
    for path, value in change.items():
        *parents, last = path.split(".")
        part = document
        for name in parents:
            part = part[name]
        if value is None:
            del part[last]
        else:
            part[last] = value
    documents = [each.document for ref, each in seen.objects.items() if ref != API]
    return Observed.of([*documents, document], (), settled)


def test_nothing_is_done_where_nothing_differs() -> None:
    assert _plan(all_seen(TARGET)) == ChildrenPlan((), (), (), ())


def test_everything_is_created_where_nothing_is() -> None:
    plan = _plan(Observed.of([]))
    assert {change.cause for change in plan.changes} == {Cause.CREATED}
    assert len(plan.changes) == len(build_all(TARGET))


OWNER = {"apiVersion": "pinnokio.io/v1alpha1", "kind": "PinnokioService", "name": "demo", "controller": True}


@pytest.mark.parametrize(
    ("change", "cause", "where"),
    [
        ({"spec.replicas": 5}, Cause.DRIFT, ("spec.replicas",)),
        ({"metadata.labels": {}}, Cause.DRIFT, ("metadata.labels.app.kubernetes.io/name",)),
        ({"metadata.annotations": None}, Cause.UPDATED, ()),
        ({"metadata.annotations": {"pinnokio.io/applied": "older"}}, Cause.UPDATED, ()),
        ({"metadata.ownerReferences": []}, Cause.DRIFT, (f"metadata.ownerReferences[{UID}]",)),
    ],
    ids=["scaled by hand", "labels taken off", "annotation gone", "older manifest", "left behind by an orphaning"],
)
def test_a_difference_is_applied(change: dict[str, Any], cause: Cause, where: tuple[str, ...]) -> None:
    if "metadata.labels" in change:
        change = {"metadata.labels": {"app.kubernetes.io/managed-by": "pinnokio-operator"}}
    plan = _plan(_with_api(change))
    assert [(each.ref, each.cause) for each in plan.changes] == [(API, cause)]
    assert plan.changes[0].where[:1] == where[:1]


def test_another_number_of_replicas_alone_is_a_scale() -> None:
    scaled = build_target(api={"replicas": 3})
    (change,) = plan_children(UID, build_all(scaled), all_seen(TARGET)).changes
    assert (change.ref, change.cause, str(change)) == (API, Cause.SCALED, "Deployment demo-api (1 → 3)")
    more = build_target(api={"replicas": 3, "env": [{"name": "A", "value": "b"}]})
    (change,) = plan_children(UID, build_all(more), all_seen(TARGET)).changes
    assert (change.ref, change.cause) == (API, Cause.UPDATED)


EXTERNAL: dict[str, Any] = {"mode": "external", "external": {"host": "cache"}}
AUTH: dict[str, Any] = {"auth": {"tokenSecretRef": {"name": "own", "key": "token"}}}
VALKEY = {"Service demo-valkey", "StatefulSet demo-valkey", "NetworkPolicy demo-valkey"}
BULK = {"Deployment demo-worker-bulk", "PodDisruptionBudget demo-worker-bulk"}
EVERYTHING = {"Ingress demo-api", "Secret demo-auth", *VALKEY, *BULK}
WORKER = ObjectRef(DEPLOYMENT, "demo-worker-heavy")


@pytest.mark.parametrize(
    ("undone", "stays"),
    [
        (set(), set()),
        ({ObjectRef(INGRESS, "demo-api")}, set()),
        ({WORKER}, set()),
        ({API}, {"Secret demo-auth", *VALKEY}),
    ],
    ids=[
        "all was applied",
        "an object without pods",
        "a Deployment that is new",
        "a Deployment with pods as they were",
    ],
)
def test_only_what_outdated_pods_use_stays_while_something_is_not_applied(
    undone: set[ObjectRef], stays: set[str]
) -> None:
    def build(queue: str, **fields: Any) -> Target:
        return build_target(queues=[{"name": "default"}, {"name": queue, "maxReplicas": 2}], **fields)

    before = all_seen(build("bulk", api={"ingress": {"host": "api.example.com"}}))
    after = replace(build("heavy", valkey=EXTERNAL, api=AUTH), secret=None)
    plan = plan_children(UID, build_all(after), before)
    assert {str(seen.ref) for seen in plan.deletions} == EVERYTHING
    assert {str(seen.ref) for seen in choose_removals(plan, undone)} == EVERYTHING - stays


def test_workers_of_a_queue_that_still_has_work_are_kept() -> None:
    smaller = build_target(queues=[{"name": "default"}])
    plan = plan_children(UID, build_all(smaller), all_seen(TARGET), frozenset({"llm"}))
    assert {seen.queue for seen in plan.deletions} == {"computation", "maintenance"}


def test_a_difference_that_stayed_after_applying_is_not_applied_for_ever() -> None:
    assert _plan(_with_api({"spec.replicas": 5}, settled={API: "7"})).changes == ()
    assert _plan(_with_api({"spec.replicas": 5}, settled={API: "6"})).changes != ()


def test_an_entry_that_somebody_adds_again_is_not_removed_for_ever() -> None:
    own = all_seen(TARGET).objects[API].document["spec"]["template"]["spec"]["containers"]
    foreign = {"spec.template.spec.containers": [*own, {"name": "sidecar", "image": "proxy:1"}]}
    assert [change.cause for change in _plan(_with_api(foreign, settled={API: "6"})).changes] == [Cause.DRIFT]
    assert _plan(_with_api(foreign, settled={API: "7"})).changes == ()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"metadata.deletionTimestamp": "2026-01-01T00:00:00Z"}, "waiting"),
        ({"metadata.ownerReferences": [OWNER | {"uid": "of a dead namesake"}]}, "waiting"),
        ({"metadata.ownerReferences": [OWNER | {"uid": "x", "kind": "Other"}]}, "taken"),
        ({"metadata.ownerReferences": [], "metadata.labels": {}}, "taken"),
    ],
    ids=["going", "of a dead namesake", "of another kind's", "of nobody, made by hand"],
)
def test_what_is_not_ours_yet_is_left(change: dict[str, Any], kind: str) -> None:
    plan = _plan(_with_api(change))
    assert getattr(plan, kind) == (API,)
    assert plan.changes == ()


def test_what_is_ours_and_in_no_manifest_goes() -> None:
    smaller = build_target(queues=[{"name": "default"}], beat={"enabled": False})
    plan = plan_children(UID, build_all(smaller), all_seen(TARGET))
    assert {seen.ref.name for seen in plan.deletions} == {
        "demo-beat",
        "demo-worker-computation",
        "demo-worker-llm",
        "demo-worker-maintenance",
    }


def test_what_is_someone_elses_never_goes() -> None:
    stray = as_seen(build_all(TARGET)[-1])
    stray["metadata"] |= {"name": "stray", "ownerReferences": []}
    documents = [each.document for each in all_seen(TARGET).objects.values()]
    assert _plan(Observed.of([*documents, stray])).deletions == ()


SCALED = build_target(api={"autoscaling": {"minReplicas": 2, "maxReplicas": 5}})


def test_a_number_of_pods_that_becomes_an_autoscalers_is_given_away_as_it_is() -> None:
    plan = plan_children(UID, build_all(SCALED), _with_api({"spec.replicas": 4}))
    (api,) = [change for change in plan.changes if change.ref == API]
    assert (api.cause, api.replicas) == (Cause.UPDATED, 4)
    assert "replicas" not in api.manifest["spec"]


def test_what_an_autoscaler_wrote_is_no_drift() -> None:
    documents = [each.document for each in all_seen(SCALED).objects.values()]
    for document in documents:
        if document["kind"] == "Deployment" and document["metadata"]["name"] == "demo-api":
            document["spec"]["replicas"] = 4
    assert plan_children(UID, build_all(SCALED), Observed.of(documents)).changes == ()


def test_without_its_autoscaler_the_number_is_the_specs_again() -> None:
    plan = plan_children(UID, build_all(TARGET), all_seen(SCALED))
    assert [(change.ref.name, change.cause, change.replicas) for change in plan.changes] == [
        ("demo-api", Cause.UPDATED, None)
    ]
    assert [seen.ref.kind.name for seen in plan.deletions] == ["HorizontalPodAutoscaler"]


def test_ports_without_a_name_are_compared_in_their_order() -> None:
    documents = [each.document for each in all_seen(TARGET).objects.values()]
    for document in documents:
        if document["kind"] == "NetworkPolicy" and document["metadata"]["name"] == "demo-valkey":
            document["spec"]["ingress"][0]["ports"][0]["port"] = 1
    (change,) = plan_children(UID, build_all(TARGET), Observed.of(documents)).changes
    assert (change.cause, change.where) == (Cause.DRIFT, ("spec.ingress[0].ports[0].port",))
