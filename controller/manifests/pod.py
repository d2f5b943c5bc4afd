"""The pod of every component: restricted pod security, a writable /tmp and nothing else that writes."""

from typing import Final

from contract import kubernetes
from controller.manifests.environment import FLAG_FOLDER
from controller.manifests.target import Target, build_labels
from controller.manifests.types import (
    Container,
    ContainerSecurity,
    Exec,
    PodSecurity,
    PodTemplate,
    Volume,
    VolumeMount,
)
from controller.model.pod import Resources

# The user of the image (Dockerfile), and the group of the embedded Valkey's volume.
USER: Final = 10_001
# A task that has passed its hard limit is killed by then; the rest is for saying goodbye.
GRACE_MARGIN_S: Final = 30

# CONTAINER_TYPE tells it which part to run.
COMMAND: Final = ["python", "-m", "service"]

TMP_VOLUME: Final[Volume] = {"name": "tmp", "emptyDir": {}}
TMP_MOUNT: Final[VolumeMount] = {"name": "tmp", "mountPath": "/tmp"}
FLAG_MOUNT: Final[VolumeMount] = {"name": "flag", "mountPath": FLAG_FOLDER, "readOnly": True}


def build_flag_volume(target: Target) -> Volume:
    """The flag document. The whole folder is mounted: kubelet renews it in place, without a restart."""
    return {"name": "flag", "configMap": {"name": target.flag_name}}


def build_pod_security() -> PodSecurity:
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def build_container_security() -> ContainerSecurity:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def build_template(
    target: Target,
    component: str,
    container: Container,
    volumes: list[Volume],
    grace_s: int,
    queue: str | None = None,
) -> PodTemplate:
    """One container in a restricted pod. A new generated Secret changes an annotation, so that pods restart with it."""
    template: PodTemplate = {
        "metadata": {"labels": build_labels(target, component, queue)},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # As process 1 of its own namespace a worker would never see a TERM that comes while Python starts (the
            # kernel drops it), and stay until the end of its grace period: an hour.
            "shareProcessNamespace": True,
            "terminationGracePeriodSeconds": grace_s,
            "securityContext": build_pod_security(),
            "containers": [container],
            "volumes": volumes,
        },
    }
    if target.secret:
        template["metadata"]["annotations"] = {kubernetes.ANNOTATION_SECRET: target.secret.checksum}
    if target.spec.image_pull_secrets:
        template["spec"]["imagePullSecrets"] = [{"name": ref.name} for ref in target.spec.image_pull_secrets]
    return template


def build_resources(given: Resources | None, cpu: str, memory: str, memory_limit: str) -> dict[str, dict[str, str]]:
    """What the spec says, whole; else requests of `cpu` and `memory`, and a limit on memory alone."""
    if given is not None:
        return given.as_dict()
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory_limit}}


def build_heartbeat_probe(file: str) -> Exec:
    """Holds while `file` was touched within the last minute. `celery inspect ping` would take seconds each time."""
    return {"command": ["sh", "-c", f'[ -n "$(find {file} -mmin -1)" ]']}
