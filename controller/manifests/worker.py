"""Workers: one Deployment a queue; and beat, of which there is never more than one."""

from typing import Final

from contract import env, kubernetes
from controller.manifests import environment, pod
from controller.manifests.api import GRACE_S, PROGRESS_DEADLINE_S
from controller.manifests.target import BEAT, WORKER, Target, build_metadata, build_selector
from controller.manifests.types import Container, Deployment, Probe
from controller.model.spec import QueueSpec

METRICS_PORT_NAME: Final = "metrics"
METRICS_PORT: Final = "WORKER_METRICS_PORT"


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
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(target, target.worker_name(queue.name), WORKER, queue.name),
        "spec": {
            "replicas": target.replicas_of(queue),
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_S,
            "selector": build_selector(target, WORKER, queue.name),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
            "template": template,
        },
    }


def build_beat(target: Target) -> Deployment:
    """Beat. Recreate: two beats would start every periodic task twice."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": build_metadata(target, target.beat_name, BEAT),
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": PROGRESS_DEADLINE_S,
            "selector": build_selector(target, BEAT),
            "strategy": {"type": "Recreate"},
            "template": pod.build_template(
                target,
                BEAT,
                _build_beat_container(target),
                pod.build_volumes(target),
                GRACE_S,
            ),
        },
    }


def _build_worker_container(target: Target, queue: QueueSpec) -> Container:
    spec = target.spec
    own = environment.build_queue_environment(target, queue)
    return {
        "name": WORKER,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": pod.COMMAND,
        "env": environment.build_environment(target, env.PART_WORKER, own, queue.env),
        "envFrom": environment.build_env_from(spec.env_from),
        "ports": [{"name": METRICS_PORT_NAME, "containerPort": kubernetes.WORKER_METRICS_PORT}],
        "resources": pod.build_resources(queue.resources, "100m", "256Mi", "1Gi"),
        "startupProbe": _build_startup(target, queue),
        "livenessProbe": _build_heartbeat(period_s=20, failures=3),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pod.build_container_security(),
        "volumeMounts": pod.build_mounts(target),
    }


def _build_beat_container(target: Target) -> Container:
    spec = target.spec
    return {
        "name": BEAT,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "command": pod.COMMAND,
        "env": environment.build_environment(target, env.PART_BEAT, environment.build_beat_environment(target), ()),
        "envFrom": environment.build_env_from(spec.env_from),
        "resources": pod.build_resources(spec.beat.resources, "50m", "128Mi", "256Mi"),
        "startupProbe": _build_heartbeat(period_s=2, failures=60),
        "livenessProbe": _build_heartbeat(period_s=20, failures=3),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pod.build_container_security(),
        "volumeMounts": pod.build_mounts(target),
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
