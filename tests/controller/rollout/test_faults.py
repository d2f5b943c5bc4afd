"""What goes wrong in the middle of a rollout: the operator dies, Valkey goes, a person holds it; and the way back."""

import json
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contract import keys
from tests.controller.cluster.operator import Operator, wait_for
from tests.controller.cluster.outages import restart_api_server
from tests.controller.rollout.conftest import PATIENCE_S, USERS, Served
from tests.controller.rollout.test_rollout import build_rollout
from tests.controller.rollout.traffic import call
from tests.controller.scaling.broker import Broker

pytestmark = [pytest.mark.cluster, pytest.mark.faults]


def kill(operator: Operator) -> None:
    operator.stop(signal.SIGKILL)
    operator.start()


@pytest.fixture
def spoiled(served: Served) -> Iterator[None]:
    """Nobody's unified entry can be written."""
    assert served.broker is not None
    with served.broker.client() as client:
        for user in USERS:
            client.delete(keys.unified_user(user))
            client.set(keys.unified_user(user), "spoiled")
        yield
        for user in USERS:
            client.delete(keys.unified_user(user))


def test_an_operator_that_is_killed_while_a_step_is_published_goes_on(
    served: Served, operator: Operator, server: Broker
) -> None:
    with server.client() as client:
        # Nobody writes into Valkey for a while: neither the operator its document nor a pod its acknowledgement.
        client.client_pause(60_000, all=False)
        served.switch(enabled=True, rollout=build_rollout({"percent": 40}, {"percent": 100}))
        published = served.await_phase("Publishing", 1)
        assert not served.document().enabled
        kill(operator)
        wait_for(operator.state, lambda state: state, 60)
        assert served.rollout()["since"] == published["since"]
        client.client_unpause()
    with served.traffic():
        served.await_phase("Complete", 2)


@pytest.mark.parametrize("phase", ["Analysing", "Inconclusive", "Paused"])
def test_an_operator_that_is_killed_on_the_way_goes_on_where_it_was(
    served: Served, operator: Operator, phase: str
) -> None:
    with served.traffic() as traffic:
        few: dict[str, Any] = {"minSamples": 10_000_000} if phase == "Inconclusive" else {}
        rollout = build_rollout({"percent": 40}, {"percent": 100}, interval="3s", analysis=few)
        served.switch(enabled=True, rollout=rollout | {"paused": phase == "Paused"})
        before = wait_for(served.rollout, lambda seen: seen.get("step") and seen["phase"] in (phase, "Analysing"), 60)
        if before["phase"] != phase:
            before = served.await_phase(phase, 1)
        document = served.document()
        kill(operator)
        wait_for(operator.state, lambda state: state, 60)
        # Nobody was taken out meanwhile, and nothing was begun anew.
        assert served.document().percent_bp in (document.percent_bp, 4000, 10_000)
        assert served.rollout()["step"] >= before["step"]
        served.switch(rollout={"paused": False, "analysis": {"minSamples": 20}})
        served.await_phase("Complete", 2)
        assert served.document().percent_bp == 10_000
    assert not traffic.failures


def test_an_operator_that_is_killed_while_it_rolls_back_ends_it(
    served: Served, operator: Operator, spoiled: None
) -> None:
    with served.traffic() as traffic:
        served.switch(
            enabled=True, rollout=build_rollout({"percent": 60}, {"percent": 100}, analysis={"maxFailures": 1})
        )
        wait_for(served.rollout, lambda seen: seen.get("phase") in ("RollingBack", "RolledBack"), PATIENCE_S)
        kill(operator)
        back = served.await_phase("RolledBack", 0)
        assert back["failed"]["reason"] == "Fallbacks"
        wait_for(lambda: served.document().enabled, lambda enabled: not enabled, 20)
    assert not traffic.failures


@pytest.mark.parametrize(("asked", "phase", "step"), [("promote", "Complete", 2), ("rollback", "RolledBack", 0)])
def test_a_restarted_api_server_holds_a_rollout_which_goes_on(
    served: Served, operator: Operator, asked: str, phase: str, step: int
) -> None:
    """In the middle of a step, and of what a person has just asked for."""
    assert operator.process is not None
    pods, pid = served.pods(), operator.process.pid
    with served.traffic() as traffic:
        served.switch(enabled=True, rollout=build_rollout({"percent": 40}, {"percent": 100}, interval="4s"))
        served.await_phase("Analysing", 1)
        served.annotate(f"pinnokio.io/{asked}=before the restart")
        restart_api_server(served.cluster)
        # Pods serve by what they know meanwhile.
        served.await_phase(phase, step)
        wait_for(lambda: served.document().enabled, lambda enabled: enabled == (asked == "promote"), 20)
    assert not traffic.failures
    assert served.pods() == pods
    assert (operator.process.poll(), operator.process.pid) == (None, pid)


def test_a_bad_image_leaves_the_old_pods_serving(served: Served) -> None:
    pods, bad = set(served.pods()), "pinnokio:is-not-there"

    def run(image: str, policy: str) -> None:
        patch = json.dumps({"spec": {"image": image, "imagePullPolicy": policy}})
        served.kubectl("patch", "psvc", served.service, "--type=merge", "-p", patch)

    with served.traffic() as traffic:
        run(bad, "Never")
        degraded = wait_for(lambda: served.condition("Degraded"), lambda seen: seen["status"] == "True", PATIENCE_S)
        assert degraded["reason"] == "ImagePullBackOff"
        assert f"{bad} cannot be had" in degraded["message"]
        calls = traffic.calls
        wait_for(lambda: traffic.calls, lambda count: count > calls + 50, 30)
        assert pods <= set(served.pods())
        run(served.image, "IfNotPresent")
        wait_for(lambda: set(served.pods()), lambda seen: seen == pods, PATIENCE_S)
        wait_for(lambda: served.condition("Ready").get("status"), lambda status: status == "True", PATIENCE_S)
    assert not traffic.failures


