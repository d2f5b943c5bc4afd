"""Jobs of the registries: restricted like every pod, another name for another try, drift told from a failure."""

from dataclasses import replace
from typing import Literal

import pytest

from controller.manifests.job import build_job
from controller.manifests.target import RegistryJob
from controller.model.service import ServiceKey
from tests.controller.builders import build_target

TARGET = build_target()


@pytest.mark.parametrize("command", ["verify", "restore-legacy"])
def test_a_job_runs_the_command_in_a_pod_like_the_others(command: Literal["verify", "restore-legacy"]) -> None:
    job = build_job(TARGET, RegistryJob(command, 3))
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert job["metadata"]["name"].startswith(f"demo-{command.partition('-')[0]}-3-")
    assert job["metadata"]["ownerReferences"][0]["controller"]
    assert (container["command"], container["args"][0]) == (["python", "-m", "service"], command)
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    variables = {variable["name"] for variable in container["env"]}
    assert {"LISTENERS_REDIS_HOST", "LISTENERS_REDIS_PASSWORD"} <= variables
    # It serves nobody: it is given no token.
    assert "LISTENERS_SERVICE_TOKEN" not in variables


def test_a_drift_that_was_found_is_not_looked_for_again_at_once() -> None:
    job = build_job(TARGET, RegistryJob("verify", 1))
    (rule,) = job["spec"]["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [3])
    assert rule["onExitCodes"]["containerName"] == job["spec"]["template"]["spec"]["containers"][0]["name"]
    assert "podFailurePolicy" not in build_job(TARGET, RegistryJob("restore-legacy", 1))["spec"]


def test_the_name_changes_with_what_cannot_change_in_a_job() -> None:
    first = build_job(TARGET, RegistryJob("verify", 1))["metadata"]["name"]
    assert build_job(TARGET, RegistryJob("verify", 1))["metadata"]["name"] == first
    assert build_job(TARGET, RegistryJob("verify", 2))["metadata"]["name"] != first
    other = replace(TARGET, spec=TARGET.spec.model_copy(update={"image": "pinnokio:2"}))
    assert build_job(other, RegistryJob("verify", 1))["metadata"]["name"] != first


@pytest.mark.parametrize("command", ["verify", "restore-legacy"])
def test_the_longest_name_fits(command: Literal["verify", "restore-legacy"]) -> None:
    target = replace(TARGET, key=ServiceKey("pinnokio", "a" * 40))
    assert len(build_job(target, RegistryJob(command, 99_999))["metadata"]["name"]) <= 63
