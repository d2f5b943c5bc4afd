"""Jobs that look after the registries: one verifies, one copies live users back into the legacy one."""

import hashlib
import json
from typing import Final

from contract import env, exit_codes
from controller.manifests import environment, parts, pod
from controller.manifests.target import REGISTRY_JOB, RegistryJob, Target, build_metadata
from controller.manifests.types import Container, ExitCodes, Job

# Of each registry; enough to find a drift of one in a thousand users for all but certain.
SAMPLE: Final = 10_000
VERIFY_LIMIT_S: Final = 900
GRACE_S: Final = 30
_ARGUMENTS: Final = {"verify": ["--sample", str(SAMPLE), "--list", "100"], "restore-legacy": []}
# A Job's name is a label of its pods: 63 characters at most, of which the service's name may take 40.
_WORDS: Final = {"verify": "verify", "restore-legacy": "restore"}


def build_job(target: Target, job: RegistryJob) -> Job:
    """Its name changes with its attempt and with what its pod is made of: the pod of a Job cannot change."""
    template = pod.build_template(
        target,
        REGISTRY_JOB,
        _build_container(target, job),
        pod.build_volumes(target),
        GRACE_S,
    )
    template["spec"]["restartPolicy"] = "Never"
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:6]
    built: Job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": build_metadata(
            target, f"{target.key.name}-{_WORDS[job.command]}-{job.attempt}-{digest}", REGISTRY_JOB
        ),
        "spec": {"backoffLimit": 4, "template": template},
    }
    if job.command == "verify":
        # It would be found again at once.
        codes: ExitCodes = {"containerName": REGISTRY_JOB, "operator": "In", "values": [exit_codes.DRIFT]}
        built["spec"]["activeDeadlineSeconds"] = VERIFY_LIMIT_S
        built["spec"]["podFailurePolicy"] = {"rules": [{"action": "FailJob", "onExitCodes": codes}]}
    return built


def _build_container(target: Target, job: RegistryJob) -> Container:
    variables = environment.build_environment(target, env.PART_API, {}, target.spec.api.env)
    resources = pod.build_resources(None, "50m", "128Mi", "512Mi")
    container = parts.build_container(target, REGISTRY_JOB, variables, resources)
    return {**container, "args": [job.command, *_ARGUMENTS[job.command]]}
