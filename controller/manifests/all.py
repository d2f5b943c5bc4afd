"""Everything that one PinnokioService consists of, in the order in which it is applied."""

from controller.manifests import api, availability, config, flower, ingress, job, network, valkey, worker
from controller.manifests.target import Target
from controller.manifests.types import Manifest


def build_configuration(target: Target) -> list[Manifest]:
    """What pods refer to and would wait for: applied first."""
    secret = [config.build_secret(target, target.secret)] if target.secret else []
    return [*secret, config.build_flag(target), *network.build_network_policies(target)]


def build_workloads(target: Target) -> list[Manifest]:
    spec = target.spec
    store: list[Manifest] = []
    if spec.valkey.mode == "embedded":
        store = [valkey.build_valkey_service(target), valkey.build_valkey(target)]
    workers = [worker.build_worker(target, queue) for queue in (*spec.queues, *target.adopted_queues)]
    beat = [worker.build_beat(target)] if target.has_beat else []
    pages: list[Manifest] = []
    if spec.flower.enabled:
        pages = [flower.build_flower_service(target), flower.build_flower(target)]
    serving: list[Manifest] = [api.build_api_service(target), api.build_api(target)]
    jobs = [job.build_job(target, each) for each in target.jobs]
    return [*store, *serving, *workers, *beat, *pages, *_build_around(target), *jobs]


def _build_around(target: Target) -> list[Manifest]:
    """What stands around the pods and runs none."""
    spec = target.spec.api
    scaler = [availability.build_autoscaler(target, spec.autoscaling)] if spec.autoscaling else []
    entrance = [ingress.build_ingress(target, spec.ingress)] if spec.ingress else []
    return [*scaler, *availability.build_disruption_budgets(target), *entrance]
