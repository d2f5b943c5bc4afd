"""Parts of the custom resource that end up in a pod: resources, environment variables, references to Secrets."""

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from controller.model.base import JsonObject, Model, map_list, rule, rules
from controller.model.quantity import PATTERN, parse_quantity

# Names that the operator sets by itself: another value would contradict the rest of the spec.
CELERY_KEY_PREFIX: Final = "CELERY_KEY_PREFIX"
OWNED_VARIABLES: Final = (
    "BEAT_SCHEDULE_FILE",
    "CELERY_CONCURRENCY",
    "CELERY_HARD_TIME_LIMIT_S",
    "CELERY_QUEUES",
    "CELERY_SOFT_TIME_LIMIT_S",
    "CONTAINER_TYPE",
    "FLAG_FILE",
    "FLOWER_BASIC_AUTH",
    "LEGACY_SESSION_SCAN",
    "LISTENERS_REDIS_DB",
    "LISTENERS_REDIS_HOST",
    "LISTENERS_REDIS_PASSWORD",
    "LISTENERS_REDIS_PORT",
    "LISTENERS_REDIS_TLS",
    "LISTENERS_REDIS_TLS_CA_FILE",
    "LISTENERS_REDIS_TLS_VERIFY",
    "LISTENERS_SERVICE_TOKEN",
    "LOG_LEVEL",
    "POD_NAME",
    "PORT",
    "REGISTRY_DEBUG",
    "SERVICE_VERSION",
    "TASK_ROUTES",
    "UNIFIED_REGISTRY_ENABLED",
    "USE_LOCAL_REDIS",
    "WORKER_HEARTBEAT_FILE",
    "WORKER_METRICS_PORT",
    "WS_AUTH",
)

OBJECT_NAME: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"

Quantity = Annotated[
    str,
    Field(pattern=PATTERN, coerce_numbers_to_str=True),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": PATTERN,
            "maxLength": 32,
            "minimum": 0,
        }
    ),
]


class ResourceAmounts(Model):
    """What a container asks for or may use at most."""

    cpu: Quantity | None = Field(default=None, description="CPU cores, such as 250m (a quarter) or 2.")
    memory: Quantity | None = Field(default=None, description="Memory in bytes, such as 512Mi.")

    def as_dict(self) -> dict[str, str]:
        return {name: amount for name in ("cpu", "memory") if (amount := getattr(self, name)) is not None}


def _fit_rule(name: str) -> JsonObject:
    both = " && ".join(f"has(self.{kind}) && has(self.{kind}.{name})" for kind in ("requests", "limits"))
    request, limit = (f"quantity(string(self.{kind}.{name}))" for kind in ("requests", "limits"))
    return rule(
        f"!({both}) || {request}.compareTo({limit}) <= 0", f"requests.{name} is above limits.{name}: raise the limit"
    )


class Resources(Model):
    """CPU and memory of a container."""

    model_config = ConfigDict(json_schema_extra=rules(_fit_rule("cpu"), _fit_rule("memory")))

    requests: ResourceAmounts = Field(default=ResourceAmounts(), description="What the scheduler sets aside.")
    limits: ResourceAmounts = Field(
        default=ResourceAmounts(), description="The most the container may use; above the memory limit it is killed."
    )

    @model_validator(mode="after")
    def _requests_fit_limits(self) -> Self:
        limits = self.limits.as_dict()
        for name, amount in self.requests.as_dict().items():
            if name in limits and parse_quantity(amount) > parse_quantity(limits[name]):
                raise ValueError(f"requests.{name} {amount} is above limits.{name} {limits[name]}: raise the limit")
        return self

    def as_dict(self) -> dict[str, dict[str, str]]:
        both = {"requests": self.requests.as_dict(), "limits": self.limits.as_dict()}
        return {kind: amounts for kind, amounts in both.items() if amounts}


class KeyRef(Model):
    """One key of a Secret or ConfigMap of the same namespace."""

    name: str = Field(min_length=1, max_length=253, pattern=OBJECT_NAME, description="Name of the object.")
    key: str = Field(min_length=1, max_length=253, description="Key in it.")
    optional: bool = Field(default=False, description="Start also where the object or the key is missing.")


class ObjectRef(Model):
    """A whole Secret or ConfigMap of the same namespace."""

    name: str = Field(min_length=1, max_length=253, pattern=OBJECT_NAME, description="Name of the object.")
    optional: bool = Field(default=False, description="Start also where the object is missing.")


class NameRef(Model):
    """A Secret of the same namespace."""

    name: str = Field(min_length=1, max_length=253, pattern=OBJECT_NAME, description="Name of the Secret.")


class EnvSource(Model):
    """Where a variable's value is read from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.secretKeyRef), has(self.configMapKeyRef)].filter(x, x).size() == 1",
                "set exactly one of secretKeyRef and configMapKeyRef",
            )
        )
    )

    secret_key_ref: KeyRef | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeyRef | None = Field(default=None, description="A key of a ConfigMap.")


def _owned_rule() -> JsonObject:
    names = ", ".join(f"'{name}'" for name in OWNED_VARIABLES)
    return rule(
        f"!(self.name in [{names}])",
        "this variable is set by the operator: use the field of the spec that stands for it",
        said_by="'env ' + self.name + ' is set by the operator: use the field of the spec that stands for it'",
    )


def shared_variables_rule() -> JsonObject:
    """Of a part's own `env`: variables that all parts must have alike."""
    return rule(
        f"!has(self.env) || self.env.all(e, e.name != '{CELERY_KEY_PREFIX}')",
        f"env {CELERY_KEY_PREFIX} is the whole service's: set it in spec.env, or tasks go where no worker looks",
    )


class EnvVar(Model):
    """One environment variable, with a value or where to read it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule("!(has(self.value) && has(self.valueFrom))", "set value or valueFrom, not both"),
            _owned_rule(),
        )
    )

    name: str = Field(
        min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Name of the variable."
    )
    value: str | None = Field(default=None, max_length=8192, description="Its value, as it stands; unset: empty.")
    value_from: EnvSource | None = Field(default=None, description="Where its value is read from.")


class EnvFrom(Model):
    """Every key of a Secret or ConfigMap as an environment variable."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.secretRef), has(self.configMapRef)].filter(x, x).size() == 1",
                "set exactly one of secretRef and configMapRef",
            )
        )
    )

    prefix: str | None = Field(default=None, max_length=64, description="Put before each key.")
    secret_ref: ObjectRef | None = Field(default=None, description="The Secret.")
    config_map_ref: ObjectRef | None = Field(default=None, description="The ConfigMap.")


Env = Annotated[tuple[EnvVar, ...], Field(max_length=64, json_schema_extra=map_list("name"))]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
