"""`spec.valkey`: the store of registries, events and tasks, run by the operator or by someone else."""

from typing import Literal

from pydantic import ConfigDict, Field

from controller.model.base import Model, rule, rules
from controller.model.pod import KeyRef, Quantity, Resources


class ValkeyStorage(Model):
    """The volume of the embedded Valkey. It cannot change once made, but for `retain`."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "quantity(string(self.size)).compareTo(quantity(string(oldSelf.size))) == 0",
                "the size of an existing volume is not changed here: resize the PersistentVolumeClaim itself,"
                " or make a new PinnokioService",
            ),
            rule(
                "has(self.storageClassName) == has(oldSelf.storageClassName)"
                " && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
                "the storage class of an existing volume cannot change: make a new PinnokioService",
            ),
        )
    )

    size: Quantity = Field(default="1Gi", description="Size in bytes, such as 1Gi.")
    storage_class_name: str | None = Field(
        default=None, min_length=1, max_length=253, description="Storage class; unset: the cluster's default."
    )
    retain: bool = Field(
        default=True, description="Keep the volume when the PinnokioService is deleted; false deletes it with the data."
    )


class EmbeddedValkey(Model):
    """One Valkey run by the operator: a StatefulSet of one, append-only file, noeviction."""

    image: str = Field(
        default="valkey/valkey:9.0",
        min_length=1,
        max_length=512,
        description="Image with valkey-server on its path.",
    )
    storage: ValkeyStorage = Field(default=ValkeyStorage(), description="Its volume.")
    resources: Resources | None = Field(
        default=None,
        description="CPU and memory; unset: 50m and 64Mi requested, 512Mi at most. Valkey refuses writes"
        " (noeviction) from three quarters of the memory limit on.",
    )


class Tls(Model):
    """TLS towards an external Valkey."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.caSecretRef) || (self.enabled && self.verify)",
                "tls.caSecretRef is not looked at unless tls.enabled and tls.verify are true: set both, or remove it",
            )
        )
    )

    enabled: bool = Field(default=False, description="Connect by TLS.")
    verify: bool = Field(default=True, description="Check the server's certificate.")
    ca_secret_ref: KeyRef | None = Field(
        default=None,
        description="Secret with the certificate (PEM) of the authority that signed the server's; unset: those that"
        " the image trusts.",
    )


class ExternalValkey(Model):
    """A Valkey or Redis that runs elsewhere, such as ElastiCache."""

    host: str = Field(min_length=1, max_length=253, description="Host name or address.")
    port: int = Field(default=6379, ge=1, le=65535, description="TCP port.")
    tls: Tls = Field(default=Tls(), description="TLS.")
    password_secret_ref: KeyRef | None = Field(default=None, description="Secret with the password; unset: no login.")


class ValkeySpec(Model):
    """The store: `embedded` is run by the operator, `external` by someone else."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.mode != 'external' || has(self.external)",
                "mode external needs spec.valkey.external.host: set it, or use mode embedded",
            ),
            rule(
                "self.mode != 'embedded' || !has(self.external)",
                "spec.valkey.external is set but mode is embedded: set mode external, or remove it",
            ),
        )
    )

    mode: Literal["embedded", "external"] = Field(default="embedded", description="Who runs Valkey.")
    embedded: EmbeddedValkey = Field(default=EmbeddedValkey(), description="Settings of mode embedded.")
    external: ExternalValkey | None = Field(default=None, description="Settings of mode external.")
