"""Figures of both cohorts: from the API pods' own /metrics, or from a Prometheus that scrapes them."""

import asyncio
import json
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from contract import metrics as names
from contract.kubernetes import API_PORT
from controller.model.counters import PodCounters
from controller.model.rollout import Prometheus
from controller.model.rollout_status import CohortFigures, RolloutFigures
from controller.model.service import ServiceKey

POD_TIMEOUT_S: Final = 3.0
PROMETHEUS_TIMEOUT_S: Final = 10.0
BODY_MAX_BYTES: Final = 4 * 1024 * 1024
STARTED: Final = "process_start_time_seconds"
_COHORTS: Final = (names.COHORT_ON, names.COHORT_OFF)
_WANTED: Final = (names.RPC_REQUESTS, f"{names.RPC_DURATION}_bucket", names.REGISTRY_FALLBACKS, STARTED)
log = logging.getLogger(__name__)


class FiguresUnavailable(Exception):
    """No figures can be had now; the message says from where and why."""


class FigureReader:
    """Reads and adds up; what happened in an interval is `controller.plan.figures`."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def read_pods(self, addresses: Mapping[str, str]) -> dict[str, PodCounters]:
        """By pod, of `addresses` (pod → IP). One that does not answer is left out; raises where none does."""
        answers = await asyncio.gather(
            *(self._read_pod(address) for address in addresses.values()), return_exceptions=True
        )
        found = {}
        for pod, answer in zip(addresses, answers, strict=True):
            if isinstance(answer, PodCounters):
                found[pod] = answer
            elif isinstance(answer, (aiohttp.ClientError, TimeoutError, OSError, ValueError)):
                log.info("figures of pod %s cannot be had: %s", pod, answer or type(answer).__name__)
            else:
                raise answer
        if not found:
            raise FiguresUnavailable("no API pod answers at /metrics")
        return found

    async def read_prometheus(
        self, key: ServiceKey, prometheus: Prometheus, window_s: float, now_s: float
    ) -> RolloutFigures:
        """Of the last `window_s` seconds, restarts taken care of by Prometheus. Raises FiguresUnavailable."""
        selector = prometheus.selector or f'namespace="{key.namespace}",pod=~"{key.name}-api-.*"'
        queries = build_queries(selector, max(1, math.ceil(window_s)))
        try:
            answers = await asyncio.gather(*(self._query(prometheus.url, each, now_s) for each in queries))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
            raise FiguresUnavailable(f"Prometheus at {prometheus.url}: {str(error) or type(error).__name__}") from error
        return build_figures(*answers)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _read_pod(self, address: str) -> PodCounters:
        host = f"[{address}]" if ":" in address else address
        return parse_counters(await self._get(f"http://{host}:{API_PORT}/metrics", {}, POD_TIMEOUT_S))

    async def _query(self, url: str, query: str, at_s: float) -> list[tuple[dict[str, str], float]]:
        text = await self._get(
            f"{url.rstrip('/')}/api/v1/query", {"query": query, "time": f"{at_s:.3f}"}, PROMETHEUS_TIMEOUT_S
        )
        answer: Any = json.loads(text)
        if answer["status"] != "success" or answer["data"]["resultType"] != "vector":
            raise ValueError(f"answers {str(answer)[:200]}")
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    async def _get(self, url: str, parameters: dict[str, str], timeout_s: float) -> str:
        """Raises aiohttp's errors, TimeoutError, OSError or ValueError."""
        if self._session is None:
            self._session = aiohttp.ClientSession()
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with self._session.get(url, params=parameters, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"answers {response.status}")
            body = await response.content.read(BODY_MAX_BYTES + 1)
            while len(body) <= BODY_MAX_BYTES and (more := await response.content.read(BODY_MAX_BYTES)):
                body += more
        if len(body) > BODY_MAX_BYTES:
            raise ValueError(f"answers more than {BODY_MAX_BYTES} bytes")
        return body.decode()


def parse_counters(text: str) -> PodCounters:
    """Prometheus text of one API process. Raises ValueError on anything else."""
    started: float | None = None
    calls, errors, buckets = Counter[str](), Counter[str](), Counter[tuple[str, float]]()
    fallbacks = 0.0
    wanted = "\n".join(line for line in text.splitlines() if line.startswith(_WANTED)) + "\n"
    for family in text_string_to_metric_families(wanted):
        for sample in family.samples:
            cohort = sample.labels.get("cohort", "")
            if sample.name == STARTED:
                started = sample.value
            elif sample.name == names.REGISTRY_FALLBACKS:
                fallbacks += sample.value
            elif cohort not in _COHORTS:
                continue
            elif sample.name == names.RPC_REQUESTS:
                calls[cohort] += int(sample.value)
                errors[cohort] += int(sample.value) if sample.labels["code"] in names.FAILURE_CODES else 0
            elif sample.labels["method"].partition(".")[0] not in names.UNEQUAL_NAMESPACES:
                buckets[cohort, float(sample.labels["le"])] += int(sample.value)
    if started is None:
        raise ValueError(f"has no {STARTED}")
    on, off = (_build_cohort(calls[each], errors[each], buckets, each) for each in _COHORTS)
    return PodCounters(started, RolloutFigures(on=on, off=off, fallbacks=round(fallbacks)))


def build_queries(selector: str, window_s: int) -> tuple[str, str, str, str]:
    """Calls, failed calls and durations by cohort, and fallbacks: what grew within the window."""
    cohorts = 'cohort=~"on|off"'
    codes = "|".join(names.FAILURE_CODES)
    unequal = "|".join(names.UNEQUAL_NAMESPACES)
    requests, bucket = names.RPC_REQUESTS, f"{names.RPC_DURATION}_bucket"
    methods = f'method!~"({unequal})[.].*"'
    return (
        f"sum by (cohort) (increase({requests}{{{selector},{cohorts}}}[{window_s}s]))",
        f'sum by (cohort) (increase({requests}{{{selector},{cohorts},code=~"{codes}"}}[{window_s}s]))',
        f"sum by (cohort, le) (increase({bucket}{{{selector},{cohorts},{methods}}}[{window_s}s]))",
        f"sum (increase({names.REGISTRY_FALLBACKS}{{{selector}}}[{window_s}s]))",
    )


_Vector = list[tuple[dict[str, str], float]]


def build_figures(calls: _Vector, errors: _Vector, buckets: _Vector, fallbacks: _Vector) -> RolloutFigures:
    """Of the answers to `build_queries`. What Prometheus has no series of, nobody called."""
    called, failed = _by_cohort(calls), _by_cohort(errors)
    classes = Counter({(labels["cohort"], float(labels["le"])): round(value) for labels, value in buckets})
    on, off = (_build_cohort(called[each], failed[each], classes, each) for each in _COHORTS)
    return RolloutFigures(on=on, off=off, fallbacks=round(sum(value for _, value in fallbacks)))


def _by_cohort(vector: _Vector) -> Counter[str]:
    return Counter({labels["cohort"]: round(value) for labels, value in vector})


def _build_cohort(calls: int, errors: int, buckets: Mapping[tuple[str, float], int], cohort: str) -> CohortFigures:
    """Prometheus counts a class with all those below it."""
    bounds = (*names.RPC_DURATION_BOUNDS_S, math.inf)
    cumulative = [buckets.get((cohort, bound), 0) for bound in bounds]
    return CohortFigures(calls=calls, errors=errors, latency=tuple(_differences(cumulative)))


def _differences(cumulative: Iterable[int]) -> Iterable[int]:
    below = 0
    for count in cumulative:
        yield max(0, count - below)
        below = max(below, count)
