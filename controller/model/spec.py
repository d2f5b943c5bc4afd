"""`spec` of a PinnokioService. The CRD is generated from it (`controller.model.crd`), descriptions and rules too.

Here stands what one reads in `kubectl explain pinnokioservice.spec`; what it becomes is `controller.manifests`.
"""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from contract import keys, queues
from controller.model.api import ApiSpec
from controller.model.base import JsonObject, Model, map_list, rule, rules
from controller.model.extras import ChromaSpec, FlowerSpec, MigrationSpec, SpreadSpec
from controller.model.network import NetworkPolicySpec
from controller.model.pod import (
    CELERY_KEY_PREFIX,
    Env,
    EnvFrom,
    NameRef,
    PullPolicy,
    Resources,
    shared_variables_rule,
)
from controller.model.rollout import UnifiedRegistry
from controller.model.valkey import ValkeySpec

# A task that ignores its soft limit is killed this many seconds later (contract.env: 3600 and 3660).
HARD_LIMIT_MARGIN_S: Final = 60
# Workers refuse a limit after which a message is given again.
HARD_LIMIT_MAX_S: Final = queues.VISIBILITY_TIMEOUT_S - 1
# Where no hard limit is set.
SOFT_LIMIT_MAX_S: Final = HARD_LIMIT_MAX_S - HARD_LIMIT_MARGIN_S
QUEUE_NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
QUEUE_NAME_MAX: Final = 40
QueueName = Annotated[str, Field(min_length=1, max_length=QUEUE_NAME_MAX, pattern=QUEUE_NAME)]


class Scaling(Model):
    """How the number of a queue's worker pods follows what waits."""

    tasks_per_slot: float = Field(
        default=1,
        ge=0.1,
        le=1000,
        description="Tasks, waiting and running, for each that can run at a time: replicas are (waiting + running) /"
        " (concurrency x tasksPerSlot), rounded up. Above 1, some wait for others and fewer pods are started.",
    )
    cooldown_seconds: int = Field(
        default=30,
        ge=5,
        le=3600,
        description="Seconds for which fewer pods must have been enough before pods go. More are started at once.",
    )


