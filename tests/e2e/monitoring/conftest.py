"""One loaded service for this folder, and the Prometheus that watched it from the first call to the last."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.alerts.promtool import RULES
from tests.cluster.model import Cluster, find_kubectl
from tests.controller.scaling.broker import Broker
from tests.e2e import release
from tests.e2e.client import forwarded
from tests.e2e.conftest import Release
from tests.e2e.images import Images
from tests.e2e.monitoring.load import load_badly, load_well
from tests.e2e.monitoring.loaded import LoadedService, Outside
from tests.firestore.emulator import running_emulator
from tests.missing import end_test_without
from tests.openai_server.server import openai_beside
from tests.prometheus.discovery import run_discovery
from tests.prometheus.monitors import build_scrapes
from tests.prometheus.server import RunningPrometheus, run_prometheus

SCRAPE_S = 2
NAME = "loaded"


@dataclass(frozen=True)
class Watched:
    """What Prometheus saw: the good time from `begin` to `worse`, the bad one to `end` (seconds since 1970)."""

    prometheus: RunningPrometheus
    namespace: str
    service: str
    begin: float
    worse: float
    end: float


@pytest.fixture(scope="package")
def host_address(cluster: Cluster) -> str:
    address = cluster.host_address()
    if address is None:
        end_test_without("a cluster whose pods reach a server on this machine")
    return address


@pytest.fixture(scope="package")
def outside(host_address: str) -> Iterator[Outside]:
    broker = Broker(host_address)
    broker.start()
    try:
        with broker.client() as valkey:
            valkey.config_set("maxmemory", "1gb")
        with openai_beside(host_address) as openai, running_emulator(host_address) as firestore:
            yield Outside(broker, openai, firestore)
    finally:
        broker.stop()


@pytest.fixture(scope="package")
def service(released: Release, images: Images, outside: Outside) -> Iterator[LoadedService]:
    loaded = LoadedService(released.cluster, released.namespace, NAME)
    loaded.create(images, outside)
    loaded.await_ready()
    yield loaded
    loaded.delete()


@pytest.fixture(scope="package")
def prometheus(
    released: Release, service: LoadedService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningPrometheus]:
    """It finds the pods by the monitors of the chart, and has the chart's rules."""
    with _proxied(released.cluster) as api_server, run_discovery(api_server) as discovery:
        monitors = _render_monitors(released)
        scrapes = [each for monitor in monitors for each in build_scrapes(monitor, api_server, discovery)]
        with run_prometheus(tmp_path_factory.mktemp("prometheus"), scrapes, [RULES]) as running:
            # Operator, API, and a worker of each queue.
            ours = f'namespace="{released.namespace}",service=~"pinnokio-operator|{NAME}"'
            running.await_value(f"count(up{{{ours}}} == 1)", 5)
            yield running


@pytest.fixture(scope="package")
def watched(released: Release, service: LoadedService, outside: Outside, prometheus: RunningPrometheus) -> Watched:
    where = (released.cluster, released.namespace, service.service)
    begin = time.time()
    # A socket that is not read holds up whatever shares its way.
    with forwarded(*where) as client, forwarded(*where) as slow_client:
        outside.firestore.assert_well()
        load_well(service, client, outside)
        outside.firestore.assert_well()
        worse = time.time()
        load_badly(service, client, slow_client, outside, prometheus)
    time.sleep(2 * SCRAPE_S)
    return Watched(prometheus, released.namespace, service.service, begin, worse, time.time())


def _render_monitors(released: Release) -> list[dict[str, Any]]:
    """As the release would have them were Prometheus Operator's kinds in this cluster."""
    kinds = ("ServiceMonitor", "PodMonitor")
    text = release.helm(
        released.cluster,
        *("template", release.RELEASE, str(release.CHART), "--namespace", released.namespace),
        *("--show-only", "templates/monitoring/monitors.yaml"),
        *("--set", f"monitoring.monitors.enabled=true,monitoring.monitors.interval={SCRAPE_S}s"),
        *(word for kind in kinds for word in ("--api-versions", f"monitoring.coreos.com/v1/{kind}")),
    )
    return list(yaml.safe_load_all(text))


@contextmanager
def _proxied(cluster: Cluster) -> Iterator[str]:
    """host:port of the API server without a login."""
    process = subprocess.Popen(
        [find_kubectl(), "proxy", "--port=0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)},
    )
    try:
        assert process.stdout is not None
        started = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert started, "kubectl proxy did not start"
        yield started[0]
    finally:
        process.terminate()
        process.communicate()
