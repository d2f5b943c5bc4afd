"""Flower: Deployment and Service. It asks for a login; who may reach it at all is the network policy's."""

from typing import Final

from contract import env, kubernetes
from controller.manifests import environment, pod
from controller.manifests.api import GRACE_S, PROGRESS_DEADLINE_S
from controller.manifests.target import FLOWER, Target, build_metadata, build_selector
from controller.manifests.types import Container, Deployment, Probe, Service

PORT_NAME: Final = "http"


def build_flower(target: Target) -> Deployment:
    """One pod. A new login restarts it, and nothing else."""
    template = pod.build_template(target, FLOWER, _build_container(target), pod.build_volumes(target), GRACE_S)
    if target.secret and target.spec.flower.basic_auth_secret_ref is None:
        template["metadata"].setdefault("annotations", {})[kubernetes.ANNOTATION_LOGIN] = target.secret.flower_checksum
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(target, target.flower_name, FLOWER),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_S,
            "selector": build_selector(target, FLOWER),
            "strategy": {"type": "Recreate"},
            "template": template,
        },
    }


def build_flower_service(target: Target) -> Service:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(target, target.flower_name, FLOWER),
        "spec": {
            "type": "ClusterIP",
            "selector": build_selector(target, FLOWER)["matchLabels"],
            "ports": [{"name": PORT_NAME, "port": kubernetes.FLOWER_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }


def _build_container(target: Target) -> Container:
    spec = target.spec
    return {
        "name": FLOWER,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": pod.COMMAND,
        "env": [
            *environment.build_environment(target, env.PART_FLOWER, {}, ()),
            *environment.build_flower_login(target),
        ],
        "envFrom": environment.build_env_from(spec.env_from),
        "ports": [{"name": PORT_NAME, "containerPort": kubernetes.FLOWER_PORT}],
        "resources": pod.build_resources(spec.flower.resources, "50m", "96Mi", "256Mi"),
        "startupProbe": _build_probe(period_s=1, failures=60),
        "readinessProbe": _build_probe(period_s=5, failures=3),
        "livenessProbe": _build_probe(period_s=20, failures=3),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pod.build_container_security(),
        "volumeMounts": pod.build_mounts(target),
    }


def _build_probe(period_s: int, failures: int) -> Probe:
    """The one page that asks for no login."""
    return {
        "httpGet": {"path": "/healthcheck", "port": PORT_NAME},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
