"""Figures of both cohorts as the API writes them, counted over restarts, and as Prometheus is asked for them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, start_http_server
from prometheus_client.process_collector import ProcessCollector

from contract import metrics as names
from controller.cluster.figures import FigureReader, FiguresUnavailable, build_queries, parse_counters
from controller.handlers.figures import FigureSampler, Window
from controller.model.counters import PodCounters
from controller.model.rollout import Prometheus
from controller.model.rollout_status import CohortFigures, RolloutFigures
from controller.plan.figures import NOTHING, tally
from tests.controller.builders import KEY
from tests.controller.cluster.operator import free_port
from tests.prometheus.server import build_static_scrape, run_prometheus

CLASSES = len(names.RPC_DURATION_BOUNDS_S) + 1


class Api:
    """The figures of an API process, by the real library."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(names.RPC_REQUESTS, "x", ("method", "code", "cohort"), registry=self.registry)
        self.duration = Histogram(
            names.RPC_DURATION, "x", ("method", "cohort"), buckets=names.RPC_DURATION_BOUNDS_S, registry=self.registry
        )
        self.fallbacks = Counter(names.REGISTRY_FALLBACKS, "x", ("operation",), registry=self.registry)

    def call(self, count: int, cohort: str, code: str = "OK", method: str = "REGISTRY.register_user") -> None:
        for _ in range(count):
            self.requests.labels(method, code, cohort).inc()
            self.duration.labels(method, cohort).observe(0.004)

    def text(self) -> str:
        return generate_latest(self.registry).decode()


def test_what_an_api_process_writes_is_read() -> None:
    api = Api()
    api.call(7, "on")
    api.call(2, "on", "INTERNAL")
    api.call(1, "on", "TIMEOUT")
    api.call(1, "on", "QUOTA_EXCEEDED")
    api.call(5, "off")
    api.call(9, "none", "INVALID_ARGS")
    api.call(3, "on", method="TASK.start_document_analysis")
    api.fallbacks.labels("register_user").inc(2)
    counters = parse_counters(api.text())
    on, off = counters.counted.on, counters.counted.off
    assert (on.calls, on.errors, off.calls, off.errors) == (14, 3, 5, 0)
    # Starts do other work with the flag on than off: their times are not compared.
    assert (sum(on.latency), sum(off.latency)) == (11, 5)
    assert on.latency[names.RPC_DURATION_BOUNDS_S.index(0.005)] == 11
    assert counters.counted.fallbacks == 2
    assert 0 < time.time() - counters.started_at < 86_400


def test_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match="process_start_time_seconds"):
        parse_counters("<html>not found</html>")


def _pod(calls: int, started_at: float = 100.0, errors: int = 0) -> PodCounters:
    return PodCounters(started_at, RolloutFigures(on=CohortFigures(calls=calls, errors=errors, latency=(calls, 0))))


@pytest.mark.parametrize(
    ("before", "now", "looked_at", "calls"),
    [
        pytest.param({}, {"a": _pod(50)}, None, 0, id="first look: from here on"),
        pytest.param({"a": _pod(50)}, {"a": _pod(80)}, 200.0, 30, id="more"),
        pytest.param({"a": _pod(50)}, {"a": _pod(50)}, 200.0, 0, id="no more"),
        pytest.param({"a": _pod(50)}, {"a": _pod(7, 210.0)}, 200.0, 7, id="restarted"),
        pytest.param({"a": _pod(50)}, {"a": _pod(70, 210.0)}, 200.0, 70, id="restarted, and counts more"),
        pytest.param({"a": _pod(50)}, {"a": _pod(7, 190.0)}, 200.0, 7, id="restarted, clocks disagree"),
        pytest.param({"a": _pod(50)}, {"a": _pod(60), "b": _pod(9, 210.0)}, 200.0, 19, id="a new pod"),
        pytest.param({"a": _pod(50)}, {"a": _pod(60), "b": _pod(9, 110.0)}, 200.0, 10, id="an old pod seen late"),
        pytest.param({"a": _pod(50), "b": _pod(9)}, {"a": _pod(51)}, 200.0, 1, id="a pod that went"),
        pytest.param({"a": _pod(50)}, {"a": _pod(40)}, 200.0, 0, id="a counter that fell"),
    ],
)
def test_counting_over_pods_and_restarts(
    before: dict[str, PodCounters], now: dict[str, PodCounters], looked_at: float | None, calls: int
) -> None:
    assert tally(NOTHING, before, now, looked_at).on.calls == calls
    so_far = RolloutFigures(on=CohortFigures(calls=1000))
    assert tally(so_far, before, now, looked_at).on.calls == 1000 + calls


