"""An ECS task definition, as far as it is looked at, and what comes out of an import: frozen values.

Field names are those of the ECS API (RegisterTaskDefinition). What is not modelled here is told as left behind by
`controller.ecs.leftovers`.
"""

from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import Field, field_validator

from controller.model.base import JsonObject, Model

API: Final = "api"
WORKER: Final = "worker"
BEAT: Final = "beat"
FLOWER: Final = "flower"
LISTENERS: Final = "listeners"
Amount = Annotated[int, Field(ge=0)]


class TaskDefinitionError(Exception):
    """The input is no task definition; the message says what it is and what to send instead."""


class Variable(Model):
    """An entry of `environment`."""

    name: str
    value: str = ""


class SecretVariable(Model):
    """An entry of `secrets`: an ARN of Secrets Manager or of the Parameter Store, or a parameter's name."""

    name: str
    value_from: str = Field(min_length=1)


class EnvironmentFile(Model):
    """An entry of `environmentFiles`: an object in S3."""

    value: str


class HealthCheck(Model):
    """`healthCheck`; the times are the operator's own."""

    command: tuple[str, ...] = ()


class PortMapping(Model):
    """An entry of `portMappings`."""

    container_port: int | None = None


class RepositoryCredentials(Model):
    """Login of a private registry, in Secrets Manager."""

    credentials_parameter: str


class ContainerDefinition(Model):
    """One container. `cpu` in units (1024: one core), `memory` and `memoryReservation` in MiB."""

    name: str = Field(min_length=1)
    image: str = Field(min_length=1)
    cpu: Amount | None = None
    memory: Amount | None = None
    memory_reservation: Amount | None = None
    environment: tuple[Variable, ...] = ()
    secrets: tuple[SecretVariable, ...] = ()
    environment_files: tuple[EnvironmentFile, ...] = ()
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    health_check: HealthCheck | None = None
    port_mappings: tuple[PortMapping, ...] = ()
    repository_credentials: RepositoryCredentials | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_absent(cls, value: object, info: object) -> object:
        """`aws` writes null and [] for what is unset."""
        name = getattr(info, "field_name", "")
        return cls.model_fields[name].default if value is None and not cls.model_fields[name].is_required() else value

    def value_of(self, name: str) -> str | None:
        return next((each.value for each in self.environment if each.name == name), None)

    @property
    def words(self) -> tuple[str, ...]:
        """Entry point and command as one list of words."""
        return tuple(word for part in (*self.entry_point, *self.command) for word in part.split())


class TaskDefinition(Model):
    """A task definition. `cpu` and `memory` of the whole task: units and MiB, or words such as `1 vCPU` and `2 GB`."""

    family: str = "imported"
    revision: int | None = None
    cpu: Annotated[str, Field(coerce_numbers_to_str=True)] | None = None
    memory: Annotated[str, Field(coerce_numbers_to_str=True)] | None = None
    container_definitions: tuple[ContainerDefinition, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was read: its task definition, the same as it stood there, and the file's name for commands."""

    task: TaskDefinition
    raw: JsonObject
    file: str


@dataclass(frozen=True, slots=True)
class Part:
    """A container that becomes a part of the service. `kind`: api, worker, beat, flower or listeners."""

    kind: str
    container: ContainerDefinition
    source: Source


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Secret that a person makes: `fetch` is a shell command that prints its value."""

    key: str
    fetch: str


@dataclass
class Findings:
    """What a person is told. `left`: not carried over, with what to do; `changed`: carried over in another way."""

    left: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Import:
    """What comes out: the custom resource, the keys of its Secret, further commands, and what a person is told."""

    name: str
    origin: str
    document: JsonObject
    secret_name: str
    secret_keys: tuple[SecretKey, ...]
    commands: tuple[str, ...]
    findings: Findings
