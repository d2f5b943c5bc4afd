"""What manifests are built from, and the names and labels that tie them to their PinnokioService."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from contract import flag, kubernetes
from controller.manifests.types import LabelSelector, ObjectMeta
from controller.model.kinds import SERVICE_RESOURCE
from controller.model.service import ServiceKey
from controller.model.spec import PinnokioServiceSpec, QueueSpec

APP: Final = "pinnokio"
API: Final = "api"
WORKER: Final = "worker"
BEAT: Final = "beat"
VALKEY: Final = "valkey"
FLOWER: Final = "flower"
REGISTRY_JOB: Final = "registry-job"


@dataclass(frozen=True, slots=True)
class GeneratedSecret:
    """Values that were generated once (never logged), and the version read."""

    values: dict[str, str] = field(repr=False)
    resource_version: str | None

    def checksum(self, *names: str) -> str:
        """A word that changes when one of the values of these names does; "" where none of them is generated."""
        text = "\0".join(f"{name}={self.values[name]}" for name in sorted(names) if name in self.values)
        return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


@dataclass(frozen=True, slots=True)
class Workers:
    """What runs for the queues. `replicas` by queue of the spec. Queues that left the spec and still have work:
    `kept` ones have workers, which are left as they are; `adopted` ones get one."""

    replicas: Mapping[str, int] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    adopted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistryJob:
    """A command of the service that runs once: `python -m service COMMAND`."""

    command: Literal["verify", "restore-legacy"]
    attempt: int


@dataclass(frozen=True, slots=True)
class Target:
    """One PinnokioService to build for. `secret` None: nothing has to be generated. `operator_namespace`: where the
    operator runs; None: outside the cluster. `beats`: whether beat may run; not beside another service's."""

    key: ServiceKey
    uid: str
    spec: PinnokioServiceSpec
    secret: GeneratedSecret | None
    flag: flag.FlagDocument
    workers: Workers = field(default_factory=Workers)
    operator_namespace: str | None = None
    jobs: tuple[RegistryJob, ...] = ()
    beats: bool = True

    @property
    def has_beat(self) -> bool:
        return self.spec.beat.enabled and self.beats

    @property
    def api_name(self) -> str:
        return f"{self.key.name}-api"

    @property
    def beat_name(self) -> str:
        return f"{self.key.name}-beat"

    @property
    def flower_name(self) -> str:
        return f"{self.key.name}-flower"

    @property
    def valkey_name(self) -> str:
        return valkey_name(self.key)

    @property
    def secret_name(self) -> str:
        return secret_name(self.key)

    @property
    def flag_name(self) -> str:
        return flag_name(self.key)

    def replicas_of(self, queue: QueueSpec) -> int:
        return self.workers.replicas.get(queue.name, queue.min_replicas)

    @property
    def adopted_queues(self) -> tuple[QueueSpec, ...]:
        """Stand-ins for queues that the spec does not have and whose messages wait for a worker."""
        return tuple(QueueSpec(name=name, min_replicas=1) for name in self.workers.adopted)

    def worker_name(self, queue: str) -> str:
        return f"{self.key.name}-worker-{queue}"


def valkey_name(key: ServiceKey) -> str:
    return f"{key.name}-valkey"


def secret_name(key: ServiceKey) -> str:
    return f"{key.name}-auth"


def flag_name(key: ServiceKey) -> str:
    return f"{key.name}-flag"


def secret_keys(spec: PinnokioServiceSpec) -> tuple[str, ...]:
    """Keys of the generated Secret that `spec` calls for; empty: no Secret is made."""
    token = not spec.api.auth.disabled and spec.api.auth.token_secret_ref is None
    password = spec.valkey.mode == "embedded"
    flower = spec.flower.enabled and spec.flower.basic_auth_secret_ref is None
    wanted = (
        (kubernetes.TOKEN_KEY, token),
        (kubernetes.VALKEY_PASSWORD_KEY, password),
        (kubernetes.FLOWER_KEY, flower),
    )
    return tuple(name for name, is_wanted in wanted if is_wanted)


def build_selector(target: Target, component: str, queue: str | None = None) -> LabelSelector:
    """Labels that pick the pods of one component, and never change while it lives."""
    labels = {
        kubernetes.LABEL_NAME: APP,
        kubernetes.LABEL_INSTANCE: target.key.name,
        kubernetes.LABEL_COMPONENT: component,
    }
    return {"matchLabels": labels | ({kubernetes.LABEL_QUEUE: queue} if queue else {})}


def build_labels(target: Target, component: str, queue: str | None = None) -> dict[str, str]:
    selector = build_selector(target, component, queue)["matchLabels"]
    return selector | {kubernetes.LABEL_MANAGED_BY: kubernetes.FIELD_MANAGER}


def build_metadata(target: Target, name: str, component: str, queue: str | None = None) -> ObjectMeta:
    return {
        "name": name,
        "namespace": target.key.namespace,
        "labels": build_labels(target, component, queue),
        "ownerReferences": [
            {
                "apiVersion": SERVICE_RESOURCE.api_version,
                "kind": SERVICE_RESOURCE.name,
                "name": target.key.name,
                "uid": target.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