class QueueSpec(Model):
    """A queue and the Deployment of workers that serves it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            shared_variables_rule(),
            rule(
                "!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",
                "minReplicas is above maxReplicas: lower minReplicas or raise maxReplicas",
            ),
            rule(
                "!has(self.hardTimeLimitSeconds) || (has(self.softTimeLimitSeconds)"
                " && self.softTimeLimitSeconds < self.hardTimeLimitSeconds)",
                "hardTimeLimitSeconds needs a softTimeLimitSeconds below it: set or lower softTimeLimitSeconds",
            ),
            rule(
                "!has(self.softTimeLimitSeconds) || has(self.hardTimeLimitSeconds)"
                f" || self.softTimeLimitSeconds <= {SOFT_LIMIT_MAX_S}",
                f"softTimeLimitSeconds is above {SOFT_LIMIT_MAX_S}: lower it, or set hardTimeLimitSeconds, at most"
                f" {HARD_LIMIT_MAX_S}; a task that needs longer is split",
            ),
        )
    )

    name: QueueName = Field(description="Name of the queue, as in spec.routes.")
    concurrency: int = Field(default=4, ge=1, le=64, description="Tasks that one worker pod runs at a time.")
    min_replicas: int = Field(
        default=1, ge=0, le=200, description="Fewest worker pods. 0: none run while nothing waits, runs or is to come."
    )
    max_replicas: int | None = Field(
        default=None,
        ge=1,
        le=200,
        description="Most worker pods; unset: as many as minReplicas, and 1 where that is 0.",
    )
    scaling: Scaling = Field(default=Scaling(), description="How their number follows what waits.")
    soft_time_limit_seconds: int | None = Field(
        default=None,
        ge=1,
        le=HARD_LIMIT_MAX_S - 1,
        description="Seconds after which a task is told to stop; unset: the longest of the task types routed here.",
    )
    hard_time_limit_seconds: int | None = Field(
        default=None,
        ge=2,
        le=HARD_LIMIT_MAX_S,
        description="Seconds after which a task is killed; unset: the soft limit and 60. A pod that is to go"
        " gets this time and 30 seconds to end its tasks.",
    )
    resources: Resources | None = Field(
        default=None, description="CPU and memory of one worker pod; unset: 100m and 256Mi requested, 1Gi at most."
    )
    env: Env = Field(default=(), description="Variables of this queue's workers only; they win over spec.env.")

    @property
    def most_replicas(self) -> int:
        return self.max_replicas or max(self.min_replicas, 1)


class BeatSpec(Model):
    """Beat, which starts the periodic tasks (cleanup, health check). One pod, never two."""

    enabled: bool = Field(default=True, description="Run it.")
    resources: Resources | None = Field(
        default=None, description="CPU and memory; unset: 50m and 128Mi requested, 256Mi at most."
    )


def _default_queues() -> tuple[QueueSpec, ...]:
    return tuple(QueueSpec(name=name) for name in queues.QUEUES)


def _served_rule(task_type: queues.TaskType) -> JsonObject:
    routed = f"(has(self.routes) && '{task_type.name}' in self.routes)"
    return rule(
        f"{routed} || self.queues.exists(q, q.name == '{task_type.queue}')",
        f"tasks of type {task_type.name} go to queue {task_type.queue}, which spec.queues does not have:"
        f" add that queue, or route {task_type.name} to another one in spec.routes",
    )


class PinnokioServiceSpec(Model):
    """What is to run."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.routes) || self.routes.all(t, self.queues.exists(q, q.name == self.routes[t]))",
                "a route names a queue that spec.queues does not have: add the queue or correct the route",
                said_by="'spec.routes.' + self.routes.filter(t, !self.queues.exists(q, q.name == self.routes[t]))[0]"
                " + ' names a queue that spec.queues does not have: add the queue or correct the route'",
            ),
            rule(
                f"self.queues.exists(q, q.name == '{queues.DEFAULT}')",
                f"spec.queues needs a queue named {queues.DEFAULT}: tasks of a type without a route go there",
            ),
            rule(
                f"!has(self.env) || self.env.all(e, e.name != '{CELERY_KEY_PREFIX}' || !has(e.valueFrom))",
                f"env {CELERY_KEY_PREFIX} must be a value: the operator looks for waiting tasks by it",
            ),
            # Never with `enabled: false`: the way back must not be refused.
            rule(
                "self.unifiedRegistry.legacyWrites || !self.unifiedRegistry.enabled || !self.migration.oldService",
                "unifiedRegistry.legacyWrites: false takes away the registry that the old service reads: set"
                " migration.oldService: false once it is gone, or leave legacyWrites true",
            ),
            *(_served_rule(kind) for kind in queues.TASK_TYPES.values()),
        )
    )

    image: str = Field(
        min_length=1, max_length=512, description="Image of API, workers and beat, such as registry/pinnokio:0.1.0."
    )
    image_pull_policy: PullPolicy = Field(
        default="IfNotPresent", description="When images are pulled, the embedded Valkey's too."
    )
    image_pull_secrets: tuple[NameRef, ...] = Field(
        default=(), max_length=8, json_schema_extra=map_list("name"), description="Secrets to pull images with."
    )
    version: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="Version that /version and /healthz answer; unset: the image's tag.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="Least level that API, workers and beat log. A change restarts nothing: it holds within seconds.",
    )
    api: ApiSpec = Field(default=ApiSpec(), description="The API.")
    queues: tuple[QueueSpec, ...] = Field(
        default=_default_queues(),
        min_length=1,
        max_length=32,
        json_schema_extra=map_list("name"),
        description="Queues with their workers; unset: default, computation, llm and maintenance.",
    )
    routes: dict[Annotated[str, Field(max_length=100)], QueueName] = Field(
        default={},
        max_length=100,
        description="Queue by task type, where it is not the usual one: document_analysis: computation.",
    )
    beat: BeatSpec = Field(default=BeatSpec(), description="Beat.")
    valkey: ValkeySpec = Field(default=ValkeySpec(), description="The store.")
    unified_registry: UnifiedRegistry = Field(default=UnifiedRegistry(), description="The flag and its audience.")
    chroma: ChromaSpec | None = Field(default=None, description="A Chroma server; unset: what spec.env says, or none.")
    flower: FlowerSpec = Field(default=FlowerSpec(), description="Flower.")
    network_policy: NetworkPolicySpec = Field(
        default=NetworkPolicySpec(), description="Who may open a connection to which part."
    )
    spread: SpreadSpec = Field(default=SpreadSpec(), description="How pods are spread over the cluster.")
    migration: MigrationSpec = Field(default=MigrationSpec(), description="The old service beside this one.")
    env: Env = Field(default=(), description="More variables for API, workers and beat, such as OPENAI_BASE_URL.")
    env_from: tuple[EnvFrom, ...] = Field(
        default=(),
        max_length=32,
        description="Secrets and ConfigMaps whose keys become variables of API, workers and beat.",
    )

    @property
    def effective_version(self) -> str:
        """`version`, else the image's tag, else the start of its digest, else latest."""
        if self.version:
            return self.version
        repository, _, digest = self.image.partition("@")
        _, colon, tag = repository.rpartition("/")[2].partition(":")
        return tag if colon else digest.removeprefix("sha256:")[:12] or "latest"

    def with_flag_off(self) -> "PinnokioServiceSpec":
        registry = self.unified_registry.model_copy(update={"enabled": False})
        return self.model_copy(update={"unified_registry": registry})

    @property
    def celery_key_prefix(self) -> str:
        """Prefix of the keys of queues and results."""
        said = {variable.name: variable.value for variable in self.env}
        return said.get(CELERY_KEY_PREFIX) or keys.CELERY_PREFIX

    def time_limits_s(self, queue: QueueSpec) -> tuple[int, int]:
        """Soft and hard limit of one task of `queue`, in seconds."""
        soft = queue.soft_time_limit_seconds or self._longest_task_s(queue.name)
        return soft, queue.hard_time_limit_seconds or soft + HARD_LIMIT_MARGIN_S

    def _longest_task_s(self, queue: str) -> int:
        declared = set(queues.TASK_TYPES) | set(self.routes)
        routed = [
            queues.task_type_of(name).max_duration_s for name in declared if queues.queue_of(name, self.routes) == queue
        ]
        # Types that nobody declared go to the default queue.
        others = [queues.OTHER_MAX_DURATION_S] if queue == queues.DEFAULT or not routed else []
        return max(routed + others)
