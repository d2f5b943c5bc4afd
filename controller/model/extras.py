"""Parts of the spec that stand beside the service itself: Chroma that runs elsewhere, Flower, how pods are spread, the
old service that still runs beside it."""

from typing import Annotated, Literal

from pydantic import Field

from controller.model.base import Model
from controller.model.pod import KeyRef, Resources


class ChromaSpec(Model):
    """A Chroma server that runs elsewhere. Variables of spec.env of the same names win."""

    host: str = Field(min_length=1, max_length=253, description="Host name or address (CHROMA_HOST).")
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port (CHROMA_PORT).")
    ssl: bool = Field(default=False, description="Connect by TLS (CHROMA_SSL).")
    token_secret_ref: KeyRef | None = Field(
        default=None,
        description="Secret with the token that it asks for, sent as Authorization: Bearer and X-Chroma-Token;"
        " unset: none is sent.",
    )


class FlowerSpec(Model):
    """Flower, a web page that shows workers and their tasks, on port 5555 of the Service NAME-flower."""

    enabled: bool = Field(default=False, description="Run it.")
    basic_auth_secret_ref: KeyRef | None = Field(
        default=None,
        description="Secret whose key holds user:password; unset: the user pinnokio with a generated password, in the"
        " key flower of the Secret NAME-auth.",
    )
    resources: Resources | None = Field(
        default=None, description="CPU and memory; unset: 50m and 96Mi requested, 256Mi at most."
    )


class SpreadSpec(Model):
    """How pods of the API, and of one queue, are spread over the cluster."""

    topology_keys: tuple[Annotated[str, Field(min_length=1, max_length=316)], ...] = Field(
        default=("kubernetes.io/hostname", "topology.kubernetes.io/zone"),
        max_length=4,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Labels of nodes over whose values pods are spread evenly; empty: no spread of its own.",
    )
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = Field(
        default="ScheduleAnyway", description="Whether a pod that cannot be placed evenly runs all the same."
    )


class MigrationSpec(Model):
    """What holds while the service is moved here from elsewhere."""

    old_service: bool = Field(
        default=False,
        description="The old service still writes to the same Valkey: a session that our index does not know is looked"
        " for among all users (LEGACY_SESSION_SCAN). Slow with many users: false once the old service is gone.",
    )
