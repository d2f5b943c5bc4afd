"""GET /metrics: this process's figures as Prometheus text, and how what the service depends on answered.

A scrape costs a ping and one read, whatever Valkey holds, and is answered when Valkey is down.
"""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from contract import metrics as names
from service.api.health import ValkeyProbe
from service.domain.health import ERROR, OK, Answer, choose_answers


class MetricsRoute:
    """The endpoint."""

    def __init__(self, probe: ValkeyProbe) -> None:
        self._probe = probe

    async def endpoint(self, _: Request) -> Response:
        latency_ms = await self._probe.latency_ms()
        checked = None if latency_ms is None else await self._probe.last_health_check()
        asked = Answer(ERROR) if latency_ms is None else Answer(OK, latency_ms)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Dependencies({**choose_answers(checked, time.time()), "redis": asked}))
        body = generate_latest() + generate_latest(registry)
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Dependencies(Collector):
    """What is not known has no sample."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up, latency = (_gauge(name) for name in (names.DEPENDENCY_UP, names.DEPENDENCY_LATENCY))
        for dependency, answer in sorted(self._answers.items()):
            up.add_metric((dependency,), float(answer.status == OK))
            if answer.latency_ms is not None:
                latency.add_metric((dependency,), answer.latency_ms / 1000)
        yield from (up, latency)


def _gauge(name: str) -> GaugeMetricFamily:
    name, meaning, labels = names.declare(name)
    return GaugeMetricFamily(name, meaning, labels=labels)
