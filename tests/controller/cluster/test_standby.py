"""Two operators on the real API server: one acts, the other stands by and takes over.

`make test` has the same on a stand-in (handlers/test_leadership.py), and kills an operator's pod (e2e).
"""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.plan.leadership import DURATION_S
from tests.controller.cluster.conftest import grant
from tests.controller.cluster.operator import Namespace, Operator, build_service, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

LEASE = "pinnokio-operator"
START_S = 40.0


@pytest.fixture
def operators(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Operator]]:
    """Both with one service account; the first one acts."""
    folder = tmp_path_factory.mktemp("operators")
    place.kubectl("delete", "lease,role,rolebinding,serviceaccount", "--all")
    grant(place, folder / "kubeconfig")
    made = [_build(place, name, folder / f"{name}.log", folder / "kubeconfig") for name in ("first", "second")]
    for running, state in zip(made, ("acting", "standing by"), strict=True):
        running.start()
        wait_for(running.state, state.__eq__, START_S)
    yield made
    for running in made:
        running.stop()


def _build(place: Namespace, name: str, log: Path, kubeconfig: Path) -> Operator:
    environ = {"LEASE_NAME": LEASE, "POD_NAMESPACE": place.name, "POD_NAME": name}
    return Operator(place.name, log, kubeconfig, environ=environ)


@pytest.fixture
def served(place: Namespace, operators: list[Operator]) -> Iterator[Namespace]:
    """A PinnokioService that the first of them has looked after."""
    mine = replace(place, service="watched")
    mine.apply(build_service(mine.service))
    wait_for(lambda: mine.get("service", "watched-api"), lambda seen: seen is not None, 20)
    yield mine
    mine.kubectl("delete", "psvc", mine.service)


def test_a_second_operator_stands_by_and_takes_over(served: Namespace, operators: list[Operator]) -> None:
    first, second = operators
    assert "pinnokio_operator_leader 1.0" in first.metrics()
    assert "pinnokio_operator_leader 0.0" in second.metrics()
    # It asks for nothing but the Lease.
    asked = {line.split('resource="')[1].split('"')[0] for line in _requests(second)}
    assert asked == {"leases"}
    # Told to end, the first one gives the Lease back.
    first.stop()
    wait_for(second.state, "acting".__eq__, 20)
    _delete_and_wait(served)


def test_an_operator_that_was_killed_is_replaced_when_its_lease_runs_out(
    served: Namespace, operators: list[Operator]
) -> None:
    first, _ = operators
    first.stop(signal.SIGKILL)
    _delete_and_wait(served, DURATION_S + 20)
    lease = served.get("lease", LEASE)
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "second"


def _delete_and_wait(served: Namespace, within_s: float = 20) -> None:
    """Something for an operator that acts to put right."""
    served.kubectl("delete", "service", f"{served.service}-api")
    wait_for(lambda: served.get("service", f"{served.service}-api"), lambda seen: seen is not None, within_s)


def _requests(running: Operator) -> list[str]:
    lines = running.metrics().splitlines()
    return [line for line in lines if line.startswith("pinnokio_operator_api_requests_total{")]
