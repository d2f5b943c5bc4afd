"""An informer goes on after whatever ends a watch, and tells what went away meanwhile.

The API server here is a stand-in that plays a script; the real one is in tests/controller/cluster.
"""

# ruff: noqa: ARG002 - the signatures are the client's

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.cluster import informer as informers
from controller.cluster.client import KubernetesApi
from controller.cluster.informer import Informer
from controller.cluster.store import Store
from controller.model.base import JsonObject
from controller.model.errors import ApiExpired, ApiUnavailable, OperatorError
from controller.model.kinds import CONFIG_MAP, Kind
from controller.model.service import ServiceKey

KEY = ServiceKey("place", "demo")
Listed = tuple[list[JsonObject], str] | OperatorError
Watched = list[tuple[str, JsonObject] | OperatorError]


class ScriptedApi(KubernetesApi):
    """Answers lists and watches in turn; at the script's end a watch stays open for ever."""

    def __init__(self, lists: list[Listed], watches: list[Watched]) -> None:
        self.lists = lists
        self.watches = watches
        self.versions: list[str] = []
        self.done = asyncio.Event()

    async def list(self, kind: Kind, namespace: str | None, selector: str) -> tuple[list[JsonObject], str]:
        answer = self.lists.pop(0)
        if isinstance(answer, OperatorError):
            raise answer
        return answer

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, version: str
    ) -> AsyncIterator[tuple[str, JsonObject]]:
        self.versions.append(version)
        if not self.watches:
            self.done.set()
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, OperatorError):
                raise event
            yield event


def _config(name: str, version: int) -> JsonObject:
    meta = {"name": name, "namespace": "place", "resourceVersion": str(version)}
    labels = {"app.kubernetes.io/instance": "demo"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta | {"labels": labels}}


AWAY = ApiUnavailable("away")


@pytest.mark.parametrize(
    ("lists", "watches", "names", "versions"),
    [
        (
            [([_config("a", 1)], "3")],
            [[("ADDED", _config("b", 4)), ("DELETED", _config("a", 5)), ("BOOKMARK", _config("x", 9))], []],
            ["b"],
            ["3", "9", "9"],
        ),
        (
            [([_config("a", 1), _config("b", 2)], "3"), ([_config("b", 2)], "8")],
            [[ApiExpired("too old")]],
            ["b"],
            ["3", "8"],
        ),
        (
            [AWAY, ([_config("a", 1)], "3"), AWAY, ([], "8")],
            [[("MODIFIED", _config("a", 4)), AWAY]],
            [],
            ["3", "8"],
        ),
    ],
    ids=["a stream that ends goes on from its last version", "an old version lists again", "an outage lists again"],
)
async def test_whatever_ends_a_watch(
    lists: list[Listed],
    watches: list[Watched],
    names: list[str],
    versions: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(informers, "BACKOFF_S", (0.0,))
    api, store = ScriptedApi(list(lists), list(watches)), Store(lambda _: None)
    informer = Informer(api, store, CONFIG_MAP, "place")
    task = asyncio.create_task(informer.run())
    async with asyncio.timeout(5):
        await api.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert informer.synced.is_set()
    assert sorted(each["metadata"]["name"] for each in store.documents(KEY)) == names
    assert api.versions == versions
