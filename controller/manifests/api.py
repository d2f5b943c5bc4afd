"""The API: Deployment and Service."""

from typing import Final

from contract import env, kubernetes
from controller.manifests import environment, pod
from controller.manifests.target import API, Target, build_metadata, build_selector
from controller.manifests.types import Container, Deployment, Service

PORT_NAME: Final = "http"
# Endpoints drop a pod within a second or two of its end; until then it still answers.
PRE_STOP_S: Final = 3
# After that the API leaves for at most 6 s and ends its requests within 30 (service.api.serve).
GRACE_S: Final = 45
PROGRESS_DEADLINE_S: Final = 300


def build_api(target: Target) -> Deployment:
    """The Deployment; its number of pods is the autoscaler's where there is one."""
    built: Deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(target, target.api_name, API),
        "spec": {
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_S,
            "selector": build_selector(target, API),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": pod.build_template(
                target,
                API,
                _build_container(target),
                pod.build_volumes(target),
                GRACE_S,
                metrics_port=kubernetes.API_PORT,
                is_spread=True,
            ),
        },
    }
    if target.spec.api.autoscaling is None:
        built["spec"]["replicas"] = target.spec.api.replicas
    return built


def build_api_service(target: Target) -> Service:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(target, target.api_name, API),
        "spec": {
            "type": "ClusterIP",
            "selector": build_selector(target, API)["matchLabels"],
            "ports": [{"name": PORT_NAME, "port": kubernetes.API_PORT, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }


def _build_container(target: Target) -> Container:
    spec = target.spec
    own = {"PORT": str(kubernetes.API_PORT), "WS_AUTH": "token" if spec.api.auth.websocket else "none"}
    if spec.migration.old_service:
        own["LEGACY_SESSION_SCAN"] = "true"
    container: Container = {
        "name": API,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": pod.COMMAND,
        "env": [
            *environment.build_environment(target, env.PART_API, own, spec.api.env),
            *environment.build_token(target),
        ],
        "envFrom": environment.build_env_from(spec.env_from),
        "ports": [{"name": PORT_NAME, "containerPort": kubernetes.API_PORT}],
        "resources": pod.build_resources(spec.api.resources, "100m", "192Mi", "512Mi"),
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
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pod.build_container_security(),
        "volumeMounts": pod.build_mounts(target),
    }
    return container
