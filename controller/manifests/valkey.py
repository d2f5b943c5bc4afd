"""The embedded Valkey: a StatefulSet of one with an append-only file on a volume, and its Service."""

from typing import Final

from contract import kubernetes
from controller.manifests import parts, pod
from controller.manifests.target import VALKEY, Target, build_labels, build_metadata, build_selector
from controller.manifests.types import ClaimTemplate, Container, Service, StatefulSet
from controller.model.quantity import parse_quantity

PORT_NAME: Final = "valkey"
VOLUME: Final = "data"
FOLDER: Final = "/data"
# Rewriting the append-only file forks: a quarter of the memory is left to what is copied meanwhile.
MEMORY_SHARE: Final = 4, 3
GRACE_S: Final = 30


def build_valkey(target: Target) -> StatefulSet:
    """The volume's claim has no owner reference: deleting the PinnokioService keeps it, unless told otherwise."""
    retain = target.spec.valkey.embedded.storage.retain
    volumes = [pod.TMP_VOLUME]
    template = pod.build_template(target, VALKEY, _build_container(target), volumes, GRACE_S, is_bound=True)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": build_metadata(target, target.valkey_name, VALKEY),
        "spec": {
            "replicas": 1,
            # One has no order; and in order, a pod that cannot start is waited for, for ever, before it is replaced.
            "podManagementPolicy": "Parallel",
            "revisionHistoryLimit": 3,
            "serviceName": target.valkey_name,
            "selector": build_selector(target, VALKEY),
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": "Retain" if retain else "Delete",
                "whenScaled": "Retain",
            },
            "template": template,
            "volumeClaimTemplates": [_build_claim(target)],
        },
    }


def build_valkey_service(target: Target) -> Service:
    return parts.build_service(target, target.valkey_name, VALKEY, PORT_NAME, kubernetes.VALKEY_PORT)


def _build_container(target: Target) -> Container:
    embedded = target.spec.valkey.embedded
    resources = pod.build_resources(embedded.resources, "50m", "64Mi", "512Mi")
    return {
        "name": VALKEY,
        "image": embedded.image,
        "imagePullPolicy": target.spec.image_pull_policy,
        "command": ["valkey-server"],
        "args": _build_arguments(resources.get("limits", {}).get("memory")),
        "env": [
            {
                "name": "VALKEY_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": target.secret_name, "key": kubernetes.VALKEY_PASSWORD_KEY}},
            },
            # valkey-cli in the container logs in by this.
            {"name": "REDISCLI_AUTH", "value": "$(VALKEY_PASSWORD)"},
        ],
        "ports": [{"name": PORT_NAME, "containerPort": kubernetes.VALKEY_PORT}],
        "resources": resources,
        # A port that answers is enough: while the file is loaded, the API's /readyz sees the refusals.
        "readinessProbe": {"tcpSocket": {"port": PORT_NAME}, "periodSeconds": 2, "timeoutSeconds": 2},
        "livenessProbe": {
            "tcpSocket": {"port": PORT_NAME},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pod.build_container_security(),
        "volumeMounts": [pod.TMP_MOUNT, {"name": VOLUME, "mountPath": FOLDER}],
    }


def _build_arguments(memory_limit: str | None) -> list[str]:
    """Every write is in the file within a second (everysec); the process title hides the password from `ps`."""
    arguments = [
        *("--port", str(kubernetes.VALKEY_PORT)),
        *("--dir", FOLDER),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--requirepass", "$(VALKEY_PASSWORD)"),
    ]
    if memory_limit is None:
        return arguments
    parts, used = MEMORY_SHARE
    return [*arguments, "--maxmemory", str(int(parse_quantity(memory_limit)) // parts * used)]


def _build_claim(target: Target) -> ClaimTemplate:
    storage = target.spec.valkey.embedded.storage
    claim: ClaimTemplate = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": VOLUME, "labels": build_labels(target, VALKEY)},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": storage.size}},
        },
    }
    if storage.storage_class_name:
        claim["spec"]["storageClassName"] = storage.storage_class_name
    return claim
