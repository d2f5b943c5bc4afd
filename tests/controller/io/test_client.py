"""The client of the API server, with a stand-in for it that speaks HTTP."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from kubernetes.aio.config import kube_config

from controller.cluster.client import KubernetesApi
from controller.model.kinds import CONFIG_MAP
from tests.controller.cluster.operator import free_port

# Eleven kinds in each of a dozen namespaces.
WATCHES = 132


def _write_kubeconfig(path: Path, port: int) -> None:
    context = {"context": {"cluster": "one", "user": "one"}, "name": "one"}
    cluster = {"cluster": {"server": f"http://127.0.0.1:{port}"}, "name": "one"}
    config = {"clusters": [cluster], "users": [{"name": "one", "user": {}}], "contexts": [context]}
    path.write_text(json.dumps(config | {"current-context": "one"}))


async def test_a_request_waits_for_no_watch_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner, port = web.AppRunner(app, access_log=None, shutdown_timeout=0.1), free_port()
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    _write_kubeconfig(tmp_path / "config", port)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))
    api = await KubernetesApi.connect()

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
        await api.close()
        await runner.cleanup()
