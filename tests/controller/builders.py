"""Builders that tests of the operator share: a spec, a target, and objects as the API server would answer them."""

import copy
from typing import Any, cast

from contract.flag import FlagDocument
from contract.kubernetes import ANNOTATION_APPLIED
from controller.manifests.all import build_configuration, build_workloads
from controller.manifests.target import GeneratedSecret, Target
from controller.manifests.types import Manifest
from controller.model.base import JsonObject
from controller.model.observed import Observed
from controller.model.service import ServiceKey
from controller.model.spec import PinnokioServiceSpec
from controller.plan.drift import digest_of

KEY = ServiceKey("place", "demo")
UID = "11111111-0000-0000-0000-000000000000"


def build_spec(**fields: Any) -> PinnokioServiceSpec:
    return PinnokioServiceSpec.model_validate({"image": "pinnokio:1.2.3"} | fields)


def build_target(spec: PinnokioServiceSpec | None = None, **fields: Any) -> Target:
    secret = GeneratedSecret({"token": "t", "valkey-password": "p"}, None)
    return Target(KEY, UID, spec or build_spec(**fields), secret, FlagDocument(revision=1, salt=str(KEY)))


def build_all(target: Target) -> list[Manifest]:
    return [*build_configuration(target), *build_workloads(target)]


def as_seen(manifest: Manifest, **status: Any) -> JsonObject:
    """The object as it stands on the cluster after it was applied."""
    document = copy.deepcopy(cast("JsonObject", manifest))
    meta = document["metadata"]
    meta["annotations"] = {ANNOTATION_APPLIED: digest_of(cast("JsonObject", manifest))}
    meta |= {"uid": f"uid-{meta['name']}", "resourceVersion": "7", "generation": 1}
    document["status"] = {"observedGeneration": 1} | status
    return document


def all_seen(target: Target, **status: Any) -> Observed:
    return Observed.of(as_seen(manifest, **status) for manifest in build_all(target))


def running(replicas: int = 1) -> dict[str, int]:
    """Status of a Deployment or StatefulSet all of whose pods run."""
    return {"replicas": replicas, "readyReplicas": replicas, "updatedReplicas": replicas}


def build_pod(component: str = "api", name: str = "demo-api-x", queue: str | None = None, **status: Any) -> JsonObject:
    labels = {"app.kubernetes.io/component": component} | ({"pinnokio.io/queue": queue} if queue else {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": KEY.namespace,
            "uid": "p",
            "resourceVersion": "1",
            "labels": labels,
        },
        "status": status,
    }
