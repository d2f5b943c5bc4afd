"""The flag from nobody to everybody and back on a real cluster, by the figures of real calls."""

import signal
from typing import Any

import pytest

from contract import keys
from tests.controller.cluster.operator import Operator, wait_for
from tests.controller.rollout.conftest import USERS, Served

pytestmark = pytest.mark.cluster


def build_rollout(*steps: dict[str, Any], interval: str = "2s", **more: Any) -> dict[str, Any]:
    analysis = {"minSamples": 20, "errorRatio": 0.05, "p99FloorMilliseconds": 5000} | more.pop("analysis", {})
    return {"steps": list(steps), "interval": interval, "analysis": analysis} | more


def test_the_flag_comes_to_everybody_step_by_step_and_goes_back_at_once(served: Served, operator: Operator) -> None:
    pods = served.pods()
    with served.traffic() as traffic:
        served.switch(enabled=True, rollout=build_rollout({"users": [USERS[0]]}, {"percent": 30}, {"percent": 100}))
        # One user of sixty makes too few calls: held, until someone says that it will do.
        held = served.await_phase("Inconclusive", 1)
        assert "calls needed" in held["message"]
        assert served.condition("FlagRollout")["reason"] == "Inconclusive"
        assert served.document().users == (USERS[0],)
        served.annotate("pinnokio.io/promote=first")
        done = served.await_phase("Complete", 3)
        assert (done["percent"], done["handledPromote"], done["baseline"]["errors"]) == (100, "first", 0)
        revision = served.document().revision
        status = wait_for(served.status, lambda seen: seen["flag"].get("acknowledged") == 2, 20)
        assert status["flag"] | {"revision": revision, "published": True, "pods": 2} == status["flag"]
        assert status["summary"]["flag"] == "100%"
        assert status["summary"]["rollout"] == "Complete 3/3"
        assert served.condition("FlagRollout")["status"] == "True"
        labels = f'namespace="{served.name}",phase="Complete",service="{served.service}"'
        wait_for(operator.metrics, lambda text: f"pinnokio_operator_rollout_phase{{{labels}}} 1.0" in text, 20)

        served.switch(debug=True)
        text = wait_for(lambda: _logs(served), lambda seen: "registry_wrapper_decision" in seen, 30)
        assert '"unified_registry": true' in text or '"unified_registry":true' in text

        served.annotate("pinnokio.io/rollback=enough")
        back = served.await_phase("RolledBack", 0)
        assert (back["failed"]["reason"], back["failed"]["step"]) == ("ByHand", 3)
        assert not served.document().enabled
    assert traffic.calls > 100
    assert not traffic.failures
    # Nothing of it restarted a pod.
    assert served.pods() == pods
    told = wait_for(served.reasons, lambda seen: "RolledBack" in seen, 20)
    assert {
        "StepPublishing",
        "StepAnalysing",
        "StepInconclusive",
        "PromoteRequested",
        "StepPassed",
        "RolloutComplete",
        "RollbackRequested",
        "RollingBack",
        "FlagPublished",
    } <= told


def test_figures_that_worsen_take_the_flag_back_and_the_spec_is_not_tried_again(
    served: Served, operator: Operator
) -> None:
    assert served.broker is not None
    with served.broker.client() as client, served.traffic() as traffic:
        # The unified registry of every user is of a kind that no registration can be written to.
        for user in USERS:
            client.delete(keys.unified_user(user))
            client.set(keys.unified_user(user), "spoiled")
        steps = ({"users": ["nobody"]}, {"percent": 60}, {"percent": 100})
        served.switch(enabled=True, rollout=build_rollout(*steps, interval="100s"))
        served.await_phase("Analysing", 1)
        served.annotate("pinnokio.io/promote=second")
        back = served.await_phase("RolledBack", 1)
        assert (back["failed"]["reason"], back["failed"]["step"]) == ("Fallbacks", 2)
        assert "allowed" in back["failed"]["message"]
        # Long before the end of the interval.
        assert "the check since" in back["failed"]["message"]
        assert served.document().percent_bp is None
        assert served.condition("FlagRollout")["reason"] == "RolledBack"
        assert "Warning" in served.kubectl("get", "events", "--field-selector=reason=RollingBack")

        # The operator that begins anew does not try it again; what changes is tried.
        operator.stop(signal.SIGKILL)
        operator.start()
        for user in USERS:
            client.delete(keys.unified_user(user))
        wait_for(operator.state, lambda state: state, 60)
        served.switch(debug=True)
        wait_for(lambda: served.document().debug, lambda debug: debug, 60)
        assert served.rollout()["phase"] == "RolledBack"
        served.switch(rollout={"interval": "1s"})
        again = served.await_phase("Analysing", 1)
        assert "failed" not in again
    # Whoever called heard of none of it: the legacy registry answered.
    assert not traffic.failures


def _logs(served: Served) -> str:
    selector = f"app.kubernetes.io/instance={served.service},app.kubernetes.io/component=api"
    return served.kubectl("logs", "-l", selector, "--tail=200")
