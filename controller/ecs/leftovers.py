"""What of a task definition has no place in a PinnokioService, and what a person does about it."""

from collections.abc import Sequence
from typing import Any, Final

from contract.kubernetes import API_PORT
from controller.ecs.model import FLOWER, Findings, Part, Source

# Said by ECS about the definition, or true of every pod anyway.
_TASK_SILENT: Final = frozenset({
    "taskDefinitionArn", "containerDefinitions", "family", "revision", "status", "requiresAttributes",
    "compatibilities", "registeredAt", "registeredBy", "deregisteredAt", "requiresCompatibilities",
    "networkMode", "cpu", "memory", "tags", "enableFaultInjection"
})  # fmt: skip
_CONTAINER_SILENT: Final = frozenset({
    "name", "image", "cpu", "memory", "memoryReservation", "environment", "secrets", "environmentFiles",
    "command", "entryPoint", "healthCheck", "portMappings", "repositoryCredentials", "essential",
    "readonlyRootFilesystem", "privileged", "user", "interactive", "pseudoTerminal", "versionConsistency",
    "restartPolicy", "disableNetworking"
})  # fmt: skip
_TASK: Final = {
    "taskRoleArn": "pods get rights in AWS by EKS Pod Identity or IRSA: bind the role to the namespace's default"
    " service account, or give keys in a Secret",
    "executionRoleArn": "nodes pull the image: let them read its registry, or set spec.imagePullSecrets",
    "volumes": "pods write to /tmp only; what must stay goes to Valkey, Firestore or Chroma",
    "placementConstraints": "see spec.spread",
    "runtimePlatform": "build the image for the cluster's nodes",
    "ephemeralStorage": "/tmp is an emptyDir of the node",
    "proxyConfiguration": "a mesh of the cluster takes its place",
    "inferenceAccelerators": "there is no field for accelerators",
}
_CONTAINER: Final = {
    "logConfiguration": "logs are JSON on stdout: kubectl logs, or the cluster's collector",
    "firelensConfiguration": "logs are JSON on stdout: kubectl logs, or the cluster's collector",
    "mountPoints": "pods write to /tmp only",
    "volumesFrom": "pods write to /tmp only",
    "dependsOn": "nothing needs an order: each part waits for Valkey by itself",
    "links": "parts find each other by Services",
    "stopTimeout": "workers get their hard time limit and 30 s to end, the API drains by itself",
    "ulimits": "the node's limits hold",
    "linuxParameters": "restricted pod security holds for every pod",
    "dockerLabels": "labels are the operator's",
    "resourceRequirements": "there is no field for accelerators",
}
_HEALTH_PATHS: Final = ("/healthz", "/readyz", "inspect", "status")


def find_leftovers(sources: Sequence[Source], parts: Sequence[Part], findings: Findings) -> None:
    """Told in `findings`, the task's first, each thing once for all containers that have it."""
    for source in sources:
        for key, value in source.raw.items():
            if value and key not in _TASK_SILENT:
                findings.left.append(f"{key}: {_TASK.get(key, 'there is no field for it')}")
    raws = [_raw_of(part) for part in parts]
    for key in dict.fromkeys(key for raw in raws for key, value in raw.items() if value):
        if key not in _CONTAINER_SILENT:
            having = ", ".join(str(raw["name"]) for raw in raws if raw.get(key))
            findings.left.append(f"{key} of {having}: {_CONTAINER.get(key, 'there is no field for it')}")
    for part in parts:
        _tell_command(part, findings)
        _tell_health(part, findings)
        _tell_ports(part, findings)


def _raw_of(part: Part) -> dict[str, Any]:
    entries = part.source.raw["containerDefinitions"]
    return next(entry for entry in entries if entry.get("name") == part.container.name)


def _tell_command(part: Part, findings: Findings) -> None:
    words = part.container.words
    if words and "celery" not in " ".join(words) and list(words[-3:]) != ["python", "-m", "service"]:
        findings.left.append(
            f"command of {part.container.name} ({' '.join(words)[:80]}): the image starts by `python -m service`"
        )
    elif words:
        findings.changed.append(
            f"command of {part.container.name}: `python -m service` starts the part; queues and concurrency were read"
        )


def _tell_health(part: Part, findings: Findings) -> None:
    check = part.container.health_check
    if check is None:
        return
    command = " ".join(check.command)
    if any(path in command for path in _HEALTH_PATHS):
        findings.changed.append(f"health check of {part.container.name}: the operator's own probes, which look at more")
    else:
        findings.left.append(f"health check of {part.container.name} ({command[:80]}): the operator's own probes hold")


def _tell_ports(part: Part, findings: Findings) -> None:
    ports = [each.container_port for each in part.container.port_mappings if each.container_port]
    other = [port for port in ports if port != (5555 if part.kind == FLOWER else API_PORT)]
    if other:
        named = ", ".join(map(str, other))
        findings.left.append(f"port {named} of {part.container.name}: the API is port {API_PORT} of Service NAME-api")
