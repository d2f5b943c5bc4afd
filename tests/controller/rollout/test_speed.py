"""How long a change of the flag takes: from the request to the API server until every pod has acknowledged it."""

import statistics
import sys
import time
from typing import Any, cast

import msgspec
import pytest
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config

from contract import flag, keys
from contract.kubernetes import ANNOTATION_PROMOTE, ANNOTATION_ROLLBACK, GROUP, PLURAL, VERSION
from tests.controller.rollout.conftest import Served
from tests.controller.rollout.test_rollout import build_rollout

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

CHANGES = 40
DEADLINE_S = 30.0


@pytest.mark.parametrize("how", ["spec", "annotation"])
def test_every_pod_serves_by_a_change_within_a_second(
    served: Served, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """On and off in turn, by `enabled`, or by promoting and rolling back a rollout.

    The figures are for docs/performance.md; what is held here is their middle.
    """
    cast("Any", kubernetes_config).load_kube_config(str(served.cluster.kubeconfig))
    api: Any = cast("Any", kubernetes_client).CustomObjectsApi()
    if how == "annotation":
        served.switch(enabled=True, rollout=build_rollout({"percent": 50}, {"percent": 100}, interval="1h"))
        served.await_phase("Analysing", 1)
        served.annotate("pinnokio.io/rollback=first")
        served.await_phase("RolledBack", 0)
    pods, taken_s = set(served.pods()), {True: list[float](), False: list[float]()}
    for number in range(2 * CHANGES):
        enabled = number % 2 == 0
        body: dict[str, Any] = {"spec": {"unifiedRegistry": {"enabled": enabled}}}
        if how == "annotation":
            asked = ANNOTATION_PROMOTE if enabled else ANNOTATION_ROLLBACK
            body = {"metadata": {"annotations": {asked: f"number {number}"}}}
        began = time.monotonic()
        api.patch_namespaced_custom_object(GROUP, VERSION, served.name, PLURAL, served.service, body)
        _await_acknowledgements(served, pods, enabled)
        taken_s[enabled].append(time.monotonic() - began)
    with capsys.disabled():
        sys.stdout.write("".join(f"\n{how} {_describe(taken_s[on], on)}" for on in (True, False)))
    assert statistics.median(taken_s[True]) < 1.0
    assert statistics.median(taken_s[False]) < 1.0


def _describe(taken_s: list[float], enabled: bool) -> str:
    times = sorted(taken_s)
    p99 = times[min(len(times) - 1, round(0.99 * len(times)))]
    word = "on" if enabled else "off"
    return f"{word}: n {len(times)}, median {statistics.median(times) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"


def _await_acknowledgements(served: Served, pods: set[str], enabled: bool) -> None:
    assert served.broker is not None
    deadline = time.monotonic() + DEADLINE_S
    with served.broker.client() as client:
        while time.monotonic() < deadline:
            raw = client.get(keys.FLAG)
            document = flag.decode(raw) if isinstance(raw, bytes) else flag.FlagDocument()
            if document.enabled == enabled:
                entries: Any = client.hgetall(keys.FLAG_ACKS)
                acks = [msgspec.json.decode(value, type=flag.FlagAck) for value in entries.values()]
                if pods <= {ack.pod for ack in acks if ack.revision >= document.revision}:
                    return
            time.sleep(0.002)
    pytest.fail(f"not acknowledged by {pods} within {DEADLINE_S} s")
