"""Workers: one Deployment a queue; and beat, of which there is never more than one."""

from typing import Final

from contract import env, kubernetes
from controller.manifests import environment, parts, pod
from controller.manifests.api import GRACE_S
from controller.manifests.target import BEAT, WORKER, Target
from controller.manifests.types import Container, Deployment, Probe
from controller.model.quantity import parse_quantity
from controller.model.spec import QueueSpec

METRICS_PORT_NAME: Final = "metrics"
METRICS_PORT: Final = "WORKER_METRICS_PORT"
MB: Final = 1024 * 1024
# A worker's parent process with all that it shares with its children, measured at 105 MB.
PARENT_MB: Final = 128
# What a process reserves and does not touch counts against its limit: 80 MB in an analysis with scikit-learn.
RESERVED_MB: Final = 96
# A process has 85 MB before its first task: below this it would be replaced after each, and could do none.
LEAST_MB: Final = 128


def build_worker(target: Target, queue: QueueSpec) -> Deployment:
    """Workers of one queue. A pod that is to go gets the hard time limit and some more to end its tasks."""
    _, hard_s = target.spec.time_limits_s(queue)
    template = pod.build_template(
        target,
        WORKER,
        _build_worker_container(target, queue),
        pod.build_volumes(target),
        hard_s + pod.GRACE_MARGIN_S,
        queue.name,
        metrics_port=kubernetes.WORKER_METRICS_PORT,
        is_spread=True,
    )
    name, replicas = target.worker_name(queue.name), target.replicas_of(queue)
    return parts.build_deployment(target, name, WORKER, template, parts.ROLLING, replicas, queue.name)


def build_beat(target: Target) -> Deployment:
    """Beat. Recreate: two beats would start every periodic task twice."""
    template = pod.build_template(target, BEAT, _build_beat_container(target), pod.build_volumes(target), GRACE_S)
    return parts.build_deployment(target, target.beat_name, BEAT, template, parts.RECREATE, 1)


def plan_memory(limit: str | None, concurrency: int) -> dict[str, str]:
    """What each process of a worker is told, so that the pod's limit is shared out among them; no limit: nothing.

    Example: 1Gi for 4 processes are 224 MB each, and 320 with what is reserved and never touched.
    """
    if limit is None:
        return {}
    share_mb = (int(parse_quantity(limit)) // MB - PARENT_MB) // concurrency
    return {
        "WORKER_MAX_MEMORY_PER_CHILD_MB": str(max(share_mb, LEAST_MB)),
        "WORKER_CHILD_MEMORY_LIMIT_MB": str(max(share_mb + RESERVED_MB, LEAST_MB)),
    }


def _build_worker_container(target: Target, queue: QueueSpec) -> Container:
    resources = pod.build_resources(queue.resources, "100m", "256Mi", "1Gi")
    limit = resources.get("limits", {}).get("memory")
    own = environment.build_queue_environment(target, queue) | plan_memory(limit, queue.concurrency)
    variables = environment.build_environment(target, env.PART_WORKER, own, queue.env)
    return {
        **parts.build_container(target, WORKER, variables, resources),
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": kubernetes.WORKER_METRICS_PORT}],
        "startupProbe": _build_startup(target, queue),
        "livenessProbe": _build_heartbeat(period_s=20, failures=3),
    }


def _build_beat_container(target: Target) -> Container:
    own = environment.build_beat_environment(target)
    variables = environment.build_environment(target, env.PART_BEAT, own, ())
    resources = pod.build_resources(target.spec.beat.resources, "50m", "128Mi", "256Mi")
    return {
        **parts.build_container(target, BEAT, variables, resources),
        "startupProbe": _build_heartbeat(period_s=2, failures=60),
        "livenessProbe": _build_heartbeat(period_s=20, failures=3),
    }


def _build_startup(target: Target, queue: QueueSpec) -> Probe:
    """A worker's figures are served once its processes are there. Knocking at that port costs the pod nothing; a
    command starts a process in it, each second, just when it is busiest. Who moves the port gets the command.
    """
    if any(variable.name == METRICS_PORT for variable in (*target.spec.env, *queue.env)):
        return _build_heartbeat(period_s=1, failures=120)
    return {"tcpSocket": {"port": METRICS_PORT_NAME}, "periodSeconds": 1, "failureThreshold": 120}


def _build_heartbeat(period_s: int, failures: int) -> Probe:
    """Nobody connects to a worker, so started is ready, and no probe runs for readiness alone."""
    return {
        "exec": pod.build_heartbeat_probe(environment.HEARTBEAT_FILE),
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
