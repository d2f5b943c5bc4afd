"""`status` of a PinnokioService: what is told, in the shapes of the Kubernetes API conventions."""

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

from controller.model.base import JsonObject, Model, map_list
from controller.model.rollout_status import RolloutStatus

READY: Final = "Ready"
PROGRESSING: Final = "Progressing"
DEGRADED: Final = "Degraded"
PAUSED: Final = "Paused"
FLAG_ROLLOUT: Final = "FlagRollout"

REASON: Final = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
ConditionStatus = Literal["True", "False", "Unknown"]
Phase = Literal["Pending", "Progressing", "Ready", "Degraded"]
Count = Annotated[int, Field(ge=0)]


class Condition(Model):
    """One condition; `lastTransitionTime` moves only when `status` does."""

    model_config = ConfigDict(str_max_length=4096)

    type: Literal["Ready", "Progressing", "Degraded", "Paused", "FlagRollout"] = Field(description="What it is about.")
    status: ConditionStatus = Field(description="Whether it holds.")
    # As in metav1.Condition. Of the CRD alone: a status that another version wrote must be read all the same.
    reason: str = Field(
        json_schema_extra={"minLength": 1, "maxLength": 1024, "pattern": REASON},
        description="One word that programs can test.",
    )
    message: str = Field(description="What a person reads: what is wrong and what to do.")
    last_transition_time: str = Field(
        json_schema_extra={"format": "date-time"}, description="When status last changed (RFC 3339)."
    )
    observed_generation: Count = Field(description="Generation of the spec that this is about.")


class ComponentStatus(Model):
    """Figures of one part."""

    name: str = Field(description="api, beat, flower or valkey.")
    desired: Count = Field(description="Pods wanted.")
    ready: Count = Field(description="Pods that are ready.")
    updated: Count = Field(description="Pods that run what the spec says now.")


class QueueStatus(Model):
    """Figures of one queue's workers."""

    name: str = Field(description="Name of the queue.")
    desired: Count = Field(description="Worker pods wanted.")
    ready: Count = Field(description="Worker pods that are ready.")
    updated: Count = Field(description="Worker pods that run what the spec says now.")
    concurrency: Count = Field(description="Tasks that one pod runs at a time.")
    waiting: Count | None = Field(default=None, description="Tasks that wait; absent: not known.")
    in_flight: Count | None = Field(
        default=None, description="Tasks that run, by the workers' heartbeats; absent: not known."
    )
    unacked: Count | None = Field(
        default=None,
        description="Tasks handed to workers and not done: running, waiting for their time, or left by a worker that"
        " died; absent: not known.",
    )
    decision: str | None = Field(default=None, description="Why that many worker pods are wanted: one word.")
    message: str | None = Field(default=None, description="The same for a person, with the figures behind it.")


class FlagStatus(Model):
    """The flag as written for the pods."""

    revision: Count = Field(description="Revision of the flag document; it only grows.")
    enabled: bool = Field(description="Whether it is on for anybody.")
    published: bool = Field(
        description="Whether this revision stands in Valkey; if not, pods learn it from the mounted file."
    )
    acknowledged: Count | None = Field(
        default=None, description="Ready API pods that serve by this revision; absent: not known."
    )
    pods: Count | None = Field(default=None, description="Ready API pods.")
    legacy_writes: bool = Field(default=True, description="Whether the legacy registry is written where it is on.")


class Summary(Model):
    """Words for `kubectl get`."""

    api: str = Field(description="Ready and wanted pods of the API.")
    queues: str = Field(description="Queues with all their workers ready, of all.")
    flag: str = Field(description="off, on, audience or a percentage.")
    rollout: str = Field(default="", description="Phase of the rollout, and its step of all.")
    acknowledged: str = Field(default="", description="Pods that serve by the flag's revision, of the ready ones.")
    version: str = Field(description="Version that is wanted.")


class Status(Model):
    """The whole status. A part is None while the spec cannot be read."""

    observed_generation: Count = Field(description="Generation of the spec that was last acted on.")
    phase: Phase = Field(description="Pending, Progressing, Ready or Degraded.")
    conditions: tuple[Condition, ...] = Field(
        json_schema_extra=map_list("type"), description="Ready, Progressing, Degraded, Paused and FlagRollout."
    )
    components: tuple[ComponentStatus, ...] = Field(
        default=(), json_schema_extra=map_list("name"), description="API, beat, Flower and the embedded Valkey."
    )
    queues: tuple[QueueStatus, ...] = Field(
        default=(), json_schema_extra=map_list("name"), description="Queues of the spec."
    )
    flag: FlagStatus | None = Field(default=None, description="The flag.")
    rollout: RolloutStatus | None = Field(default=None, description="Where the rollout of the flag stands.")
    summary: Summary | None = Field(default=None, description="Words for `kubectl get`.")

    def condition(self, kind: str) -> Condition | None:
        return next((condition for condition in self.conditions if condition.type == kind), None)

    def as_json(self) -> JsonObject:
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")