@pytest.fixture
async def reader() -> AsyncIterator[FigureReader]:
    own = FigureReader()
    yield own
    await own.close()


async def _serve(answer: "web.Application", port: int, host: str = "127.0.0.1") -> web.AppRunner:
    runner = web.AppRunner(answer, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


async def test_pods_are_read_and_what_does_not_answer_is_left_out(
    reader: FigureReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, port = Api(), free_port()
    api.call(3, "on")
    monkeypatch.setattr("controller.cluster.figures.API_PORT", port)
    served = await _serve_metrics(api, port)
    try:
        found = await reader.read_pods({"a": "127.0.0.1", "b": "127.0.0.2"})
        assert {pod: counters.counted.on.calls for pod, counters in found.items()} == {"a": 3}
        with pytest.raises(FiguresUnavailable, match="no API pod answers"):
            await reader.read_pods({"b": "127.0.0.2"})
    finally:
        await served.cleanup()


async def test_an_interval_is_counted_from_its_beginning_and_goes_on_from_the_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api, port, marked = Api(), free_port(), asyncio.Event()
    monkeypatch.setattr("controller.cluster.figures.API_PORT", port)
    served = await _serve_metrics(api, port)
    sampler = FigureSampler(FigureReader(), lambda _: {"a": "127.0.0.1"}, lambda _: marked.set())

    async def count(window: Window, calls: int) -> None:
        async with asyncio.timeout(20):
            while (figures := sampler.follow(KEY, window)) is None or figures.on.calls != calls:
                marked.clear()
                await marked.wait()

    try:
        api.call(10, "on")
        first = Window("one", datetime.now(UTC), 1.0)
        await count(first, 0)
        api.call(5, "on")
        await count(first, 5)
        second = Window("two", datetime.now(UTC), 1.0, measured=RolloutFigures(on=CohortFigures(calls=100)))
        await count(second, 100)
        # What stands in the status is known at once; what comes on top counts from the first look on.
        marked.clear()
        await marked.wait()
        api.call(1, "on")
        await count(second, 101)
        await served.cleanup()
        async with asyncio.timeout(20):
            while sampler.follow(KEY, second) is not None:
                marked.clear()
                await marked.wait()
        served = await _serve_metrics(api, port)
        api.call(2, "on")
        # Nothing is lost while nobody could look.
        await count(second, 103)
    finally:
        await sampler.close()
        await served.cleanup()


async def test_prometheus_is_asked_for_the_interval(reader: FigureReader) -> None:
    """A stand-in that answers as Prometheus does, for what it is asked; a real one is asked below."""
    asked: list[dict[str, str]] = []

    async def query(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return await _answer(json.dumps({"status": "success", "data": _vector(request.query["query"])}))

    app, port = web.Application(), free_port()
    app.router.add_get("/api/v1/query", query)
    served = await _serve(app, port)
    try:
        prometheus = Prometheus(url=f"http://127.0.0.1:{port}/")
        figures = await reader.read_prometheus(KEY, prometheus, 61.2, 1000.0)
        assert (figures.on.calls, figures.on.errors, figures.off.calls, figures.fallbacks) == (40, 2, 80, 3)
        assert figures.on.latency[:3] == (10, 20, 0)
        assert len(asked) == 4
        assert all('namespace="place",pod=~"demo-api-.*"' in each["query"] for each in asked)
        assert all("[62s]" in each["query"] and each["time"] == "1000.000" for each in asked)
    finally:
        await served.cleanup()
    with pytest.raises(FiguresUnavailable, match=f"127.0.0.1:{port}"):
        await reader.read_prometheus(KEY, prometheus, 60, 1000.0)


async def test_a_real_prometheus_answers_over_a_restart(reader: FigureReader, tmp_path: Path) -> None:
    api, port = Api(), free_port()
    server, thread = start_http_server(port, "127.0.0.1", api.registry)
    mine = {"namespace": "place", "pod": "demo-api-1"}
    on = f'sum({names.RPC_REQUESTS}{{cohort="on"}})'
    try:
        api.call(10, "on")
        api.call(1, "off")
        api.call(1, "on", "INTERNAL")
        api.fallbacks.labels("register_user").inc(0)
        with run_prometheus(tmp_path, [build_static_scrape({f"127.0.0.1:{port}": mine})]) as running:
            running.await_value(on, 11)
            api.call(90, "on")
            api.call(9, "on", "INTERNAL")
            api.call(40, "off")
            api.call(30, "on", method="TASK.start_document_analysis")
            api.fallbacks.labels("register_user").inc(7)
            running.await_value(on, 140)
            # Another process in its place counts from the beginning.
            server.shutdown()
            server.server_close()
            thread.join()
            api = Api()
            api.call(5, "on")
            api.call(1, "off")
            api.call(2, "on", "INTERNAL")
            api.fallbacks.labels("register_user").inc(0)
            server, thread = start_http_server(port, "127.0.0.1", api.registry)
            running.await_value(on, 7)
            figures = await reader.read_prometheus(KEY, Prometheus(url=running.url), 60, time.time())
            other = Prometheus(url=running.url, selector='namespace="other"')
            nobody = await reader.read_prometheus(KEY, other, 60, time.time())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (nobody.on.calls, nobody.off.calls, sum(nobody.on.latency), nobody.fallbacks) == (0, 0, 0, 0)
    # Prometheus reckons an increase to the edges of its window; the series is shorter than that here.
    assert figures.on.calls == pytest.approx(129 + 7, rel=0.35)
    assert figures.on.errors == pytest.approx(9 + 2, abs=5)
    assert figures.off.calls == pytest.approx(40 + 1, rel=0.35)
    assert figures.fallbacks == pytest.approx(7, abs=4)
    # The starts are not among the times that are compared.
    assert sum(figures.on.latency) == pytest.approx(99 + 7, rel=0.35)
    assert figures.on.latency[names.RPC_DURATION_BOUNDS_S.index(0.005)] == sum(figures.on.latency)


def _vector(query: str) -> dict[str, object]:
    samples: list[tuple[dict[str, str], float]]
    if "_bucket" in query:
        samples = [
            ({"cohort": "on", "le": "0.001"}, 10.0),
            ({"cohort": "on", "le": "0.0025"}, 30.2),
            ({"cohort": "on", "le": "+Inf"}, 30.4),
        ]
    elif "code=~" in query:
        samples = [({"cohort": "on"}, 2.1)]
    elif names.REGISTRY_FALLBACKS in query:
        samples = [({}, 3.0)]
    else:
        samples = [({"cohort": "on"}, 39.8), ({"cohort": "off"}, 80.0)]
    return {"resultType": "vector", "result": [{"metric": each, "value": [1, str(value)]} for each, value in samples]}


async def _serve_metrics(api: Api, port: int) -> web.AppRunner:
    async def metrics(_: web.Request) -> web.Response:
        return await _answer(api.text())

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    return await _serve(app, port)


async def _answer(text: str) -> web.Response:
    return web.Response(text=text)


def test_queries_name_what_the_api_writes() -> None:
    text = "".join(build_queries('namespace="n"', 60))
    assert names.RPC_REQUESTS in text
    assert f"{names.RPC_DURATION}_bucket" in text
    assert names.REGISTRY_FALLBACKS in text
