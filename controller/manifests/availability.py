"""What keeps the API and the workers available: the autoscaler of the API, and how many pods may be evicted at once."""

from controller.manifests.target import API, WORKER, Target, build_metadata, build_selector
from controller.manifests.types import Autoscaler, DisruptionBudget
from controller.model.api import Autoscaling


def build_autoscaler(target: Target, autoscaling: Autoscaling) -> Autoscaler:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": build_metadata(target, target.api_name, API),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target.api_name},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": autoscaling.cpu_percent},
                    },
                }
            ],
        },
    }


def build_disruption_budgets(target: Target) -> list[DisruptionBudget]:
    """One of each at a time: a pod that is evicted counts as gone until its replacement is ready.

    The only pod of a part may go too, or nothing could ever drain its node; so the embedded Valkey, of which there is
    never more than one, and beat have none. Workers that run a task end it before they go, within their grace period.
    """
    queues = [
        _build_budget(target, target.worker_name(queue.name), WORKER, queue.name)
        for queue in target.spec.queues
        if queue.most_replicas > 1
    ]
    return [_build_budget(target, target.api_name, API), *queues]


def _build_budget(target: Target, name: str, component: str, queue: str | None = None) -> DisruptionBudget:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": build_metadata(target, name, component, queue),
        "spec": {
            "maxUnavailable": 1,
            "selector": build_selector(target, component, queue),
            # A pod that cannot start must not keep a node from being drained.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