def test_a_pause_holds_and_promotion_goes_past_it(served: Served) -> None:
    with served.traffic():
        served.annotate("pinnokio.io/rollout-paused=true")
        served.switch(
            enabled=True, rollout=build_rollout({"percent": 30}, {"percent": 60}, {"percent": 100}, interval="1s")
        )
        held = served.await_phase("Paused", 1)
        # Intervals go by, each counted from its beginning.
        wait_for(served.rollout, lambda seen: seen["windowStartedAt"] > held["windowStartedAt"], 30)
        assert served.rollout()["step"] == 1
        served.annotate("pinnokio.io/promote=one")
        served.await_phase("Paused", 2)
        served.annotate("pinnokio.io/rollback=previous once")
        served.await_phase("RolledBack", 1)
        served.annotate("pinnokio.io/promote=two", "pinnokio.io/rollout-paused-")
        served.await_phase("Complete", 3)
        assert {"RolloutPaused", "PromoteRequested", "RollbackRequested"} <= served.reasons()


def test_a_valkey_that_goes_holds_the_rollout_and_takes_it_up_again(served: Served, server: Broker) -> None:
    with served.traffic():
        served.switch(enabled=True, rollout=build_rollout({"percent": 40}, {"percent": 100}, interval="4s"))
        before = served.await_phase("Analysing", 1)
        revision = served.document().revision
        server.stop()
        try:
            status = wait_for(served.status, lambda seen: "acknowledged" not in seen["flag"], 60)
            assert status["rollout"]["step"] in (before["step"], 2)
            assert status["rollout"]["phase"] != "Complete"
        finally:
            server.start()
        # Its data are gone with it; what is published anew is newer than all that any pod knows.
        wait_for(lambda: _revision(served), lambda seen: seen >= revision, 60)
        served.await_phase("Complete", 2)


def _revision(served: Served) -> int:
    try:
        return served.document().revision
    except AssertionError:
        return 0


def test_legacy_writes_stop_after_a_day_and_come_back_before_the_flag_goes(
    served: Served, operator: Operator, server: Broker
) -> None:
    served.switch(enabled=True, legacyWrites=False)
    served.await_phase("Direct")
    waiting = wait_for(served.rollout, lambda seen: seen["legacy"]["state"] == "Waiting" and "wholeSince" in seen, 60)
    assert "24 hours" in waiting["legacy"]["message"] or waiting["legacy"]["message"]
    address = next(iter(served.pods().values()))
    with server.client() as client:
        # What a verification finds: a session that both registries tell differently.
        assert call(address, "REGISTRY.register_user", "drifter", "s1")["ok"]
        client.hset(keys.legacy_user("drifter"), "session_id", "other")
        _backdate(served, timedelta(hours=25))
        _await_legacy(served, "Drifted")
        assert served.document().legacy_writes
        assert "LegacyDrifted" in served.reasons()
        assert "drifter" in served.kubectl("logs", "-l", "app.kubernetes.io/component=registry-job", "--tail=50")
        assert served.condition("FlagRollout")["reason"] == "LegacyDrifted"
        # Mended, and verified again by a person's word; the operator dies meanwhile.
        client.delete(keys.legacy_user("drifter"), keys.unified_user("drifter"))
        served.annotate("pinnokio.io/promote=mended")
        _await_legacy(served, "Verifying", "Stopped")
        kill(operator)
        _await_legacy(served, "Stopped")
        wait_for(lambda: served.document().legacy_writes, lambda written: not written, 20)
        wait_for(lambda: served.status()["flag"].get("acknowledged"), lambda count: count == 2, 20)
        assert call(address, "REGISTRY.register_user", "late", "s2")["ok"]
        assert not client.exists(keys.legacy_user("late"))

        # The emergency: off. It is not instant, and nobody is lost.
        served.switch(enabled=False)
        told = wait_for(lambda: served.condition("FlagRollout"), lambda seen: seen["reason"] == "RestoringLegacy", 20)
        assert "not instant" in told["message"]
        kill(operator)
        _await_legacy(served, "Written")
        wait_for(lambda: served.document().enabled, lambda enabled: not enabled, 30)
        assert client.hget(keys.legacy_user("late"), "session_id") == b"s2"
        assert served.document().legacy_writes
        assert {"LegacyVerifying", "LegacyWritesStopped", "LegacyRestoring", "LegacyRestored"} <= served.reasons()
    wait_for(lambda: served.children("job"), lambda jobs: not jobs, 30)


def _await_legacy(served: Served, *states: str) -> None:
    read: Callable[[], str] = lambda: str(served.rollout().get("legacy", {}).get("state"))  # noqa: E731
    wait_for(read, lambda state: state in states, 120)


def _backdate(served: Served, by: timedelta) -> None:
    """As if it had been on for everybody for that long: the status is what the operator remembers by."""
    since = (datetime.now(UTC) - by).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    patch = json.dumps({"status": {"rollout": {"wholeSince": since}}})
    served.kubectl("patch", "psvc", served.service, "--subresource=status", "--type=merge", "-p", patch)
