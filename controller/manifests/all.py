"""Everything that one PinnokioService consists of, in the order in which it is applied."""

from controller.manifests import api, config, valkey, worker
from controller.manifests.target import Target
from controller.manifests.types import Manifest


def build_configuration(target: Target) -> list[Manifest]:
    """What pods refer to and would wait for: applied first."""
    secret = [config.build_secret(target, target.secret)] if target.secret else []
    return [*secret, config.build_flag(target)]


def build_workloads(target: Target) -> list[Manifest]:
    spec = target.spec
    store: list[Manifest] = []
    if spec.valkey.mode == "embedded":
        store = [valkey.build_valkey_service(target), valkey.build_valkey(target)]
    workers = [worker.build_worker(target, queue) for queue in (*spec.queues, *target.adopted_queues)]
    beat = [worker.build_beat(target)] if spec.beat.enabled else []
    return [*store, api.build_api_service(target), api.build_api(target), *workers, *beat]
