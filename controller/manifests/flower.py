"""Flower: Deployment and Service. It asks for a login; who may reach it at all is the network policy's."""

from typing import Final

from contract import env, kubernetes
from controller.manifests import environment, parts, pod
from controller.manifests.api import GRACE_S
from controller.manifests.target import FLOWER, Target
from controller.manifests.types import Container, Deployment, Probe, Service

PORT_NAME: Final = "http"


def build_flower(target: Target) -> Deployment:
    """One pod."""
    template = pod.build_template(target, FLOWER, _build_container(target), pod.build_volumes(target), GRACE_S)
    return parts.build_deployment(target, target.flower_name, FLOWER, template, parts.RECREATE, 1)


def build_flower_service(target: Target) -> Service:
    return parts.build_service(target, target.flower_name, FLOWER, PORT_NAME, kubernetes.FLOWER_PORT)


def _build_container(target: Target) -> Container:
    variables = [
        *environment.build_environment(target, env.PART_FLOWER, {}, ()),
        *environment.build_flower_login(target),
    ]
    resources = pod.build_resources(target.spec.flower.resources, "50m", "96Mi", "256Mi")
    return {
        **parts.build_container(target, FLOWER, variables, resources),
        "ports": [{"name": PORT_NAME, "containerPort": kubernetes.FLOWER_PORT}],
        "startupProbe": _build_probe(period_s=1, failures=60),
        "readinessProbe": _build_probe(period_s=5, failures=3),
        "livenessProbe": _build_probe(period_s=20, failures=3),
    }


def _build_probe(period_s: int, failures: int) -> Probe:
    """The one page that asks for no login."""
    return {
        "httpGet": {"path": "/healthcheck", "port": PORT_NAME},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
