"""The generated Secret and the flag document."""

import base64

from contract import flag, kubernetes
from controller.manifests.target import API, GeneratedSecret, Target, build_metadata
from controller.manifests.types import ConfigMap, Secret


def build_secret(target: Target, secret: GeneratedSecret) -> Secret:
    """What was generated once. With the version that was read, so that a change in between is not written over."""
    metadata = build_metadata(target, target.secret_name, API)
    if secret.resource_version is not None:
        metadata["resourceVersion"] = secret.resource_version
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in secret.values.items()},
    }


def build_flag(target: Target) -> ConfigMap:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": build_metadata(target, target.flag_name, API),
        "data": {kubernetes.FLAG_KEY: flag.encode(target.flag).decode()},
    }
