"""What parts of the service have in common: a Deployment, a Service before it, and a container of the project's image.

What is a part's own (probes, resources, how it is replaced) stands in its module, the pod around it in `pod`.
"""

from typing import Final

from controller.manifests import environment, pod
from controller.manifests.target import Target, build_metadata, build_selector
from controller.manifests.types import Container, Deployment, DeploymentStrategy, EnvVar, PodTemplate, Service

# A pod that has not come up by then is told of.
PROGRESS_DEADLINE_S: Final = 300
# New pods are ready before old ones go.
ROLLING: Final[DeploymentStrategy] = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"},
}
# Never two at a time.
RECREATE: Final[DeploymentStrategy] = {"type": "Recreate"}
# CONTAINER_TYPE tells it which part to run.
COMMAND: Final = ["python", "-m", "service"]


def build_deployment(
    target: Target,
    name: str,
    component: str,
    template: PodTemplate,
    strategy: DeploymentStrategy,
    replicas: int | None,
    queue: str | None = None,
) -> Deployment:
    """`replicas` None: their number is someone else's."""
    built: Deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(target, name, component, queue),
        "spec": {
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_S,
            "selector": build_selector(target, component, queue),
            "strategy": strategy,
            "template": template,
        },
    }
    if replicas is not None:
        built["spec"]["replicas"] = replicas
    return built


def build_service(target: Target, name: str, component: str, port_name: str, port: int) -> Service:
    """The pods of a component, at a port that has the same number there."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": build_metadata(target, name, component),
        "spec": {
            "type": "ClusterIP",
            "selector": build_selector(target, component)["matchLabels"],
            "ports": [{"name": port_name, "port": port, "targetPort": port_name, "protocol": "TCP"}],
        },
    }


def build_container(
    target: Target, component: str, variables: list[EnvVar], resources: dict[str, dict[str, str]]
) -> Container:
    """A part that the project's image runs; whoever builds one adds its ports and probes."""
    spec = target.spec
    return {
        "name": component,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": COMMAND,
        "env": variables,
        "envFrom": environment.build_env_from(spec.env_from),
        "resources": resources,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pod.build_container_security(),
        "volumeMounts": pod.build_mounts(target),
    }
