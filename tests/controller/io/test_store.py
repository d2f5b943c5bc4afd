"""The store keeps the newest version of each object and tells whose changed."""

from controller.cluster.store import Store
from controller.model.base import JsonObject
from controller.model.kinds import CONFIG_MAP
from controller.model.service import ServiceKey

DEMO = ServiceKey("place", "demo")


def _config(name: str, version: int, namespace: str = "place", instance: str = "demo") -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "resourceVersion": str(version),
            "labels": {"app.kubernetes.io/instance": instance},
            "managedFields": [{"manager": "x"}],
        },
    }


def _names(store: Store, key: ServiceKey = DEMO) -> list[tuple[str, str]]:
    return sorted((each["metadata"]["name"], each["metadata"]["resourceVersion"]) for each in store.documents(key))


def test_an_older_version_never_replaces_a_newer_one() -> None:
    marks: list[ServiceKey] = []
    store = Store(marks.append)
    store.put(_config("a", 5))
    store.put(_config("a", 4))
    store.put(_config("a", 5))
    assert _names(store) == [("a", "5")]
    assert marks == [DEMO]
    assert "managedFields" not in store.documents(DEMO)[0]["metadata"]


def test_the_removal_of_an_older_one_does_not_remove_the_new_one() -> None:
    store = Store(lambda _: None)
    store.put(_config("a", 9))
    store.remove(_config("a", 8))
    assert _names(store) == [("a", "9")]
    store.remove(_config("a", 10))
    assert _names(store) == []


def test_a_list_tells_what_went_away_meanwhile() -> None:
    marks: list[ServiceKey] = []
    store = Store(marks.append)
    for name, version in (("gone", 1), ("stays", 2), ("made after the list", 9)):
        store.put(_config(name, version))
    store.put(_config("elsewhere", 1, namespace="other"))
    marks.clear()
    store.replace(CONFIG_MAP, "place", [_config("stays", 2)], "5")
    assert _names(store) == [("made after the list", "9"), ("stays", "2")]
    assert _names(store, ServiceKey("other", "demo")) == [("elsewhere", "1")]
    assert marks == [DEMO]


def test_an_object_that_changes_its_owner_leaves_the_old_one() -> None:
    store = Store(lambda _: None)
    store.put(_config("a", 1))
    store.put(_config("a", 2, instance="new"))
    assert _names(store) == []
    assert _names(store, ServiceKey("place", "new")) == [("a", "2")]


def test_pods_are_kept_apart_and_small() -> None:
    store = Store(lambda _: None)
    pod = _config("p", 1) | {"kind": "Pod", "spec": {"much": "text"}, "status": {"phase": "Running"}}
    store.put(pod)
    assert store.documents(DEMO) == []
    assert [("spec" in each, each["status"]) for each in store.pods(DEMO)] == [(False, {"phase": "Running"})]
