"""The API: Deployment and Service."""

from typing import Final

from contract import env, kubernetes
from controller.manifests import environment, parts, pod
from controller.manifests.target import API, Target
from controller.manifests.types import Container, Deployment, Service

PORT_NAME: Final = "http"
# Endpoints drop a pod within a second or two of its end; until then it still answers.
PRE_STOP_S: Final = 3
# After that the API leaves for at most 6 s and ends its requests within 30 (service.api.serve).
GRACE_S: Final = 45


def build_api(target: Target) -> Deployment:
    """The Deployment; its number of pods is the autoscaler's where there is one."""
    template = pod.build_template(
        target,
        API,
        _build_container(target),
        pod.build_volumes(target),
        GRACE_S,
        metrics_port=kubernetes.API_PORT,
        is_spread=True,
    )
    spec = target.spec.api
    replicas = spec.replicas if spec.autoscaling is None else None
    return parts.build_deployment(target, target.api_name, API, template, parts.ROLLING, replicas)


def build_api_service(target: Target) -> Service:
    return parts.build_service(target, target.api_name, API, PORT_NAME, kubernetes.API_PORT)


def _build_container(target: Target) -> Container:
    spec = target.spec
    own = {"PORT": str(kubernetes.API_PORT), "WS_AUTH": "token" if spec.api.auth.websocket else "none"}
    if spec.migration.old_service:
        own["LEGACY_SESSION_SCAN"] = "true"
    variables = [
        *environment.build_environment(target, env.PART_API, own, spec.api.env),
        *environment.build_token(target),
    ]
    resources = pod.build_resources(spec.api.resources, "100m", "192Mi", "512Mi")
    return {
        **parts.build_container(target, API, variables, resources),
        "ports": [{"name": PORT_NAME, "containerPort": kubernetes.API_PORT}],
        # A minute to start; from then on alive is /healthz, and ready is /readyz, which asks Valkey.
        "startupProbe": {
            "httpGet": {"path": "/healthz", "port": PORT_NAME},
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": 60,
        },
        "livenessProbe": {
            "httpGet": {"path": "/healthz", "port": PORT_NAME},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": PORT_NAME},
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "failureThreshold": 3,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_S}}},
    }
