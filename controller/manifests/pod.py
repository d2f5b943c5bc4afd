"""The pod of every component: restricted pod security, a writable /tmp and nothing else that writes."""

from typing import Final

from contract import kubernetes
from controller.manifests.environment import CA_FILE, CA_FOLDER, FLAG_FOLDER
from controller.manifests.target import API, FLOWER, Target, build_labels, build_selector
from controller.manifests.types import (
    Container,
    ContainerSecurity,
    Exec,
    PodSecurity,
    PodTemplate,
    SecretItem,
    Toleration,
    TopologySpread,
    Volume,
    VolumeMount,
)
from controller.model.pod import Resources

# The user of the image (Dockerfile), and the group of the embedded Valkey's volume.
USER: Final = 10_001
# A task that has passed its hard limit is killed by then; the rest is for saying goodbye.
GRACE_MARGIN_S: Final = 30

# A node that says nothing is given up after some 50 s, and this long after that its pods are replaced; Kubernetes'
# default is 300 s, for which tasks would wait.
LOST_NODE_S: Final = 30
# What else than Valkey's password a component reads of the generated Secret.
_SECRETS: Final = {API: (kubernetes.TOKEN_KEY,), FLOWER: (kubernetes.FLOWER_KEY,)}

TMP_VOLUME: Final[Volume] = {"name": "tmp", "emptyDir": {}}
TMP_MOUNT: Final[VolumeMount] = {"name": "tmp", "mountPath": "/tmp"}
FLAG_MOUNT: Final[VolumeMount] = {"name": "flag", "mountPath": FLAG_FOLDER, "readOnly": True}
CA_MOUNT: Final[VolumeMount] = {"name": "valkey-ca", "mountPath": CA_FOLDER, "readOnly": True}


def build_volumes(target: Target) -> list[Volume]:
    """Volumes of a part of the service: /tmp, the flag document, the external Valkey's authority where there is one.

    The flag's whole folder is mounted: kubelet renews it in place, without a restart.
    """
    volumes: list[Volume] = [TMP_VOLUME, {"name": "flag", "configMap": {"name": target.flag_name}}]
    external = target.spec.valkey.external
    if external and external.tls.ca_secret_ref:
        ref = external.tls.ca_secret_ref
        item: SecretItem = {"key": ref.key, "path": CA_FILE}
        volumes.append({"name": CA_MOUNT["name"], "secret": {"secretName": ref.name, "items": [item]}})
    return volumes


def build_mounts(target: Target) -> list[VolumeMount]:
    """Where those volumes are."""
    external = target.spec.valkey.external
    has_authority = external is not None and external.tls.ca_secret_ref is not None
    return [TMP_MOUNT, FLAG_MOUNT, *([CA_MOUNT] if has_authority else [])]


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
    *,
    metrics_port: int | None = None,
    is_spread: bool = False,
    is_bound: bool = False,
) -> PodTemplate:
    """One container in a restricted pod. It restarts when a generated value that it reads changes.

    `is_spread`: there may be several of it, which `spec.spread` places. `is_bound`: its volume keeps it where it is.
    """
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
    annotations = _build_scraping(metrics_port)
    if target.secret and (
        checksum := target.secret.checksum(kubernetes.VALKEY_PASSWORD_KEY, *_SECRETS.get(component, ()))
    ):
        annotations[kubernetes.ANNOTATION_SECRET] = checksum
    if annotations:
        template["metadata"]["annotations"] = annotations
    if is_spread and target.spec.spread.topology_keys:
        template["spec"]["topologySpreadConstraints"] = _build_spread(target, component, queue)
    if not is_bound:
        template["spec"]["tolerations"] = [_build_toleration(taint) for taint in ("not-ready", "unreachable")]
    if target.spec.image_pull_secrets:
        template["spec"]["imagePullSecrets"] = [{"name": ref.name} for ref in target.spec.image_pull_secrets]
    return template


def _build_scraping(port: int | None) -> dict[str, str]:
    """The annotations by which a Prometheus that discovers pods finds /metrics."""
    if port is None:
        return {}
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/metrics"}


def _build_spread(target: Target, component: str, queue: str | None) -> list[TopologySpread]:
    """Counted within one revision: old pods that go must not push new ones together."""
    spread = target.spec.spread
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": spread.when_unsatisfiable,
            "labelSelector": build_selector(target, component, queue),
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in spread.topology_keys
    ]


def _build_toleration(taint: str) -> Toleration:
    return {
        "key": f"node.kubernetes.io/{taint}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": LOST_NODE_S,
    }


def build_resources(given: Resources | None, cpu: str, memory: str, memory_limit: str) -> dict[str, dict[str, str]]:
    """What the spec says, whole; else requests of `cpu` and `memory`, and a limit on memory alone."""
    if given is not None:
        return given.as_dict()
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory_limit}}


def build_heartbeat_probe(file: str) -> Exec:
    """Holds while `file` was touched within the last minute. `celery inspect ping` would take seconds each time."""
    return {"command": ["sh", "-c", f'[ -n "$(find {file} -mmin -1)" ]']}
