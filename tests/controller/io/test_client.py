"""The client of the API server, with a stand-in for it that speaks HTTP."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from kubernetes.aio.config import kube_config

from controller.cluster.client import KubernetesApi
from controller.model.errors import ApiConflict, ApiRefused, ApiUnavailable, OperatorError
from controller.model.kinds import CONFIG_MAP
from tests.controller.cluster.operator import free_port

# Eleven kinds in each of a dozen namespaces.
WATCHES = 132


def _write_kubeconfig(path: Path, port: int) -> None:
    context = {"context": {"cluster": "one", "user": "one"}, "name": "one"}
    cluster = {"cluster": {"server": f"http://127.0.0.1:{port}"}, "name": "one"}
    config = {"clusters": [cluster], "users": [{"name": "one", "user": {}}], "contexts": [context]}
    path.write_text(json.dumps(config | {"current-context": "one"}))


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Connect = Callable[[Answer], Awaitable[KubernetesApi]]


@pytest.fixture
async def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """A client of an API server that answers as it is told."""
    async with contextlib.AsyncExitStack() as stack:

        async def connected(answer: Answer) -> KubernetesApi:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", answer)
            runner, port = web.AppRunner(app, access_log=None, shutdown_timeout=0.1), free_port()
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port).start()
            _write_kubeconfig(tmp_path / "config", port)
            monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
            api = await KubernetesApi.connect()
            stack.push_async_callback(api.close)
            return api

        yield connected


async def test_a_request_waits_for_no_watch_however_many_there_are(connect: Connect) -> None:
    held: list[web.Request] = []
    all_held = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"kind": "ConfigMap"})
        held.append(request)
        if len(held) == WATCHES:
            all_held.set()
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    api = await connect(answer)

    async def watch() -> None:
        async for _ in api.watch(CONFIG_MAP, "place", "", "1"):
            pass

    watches = [asyncio.create_task(watch()) for _ in range(WATCHES)]
    try:
        async with asyncio.timeout(20):
            await all_held.wait()
            assert await api.get(CONFIG_MAP, "place", "x") == {"kind": "ConfigMap"}
    finally:
        for each in watches:
            each.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


WEBHOOK_AWAY = (
    'Internal error occurred: failed calling webhook "images.example.com": failed to call webhook: Post'
    ' "https://images.policy.svc:443/": dial tcp 10.96.0.7:443: connect: connection refused'
)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (403, "exceeded quota: tight", ApiRefused),
        (409, "the object has been modified", ApiConflict),
        (500, WEBHOOK_AWAY, ApiRefused),
        (500, "etcdserver: leader changed", ApiUnavailable),
        (503, "apiserver is shutting down", ApiUnavailable),
    ],
    ids=["a quota", "a change meanwhile", "a webhook that is away", "an error inside", "a server that goes"],
)
async def test_an_error_says_whether_it_is_about_this_object(
    connect: Connect, status: int, message: str, error: type[OperatorError]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "reason": "Said", "message": message}, status=status)

    api = await connect(answer)
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "place", "name": "x"}}
    with pytest.raises(error, match=re.escape(message)):
        await api.apply(document)
